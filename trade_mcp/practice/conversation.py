"""Conversation: one WebSocket from its first word to its last."""

from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import anyio
from starlette.websockets import WebSocket, WebSocketDisconnect

from trade_mcp.practice.connection import cut
from trade_mcp.practice.line import Line

POLICY = 1008  # RFC 6455: the message violates the rules
type Start = Callable[[Callable[[], Coroutine[Any, Any, None]]], object]


class Ended(Exception):
    """The exchange ends the conversation, and says why."""


async def converse(socket: WebSocket, line: Line, hear: Callable[[str, Start], None]) -> None:
    """Send what ``line`` has and give each message that comes to ``hear``, until one of the two sides ends it.

    ``hear`` gets a function that starts what takes time; it does not hold up the messages after it.
    """
    await socket.accept()
    async with anyio.create_task_group() as tasks:

        async def tell() -> None:
            with suppress(WebSocketDisconnect):
                await line.pump(socket.send_text)
                cut(socket.scope, reset=True)
            tasks.cancel_scope.cancel()

        async def guard() -> None:
            await line.overfull.wait()
            cut(socket.scope, reset=True)
            tasks.cancel_scope.cancel()

        tasks.start_soon(tell)
        tasks.start_soon(guard)
        try:
            while True:
                hear(await _text(socket), tasks.start_soon)
        except Ended as why:
            await socket.close(POLICY, str(why))
        except WebSocketDisconnect:
            pass
        tasks.cancel_scope.cancel()


async def _text(socket: WebSocket) -> str:
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1005))
    text: str | None = message.get("text")
    return str(message["bytes"], "utf-8", "replace") if text is None else text
