"""Line: what one client is told over one socket, in order, through the faults that strike it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from trade_mcp.practice.faults import STREAM, Fault, Faults

MOST_WAITING = 20_000  # messages for a client that does not read; then it is cut off
HELD_S = 0.5  # a message that waits to be overtaken waits no longer
type Send = Callable[[str], Awaitable[None]]


class Line:
    """One client's outgoing messages. ``clock`` are real seconds, those of the event loop's timers."""

    def __init__(self, faults: Faults, clock: Callable[[], float]):
        self._faults, self._clock = faults, clock
        self._waiting: asyncio.Queue[tuple[float, str] | None] = asyncio.Queue()
        self._latest = 0.0  # when the last message leaves: nothing overtakes it
        self._silenced: dict[str, Fault] = {}
        self._held: list[str] = []
        self._cut = False
        self.overfull = asyncio.Event()  # the client does not read

    def say(self, content: Any) -> None:
        """Send ``content`` in its turn."""
        self.say_text(msgspec.json.encode(content).decode())

    def say_text(self, text: str) -> None:
        """Send a text as it is, in its turn."""
        self._put(text)

    def tell(self, target: str, content: Any, *, account: str = "", instead: Callable[[], Any] | None = None) -> None:
        """Send a message of a stream, unless a fault has other plans. ``instead``: what ``other_event`` makes of it."""
        if (silence := self._silenced.get(target)) is not None:
            if self._faults.in_force(silence):
                return
            del self._silenced[target]
        struck: dict[str, Fault] = {fault.fault: fault for fault in self._faults.struck(STREAM, target, account)}
        if not struck:
            self.say(content)
        elif "reset" in struck:
            self.cut()
        elif "silent" in struck:
            self._silenced[target] = struck["silent"]
        elif "drop" not in struck:
            if "other_event" in struck and instead is not None:
                content = instead()
            self._spoil(msgspec.json.encode(content).decode(), struck)

    def cut(self) -> None:
        """End the connection once what waits has been sent."""
        if not self._cut:
            self._cut = True
            self._waiting.put_nowait(None)

    async def pump(self, send: Send) -> None:
        """Send until the line is cut."""
        while (item := await self._waiting.get()) is not None:
            due, text = item
            if (wait_s := due - self._clock()) > 0:
                await asyncio.sleep(wait_s)
            await send(text)

    def _spoil(self, text: str, struck: dict[str, Fault]) -> None:
        after_s = struck["delay"].seconds if "delay" in struck else 0.0
        if "reorder" in struck:
            self._held.append(text)
            asyncio.get_running_loop().call_later(HELD_S, self._release)
            return
        for _ in range(2 if "duplicate" in struck else 1):
            self._put(text, after_s)

    def _put(self, text: str, after_s: float = 0.0) -> None:
        if self._cut:
            return
        if self._waiting.qsize() >= MOST_WAITING:
            self._cut = True
            self.overfull.set()
            return
        self._latest = max(self._latest, self._clock() + after_s)
        self._waiting.put_nowait((self._latest, text))
        self._release()

    def _release(self) -> None:
        held, self._held = self._held, []
        for text in held:
            self._put(text)
