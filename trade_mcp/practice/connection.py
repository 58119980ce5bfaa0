"""Connection: HTTP with its transport at hand, so that a connection can end without an answer."""

import asyncio
import socket
import struct
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

NO_LINGER = struct.pack("ii", 1, 0)  # what is unsent is thrown away, and the other side hears a reset


class Http(H11Protocol):
    """uvicorn's HTTP/1.1; ``scope["state"]["transport"]`` is the connection, of a WebSocket as well."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.app_state = {**self.app_state, "transport": transport}
        raw: socket.socket = transport.get_extra_info("socket")
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # an answer is two writes: the second would wait
        super().connection_made(transport)


def cut(scope: Any, *, reset: bool) -> None:
    """End the connection of a request or a WebSocket at once: closed, or reset."""
    transport: asyncio.Transport = scope["state"]["transport"]
    if reset:
        raw: socket.socket = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
    transport.abort()


async def break_off(scope: Any, receive: Any, *, reset: bool) -> None:
    """End a request without an answer."""
    cut(scope, reset=reset)
    while (await receive())["type"] != "http.disconnect":
        pass
