"""Transports: the same server over stdio or HTTP. Both end cleanly on SIGTERM and Ctrl-C, and leave nothing behind."""

import asyncio
import hmac
import json
import logging
import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import uvicorn
from anyio.abc import TaskStatus
from mcp.server.stdio import stdio_server
from mcp.server.transport_security import TransportSecuritySettings

from trade_mcp import logs
from trade_mcp.domain.errors import TradeError
from trade_mcp.server.listening import bracketed, is_local, listen
from trade_mcp.server.routes import Routes, open_to
from trade_mcp.server.server import build_server

if TYPE_CHECKING:
    from trade_mcp.app import App

log = logs.get_logger("server")

PATH = "/mcp"
TOKEN = "TRADE_MCP_SERVER_TOKEN"
STOP_WITHIN_S = 3  # for requests in flight
BEAT_EVERY_S = 2.0


def run_stdio(desk: "App") -> None:
    """Serve ``desk`` over stdin and stdout until the client closes stdin or a signal comes."""
    server = build_server(desk)._lowlevel_server
    lines = Lines(_own_stdin())

    async def serve() -> None:
        lines.start(asyncio.get_running_loop())
        async with stdio_server(stdin=lines) as (incoming, outgoing):  # type: ignore[arg-type]
            await server.run(incoming, outgoing, server.create_initialization_options())

    anyio.run(_until_signal, serve, desk)


def run_http(desk: "App", host: str = "127.0.0.1", port: int = 8765) -> None:
    """Serve ``desk`` over streamable HTTP at ``/mcp`` until a signal comes. Beyond this machine only with a token.

    Without sessions, so that a client goes on where it was after the server was killed and came back. Raises BadInput
    when the port cannot be had.
    """
    listener = listen(host, port)
    config = uvicorn.Config(
        http_app(desk, host, token=_token(desk, host)),
        lifespan="on",
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=STOP_WITHIN_S,
    )
    server = _Uvicorn(config)
    logging.getLogger("mcp").setLevel(logging.WARNING)  # it tells of every request

    async def serve() -> None:
        async with anyio.create_task_group() as tasks:
            await tasks.start(_on_signal, lambda: setattr(server, "should_exit", True))
            tasks.start_soon(_beating, desk)
            log.info("serving MCP", url=f"http://{bracketed(host)}:{listener.getsockname()[1]}{PATH}")
            await server.serve([listener])
            tasks.cancel_scope.cancel()

    with listener:
        anyio.run(serve)


def http_app(desk: "App", host: str, *, token: str | None) -> Callable[..., Awaitable[None]]:
    """The ASGI application: the MCP endpoint behind its checks of Host, Origin and (with ``token``) bearer token."""
    app = build_server(desk).streamable_http_app(
        streamable_http_path=PATH,
        stateless_http=True,
        json_response=True,
        host=host,
        transport_security=security(host),
    )
    return Door(Routes(app, desk, security(host)), token)


def security(host: str) -> TransportSecuritySettings:
    """Which Host and Origin headers are served: this machine's own names, never a website's.

    Listening on every address, the names others know this machine by are unknown, and the Host check would refuse them;
    there the token, which no website has, stands in for it.
    """
    names = {"127.0.0.1", "localhost", "[::1]", socket.gethostname(), bracketed(host)}
    return TransportSecuritySettings(
        enable_dns_rebinding_protection=not _everywhere(host),
        allowed_hosts=[form for name in sorted(names) for form in (name, f"{name}:*")],
        allowed_origins=[f"http://{form}" for name in sorted(names) for form in (name, f"{name}:*")],
    )


class Door:
    """ASGI: who may come in. Requests are POSTs, and bring the token if there is one (compared in constant time).

    A GET would open a stream that a server without sessions has nothing to say on, and that holds up its end.
    """

    def __init__(self, app: Callable[..., Awaitable[None]], token: str | None):
        self._app, self._expected = app, f"Bearer {token}".encode() if token else None

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "http" and not (self._known(scope) or open_to(scope)):
            said = "send the header Authorization: Bearer <token>"
            await _refuse(send, 401, said, header=(b"www-authenticate", b"Bearer"))
        elif scope["type"] == "http" and scope["path"] == PATH and scope["method"] != "POST":
            await _refuse(send, 405, "this server answers POST alone", header=(b"allow", b"POST"))
        else:
            await self._app(scope, receive, send)

    def _known(self, scope: dict[str, Any]) -> bool:
        if self._expected is None:
            return True
        sent = [value for name, value in scope["headers"] if name == b"authorization"]
        return len(sent) == 1 and hmac.compare_digest(sent[0], self._expected)


async def _refuse(send: Any, status: int, said: str, *, header: tuple[bytes, bytes]) -> None:
    headers = [(b"content-type", b"application/json"), header]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps({"error": said}).encode()})


class Lines:
    """Lines of a file descriptor for the event loop, read by a thread that nobody has to wait for.

    The SDK's own reader blocks in a thread that Python joins at exit: a server told to stop would hang until its
    client writes or leaves.
    """

    def __init__(self, fd: int):
        self._fd = fd
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        threading.Thread(target=self._read, args=(loop,), name="stdin", daemon=True).start()

    def __aiter__(self) -> "Lines":
        return self

    async def __anext__(self) -> str:
        line = await self._lines.get()
        if line is None:
            raise StopAsyncIteration
        return line

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        rest = b""
        while chunk := os.read(self._fd, 1 << 16):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if not _tell(loop, self._lines, line.decode(errors="replace")):
                    return
        _tell(loop, self._lines, None)


def _tell(loop: asyncio.AbstractEventLoop, lines: "asyncio.Queue[str | None]", line: str | None) -> bool:
    try:
        loop.call_soon_threadsafe(lines.put_nowait, line)
    except RuntimeError:  # the loop is closed: nobody listens any more
        return False
    return True


def _own_stdin() -> int:
    """stdin for us alone: children of this process get an empty one and cannot eat the protocol."""
    private = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return private


class _Uvicorn(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are ours: uvicorn would raise them again once it is done, and the exit would not be a clean one."""
        yield


async def _beating(desk: "App") -> None:
    """Show that this server can answer: the event loop turns, a worker thread is free, and the ledger takes a line."""
    while True:
        await anyio.to_thread.run_sync(_beat, desk)
        await anyio.sleep(BEAT_EVERY_S)


def _beat(desk: "App") -> None:
    try:
        desk.heartbeats.beat("serve", {}, wait_s=BEAT_EVERY_S)
    except TradeError as error:
        log.warning("no sign of life could be written", error=error.message)


async def _until_signal(serve: Callable[[], Awaitable[None]], desk: "App") -> None:
    async with anyio.create_task_group() as tasks:
        await tasks.start(_on_signal, tasks.cancel_scope.cancel)
        tasks.start_soon(_beating, desk)
        await serve()
        tasks.cancel_scope.cancel()


async def _on_signal(stop: Callable[[], None], *, task_status: TaskStatus[None]) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        task_status.started()
        async for _ in signals:
            stop()


def _token(desk: "App", host: str) -> str | None:
    """The token to ask for: the one that is set, or a new one if the world can reach us; None on localhost."""
    if (told := desk.settings.server.token) is not None:
        return str(told.get_secret_value())
    if is_local(host):
        return None
    made = secrets.token_urlsafe(32)
    print(f"No {TOKEN} is set. Clients need this header:\n  Authorization: Bearer {made}", file=sys.stderr, flush=True)
    return made


def _everywhere(host: str) -> bool:
    return host in ("0.0.0.0", "::", "")
