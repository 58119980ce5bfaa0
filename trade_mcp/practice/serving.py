"""Serving: the exchange and its control port behind two sockets, in one event loop, until told to stop."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn

from trade_mcp.practice.api import api
from trade_mcp.practice.connection import Http
from trade_mcp.practice.control import control
from trade_mcp.practice.service import Practice

IDLE_S = 120  # a connection that waits for its next request
STOP_WITHIN_S = 1  # for requests in flight
SOON_S, LOOK_S = 0.01, 0.05


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the program's, not a library's."""
        yield


def serve(
    open_: Callable[[], Practice],
    listener: socket.socket,
    control_listener: socket.socket,
    *,
    stop: threading.Event,
    started: Callable[[], None] = lambda: None,
) -> None:
    """Serve what ``open_`` opens until ``stop``; ``started`` is called once both ports answer."""
    practice = open_()
    try:
        asyncio.run(_serve(practice, listener, control_listener, stop, started))
    finally:
        practice.close()


async def _serve(
    practice: Practice,
    listener: socket.socket,
    control_listener: socket.socket,
    stop: threading.Event,
    started: Callable[[], None],
) -> None:
    servers = [_server(api(practice)), _server(control(practice))]
    pairs = zip(servers, (listener, control_listener), strict=True)
    ended = asyncio.gather(*(server.serve([its]) for server, its in pairs))
    while not (ended.done() or all(server.started for server in servers)):
        await asyncio.sleep(SOON_S)
    started()
    while not (ended.done() or stop.is_set()):
        await asyncio.sleep(LOOK_S)
    for server in servers:
        server.should_exit = True
    await ended


def _server(app: Any) -> _Server:
    return _Server(
        uvicorn.Config(
            app,
            http=Http,
            ws="websockets-sansio",
            ws_ping_interval=20,  # as Binance: a ping every 20 s, to be answered within a minute
            ws_ping_timeout=60,
            ws_per_message_deflate=False,
            lifespan="on",
            loop="none",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=IDLE_S,
            timeout_graceful_shutdown=STOP_WITHIN_S,
        )
    )
