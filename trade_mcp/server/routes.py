"""Routes: what the HTTP server answers beside MCP: /healthz for whoever watches over it, /metrics for Prometheus."""

import ipaddress
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from starlette.requests import Request
from starlette.responses import Response

from trade_mcp.domain.errors import TradeError
from trade_mcp.server import errors

if TYPE_CHECKING:
    from trade_mcp.app import App

HEALTH, METRICS = "/healthz", "/metrics"


def open_to(scope: dict[str, Any]) -> bool:
    """Whether a request needs no token: one for /healthz, from this machine."""
    client = scope.get("client")
    return scope["path"] == HEALTH and client is not None and ipaddress.ip_address(client[0]).is_loopback


class Routes:
    """ASGI: /healthz and /metrics of ``desk`` to those whose Host and Origin are in order, and all else to ``app``."""

    def __init__(self, app: Callable[..., Awaitable[None]], desk: "App", security: TransportSecuritySettings):
        self._app, self._desk = app, desk
        self._security = TransportSecurityMiddleware(security)
        self._answers: dict[str, Callable[[], Response]] = {HEALTH: self._health, METRICS: self._metrics}
        self._measured: Callable[[], bytes] | None = None

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        answer = self._answers.get(scope["path"]) if scope["type"] == "http" else None
        if answer is None:
            await self._app(scope, receive, send)
            return
        response = await self._security.validate_request(Request(scope))
        if response is None and scope["method"] not in ("GET", "HEAD"):
            response = Response(status_code=405, headers={"allow": "GET, HEAD"})
        if response is None:
            response = await anyio.to_thread.run_sync(answer)
        await response(scope, receive, send)

    def _health(self) -> Response:
        """200 while the desk does its work: it can be read and written, is watched, decides, and its feed moves."""
        failing, problems = [], []
        try:
            found = self._desk.health().found
        except TradeError as error:
            failing = [errors.failure(error)["error"]["message"]]
        except Exception as error:  # whoever asks whether we are well must get an answer
            failing = [errors.crash(error, HEALTH)["error"]["message"]]
        else:
            failing = [problem.text for problem in found if problem.failing]
            problems = [problem.text for problem in found if not problem.failing]
        said = {"status": "failing" if failing else "ok", "failing": failing, "problems": problems}
        return _response(503 if failing else 200, json.dumps(said).encode(), "application/json")

    def _metrics(self) -> Response:
        from trade_mcp.server.metrics import CONTENT_TYPE, measuring  # 0.1 s that only those pay who ask

        if self._measured is None:
            self._measured = measuring(self._desk)
        try:
            return _response(200, self._measured(), CONTENT_TYPE)
        except TradeError as error:
            said = errors.failure(error)["error"]["message"]
            return _response(503, f"{said}\n".encode(), "text/plain; charset=utf-8")


def _response(status: int, body: bytes, kind: str) -> Response:
    return Response(body, status_code=status, headers={"content-type": kind, "cache-control": "no-store"})
