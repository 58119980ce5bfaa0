"""Control: the second port, for whoever runs the exchange: faults, market time, accounts, and what is in the books.

Never part of what clients see. It answers on localhost alone, and only what a web page cannot send: requests to change
something are JSON, and the Host must be this machine.
"""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from trade_mcp.domain.errors import BadInput, TradeError
from trade_mcp.practice.accounts import parse_accounts
from trade_mcp.practice.faults import parse_faults
from trade_mcp.practice.service import Practice
from trade_mcp.practice.status import orders_and_fills, status

STATES = ("TRADING", "HALT", "BREAK")  # a symbol's status, of Binance's
FASTEST = 100_000
type Act = Callable[[Request], Awaitable[Any]]


class MarketTime(Struct, forbid_unknown_fields=True):
    speed: float | None = None
    move_s: float | None = None


class Transfer(Struct, forbid_unknown_fields=True):
    account: str
    asset: str
    amount: Decimal


class SymbolState(Struct, forbid_unknown_fields=True):
    symbol: str  # BTCUSDT
    status: str


class NewAccount(Struct, forbid_unknown_fields=True):
    account: str  # KEY:SECRET:USDT=10000


def control(practice: Practice) -> Starlette:
    """The ASGI application of the control port."""
    desk = _Desk(practice)
    routes = [
        Route("/status", _told(desk.status), methods=["GET"]),
        Route("/books/{account}", _told(desk.books), methods=["GET"]),
        Route("/faults", _told(desk.faults), methods=["GET"]),
        Route("/faults", _told(desk.add_faults), methods=["POST"]),
        Route("/faults", _told(desk.clear_faults), methods=["DELETE"]),
        Route("/faults/{number:int}", _told(desk.clear_faults), methods=["DELETE"]),
        Route("/market", _told(desk.market), methods=["POST"]),
        Route("/transfers", _told(desk.transfer), methods=["POST"]),
        Route("/symbols", _told(desk.symbol), methods=["POST"]),
        Route("/accounts", _told(desk.account), methods=["POST"]),
        Route("/pardon", _told(desk.pardon), methods=["POST"]),
        Route("/kill", _told(desk.kill), methods=["POST"]),
    ]
    here = Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", "[::1]"])
    return Starlette(routes=routes, middleware=[here])


class _Desk:
    """What can be asked here; each answers what is shown."""

    def __init__(self, practice: Practice):
        self._practice, self._exchange = practice, practice.exchange

    async def status(self, _: Request) -> Any:
        self._exchange.advance()
        return status(self._practice)

    async def books(self, request: Request) -> Any:
        self._exchange.advance()
        return orders_and_fills(self._practice, _known(self._practice, request.path_params["account"]))

    async def faults(self, _: Request) -> Any:
        return {"faults": status(self._practice)["faults"]}

    async def add_faults(self, request: Request) -> Any:
        return {"numbers": self._practice.faults.add(parse_faults(_json(await request.body(), Any)))}

    async def clear_faults(self, request: Request) -> Any:
        self._practice.faults.remove(request.path_params.get("number"))
        return await self.faults(request)

    async def market(self, request: Request) -> Any:
        asked = _json(await request.body(), MarketTime)
        if asked.speed is not None:
            if not 0 <= asked.speed <= FASTEST:
                raise BadInput(f"speed {asked.speed:g} is out of range", hint=f"0 (stand still) to {FASTEST}")
            self._exchange.set_speed(asked.speed)
        if asked.move_s is not None:
            if not 0 <= asked.move_s <= 366 * 86_400:
                raise BadInput(f"move_s {asked.move_s:g} is out of range", hint="0 to a year; time never goes back")
            self._exchange.move_on(asked.move_s)
        return status(self._practice)["market"]

    async def transfer(self, request: Request) -> Any:
        asked = _json(await request.body(), Transfer)
        account = _known(self._practice, asked.account)
        free, _ = self._exchange.balances(account).get(asked.asset, (Decimal(0), Decimal(0)))
        if not asked.amount.is_finite() or free + asked.amount < 0:
            raise BadInput(f"{account} has {free} {asked.asset} free", hint="an amount below 0 takes money out")
        self._exchange.transfer(account, asked.asset, asked.amount)
        return {"balances": status(self._practice)["accounts"][account]["balances"]}

    async def symbol(self, request: Request) -> Any:
        asked = _json(await request.body(), SymbolState)
        pair = self._exchange.listing.pairs.get(asked.symbol)
        if pair is None or asked.status not in STATES:
            ids = ", ".join(self._exchange.listing.pairs)
            raise BadInput(f"{asked.symbol} {asked.status}?", hint=f"one of {ids}; one of {', '.join(STATES)}")
        pair.entry["status"] = asked.status
        return {"symbol": pair.id, "status": asked.status}

    async def account(self, request: Request) -> Any:
        keys = parse_accounts([_json(await request.body(), NewAccount).account])
        self._practice.add_accounts(keys.values())
        return {"accounts": sorted(self._practice.context.uids)}

    async def pardon(self, _: Request) -> Any:
        self._practice.context.limits.pardon()
        return {"bans": 0}

    async def kill(self, _: Request) -> Any:
        self._practice.kill()


def _told(act: Act) -> Act:
    """The endpoint that answers what ``act`` says, or why not, as JSON."""

    async def answer(request: Request) -> Response:
        try:
            kind = request.headers.get("content-type", "")
            if request.method != "GET" and not kind.startswith("application/json"):
                raise BadInput("requests that change something are JSON", hint="Content-Type: application/json")
            return Response(msgspec.json.encode(await act(request)), media_type="application/json")
        except TradeError as no:
            said = {"error": no.message, "hint": no.hint}
            return Response(msgspec.json.encode(said), status_code=400, media_type="application/json")

    return answer


def _json[T](body: bytes, type_: type[T]) -> T:
    try:
        return msgspec.json.decode(body or b"{}", type=type_)
    except msgspec.DecodeError as error:
        raise BadInput(f"this cannot be read: {error}", hint="docs/practice.md shows the control port") from None


def _known(practice: Practice, account: str) -> str:
    if account not in practice.context.uids:
        accounts = ", ".join(sorted(practice.context.uids))
        raise BadInput(f"there is no account {account!r}", hint=f"accounts: {accounts}")
    return account
