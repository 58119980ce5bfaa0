"""Custom: a strategy from a person's file, run in a process of its own. However wrong, slow or broken, it costs its own
opinion only: no tick waits for it longer than CALL_S, and then it is ended and left alone for a while.

The file has a class ``Strategy`` that is made with the parameters of its table: ``lookback``, ``strengths(candles)``,
and (if it likes) ``explain(candles)``, as in strategies/protocol.py. ``package.module:Class`` names an installed one.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from time import monotonic
from typing import Any

from msgspec import MsgspecError, Struct

from trade_mcp.domain.errors import StrategyFailed
from trade_mcp.quant.candles import Candles, Floats
from trade_mcp.sources.wire import Answer, Load, ask, read, write
from trade_mcp.strategies.protocol import warming_up

LOAD_S = 20.0  # real seconds for a file to load
CALL_S = 2.0  # real seconds for one opinion
REST_S, LONGEST_REST_S = 60.0, 3600.0  # how long one that had to be ended is left alone; twice as long each time


class Custom:
    """A strategy in a child process, in the shape of the others. Nothing is started before it is first asked."""

    wrong_when = "what it is wrong about is its author's to say"

    def __init__(self, name: str, file: str, parameters: Mapping[str, Any]):
        self.name, self.file, self._parameters = name, file, dict(parameters)
        self._lock = Lock()
        self._child: Child | None = None
        self._loading_until: float | None = None  # None: the child has loaded
        self._lookback = 0  # 0: not known yet
        self._why, self._again_at, self._rest_s = "", 0.0, REST_S

    @property
    def lookback(self) -> int:
        """Loads the file at the first time, and waits for that. Raises StrategyFailed."""
        if not self._lookback:
            with self._lock:
                self._ready(wait_s=LOAD_S)
        return self._lookback

    def strengths(self, candles: Candles) -> Floats:
        """One value per candle. Raises StrategyFailed for an error, a wrong shape, or no answer in time."""
        found = self._asked(candles, why=False).array
        if len(found) != len(candles):
            raise StrategyFailed(self.name, f"it answered {len(found)} strengths for {len(candles)} candles")
        return found

    def explain(self, candles: Candles) -> str:
        """Its own sentence, in one line."""
        if len(candles) < self.lookback:
            return warming_up(candles, self.lookback)
        return self._asked(candles, why=True).why or "it gives no reason"

    def close(self) -> None:
        """End its process. It is started again if it is asked again."""
        if self._child is not None:
            self._child.end()
            self._child = None

    def _asked(self, candles: Candles, *, why: bool) -> Answer:
        with self._lock:
            child = self._ready(wait_s=0.0 if self._lookback else LOAD_S)  # a tick does not wait for a second start
            child.send(ask(candles, why=why))
            answer = child.answer(within_s=CALL_S)
            if answer is None:
                raise self._muted("its process died" if child.dead else f"no answer within {CALL_S:g} s")
        if answer.error:
            raise StrategyFailed(self.name, answer.error)
        return answer

    def _ready(self, *, wait_s: float) -> "Child":
        """The child with the strategy loaded. Raises StrategyFailed while it is muted, loading, or cannot be loaded."""
        now = monotonic()
        if self._child is None:
            if now < self._again_at:
                left = self._again_at - now
                raise StrategyFailed(self.name, f"muted ({self._why}); tried again in {left:.0f} s")
            self._child = Child(self.file)
            self._child.send(Load(self.file, self._parameters))
            self._loading_until = now + LOAD_S
        if self._loading_until is not None:
            answer = self._child.answer(within_s=wait_s)
            if answer is None:
                if not self._child.dead and monotonic() < self._loading_until:
                    raise StrategyFailed(self.name, f"it is being started again ({self._why})")
                raise self._muted("its process died" if self._child.dead else f"not loaded within {LOAD_S:g} s")
            if answer.error:
                raise self._muted(answer.error)
            self._loading_until, self._lookback = None, answer.lookback
        return self._child

    def _muted(self, why: str) -> StrategyFailed:
        """End the child and leave it alone for a while."""
        self.close()
        self._why, self._again_at = why, monotonic() + self._rest_s
        self._rest_s = min(2 * self._rest_s, LONGEST_REST_S)
        return StrategyFailed(self.name, why)


class Child:
    """The process, and a thread that listens to it. It gets no secret of the desk, and no Ctrl-C of the terminal."""

    def __init__(self, file: str):
        env = {name: value for name, value in os.environ.items() if not name.startswith("TRADE_MCP_")}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "trade_mcp.sources.worker"],  # -P: nothing of the working folder
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=env,
            start_new_session=True,
        )
        self._heard: SimpleQueue[Answer | None] = SimpleQueue()
        self.dead = False
        Thread(target=self._listen, name=f"strategy {Path(file).name}", daemon=True).start()

    def send(self, question: Struct) -> None:
        """Ask; one that is not there anymore is noticed when it does not answer."""
        assert self._process.stdin is not None
        with suppress(OSError):
            write(self._process.stdin, question)

    def answer(self, *, within_s: float) -> Answer | None:
        """Its answer; None if there is none in time, or never will be (then ``dead``)."""
        try:
            heard = self._heard.get(timeout=within_s) if within_s else self._heard.get_nowait()
        except Empty:
            return None
        self.dead = heard is None
        return heard

    def end(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()

    def _listen(self) -> None:
        line = self._process.stdout
        assert line is not None
        with line, suppress(OSError, MsgspecError):
            while (answer := read(line, Answer)) is not None:
                self._heard.put(answer)
        self._heard.put(None)
