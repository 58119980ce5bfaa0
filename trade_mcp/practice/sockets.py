"""Sockets: every WebSocket address of the exchange."""

import time
from urllib.parse import parse_qs

from starlette.responses import JSONResponse
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from trade_mcp.practice.api_socket import ApiSocket
from trade_mcp.practice.broadcast import Broadcast
from trade_mcp.practice.conversation import converse
from trade_mcp.practice.errors import ApiError
from trade_mcp.practice.line import Line
from trade_mcp.practice.market_socket import MarketSocket
from trade_mcp.practice.service import Practice
from trade_mcp.practice.streams import parse_stream

CONNECT_WEIGHT = 2  # of the WebSocket API


def sockets(practice: Practice) -> list[WebSocketRoute]:
    """The routes; what they tell is told at the beats of ``practice``."""
    broadcast = Broadcast(practice, time.monotonic)

    async def market(socket: WebSocket, names: list[str], *, combined: bool) -> None:
        line = Line(practice.faults, time.monotonic)
        timeframes = practice.exchange.market.timeframes
        client = MarketSocket(broadcast, line, timeframes=timeframes, combined=combined, clock=time.monotonic)
        # ccxt opens /ws/0, /ws/1, ...: what is no stream's name is only a name.
        client.subscribe([name for name in names if parse_stream(name, timeframes) is not None])
        try:
            await converse(socket, line, client.hear)
        finally:
            client.end()

    async def raw(socket: WebSocket) -> None:
        await market(socket, socket.path_params.get("names", "").split("/"), combined=False)

    async def combined(socket: WebSocket) -> None:
        names = parse_qs(socket.url.query).get("streams", [""])[0]
        await market(socket, names.split("/"), combined=True)

    async def api(socket: WebSocket) -> None:
        address = socket.client.host if socket.client else ""
        try:
            practice.context.limits.spend(address, CONNECT_WEIGHT)
        except ApiError as no:
            headers = {"retry-after": str(no.retry_after_s)}
            await socket.send_denial_response(JSONResponse(no.body, no.status, headers))
            return
        line = Line(practice.faults, time.monotonic)
        tells = socket.query_params.get("returnRateLimits", "true").lower() == "true"
        client = ApiSocket(practice, broadcast, line, address=address, tells_limits=tells)
        try:
            await converse(socket, line, client.hear)
        finally:
            client.end()

    return [
        WebSocketRoute("/ws", raw),
        WebSocketRoute("/ws/{names:path}", raw),
        WebSocketRoute("/stream", combined),
        WebSocketRoute("/ws-api/v3", api),
    ]
