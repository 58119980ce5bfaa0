"""Capabilities: what the desk needs of an exchange, what it can do without, and what each exchange has.

Read from ccxt's own `has` and `features`, which say what ccxt can ask for; and from `KNOWN`, for what ccxt leaves out:
how an exchange takes our id, finds an order by it, and how long a request may travel. What an exchange cannot do, the
desk watches itself, and `get_status` says so; without what is needed it refuses to trade there.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct, structs

NEEDED: Mapping[str, str] = {  # ccxt's method -> what it is for
    "createOrder": "place orders",
    "cancelOrder": "cancel them",
    "fetchOrder": "ask for one order",
    "fetchOpenOrders": "ask for the orders that rest",
    "fetchMyTrades": "ask for fills",
    "fetchBalance": "ask for balances",
}
UNTRIED = "its fills, ids and clock were never tried with this desk"
IOC, FOK, POST_ONLY = "IOC", "FOK", "PO"  # ccxt's names of times in force
DEADLINE_S = 10.0
PLAIN = r"[A-Za-z0-9_-]{1,36}"


class Listing(Struct, frozen=True, kw_only=True):
    """A list that comes in pages: see ccxt_lists. Places in an answer are written with dots: "result.trades"."""

    endpoint: str  # ccxt's name of it
    rows: str  # where the rows stand in an answer: a list, or by their ids
    parse: str  # ccxt's parser of one
    symbols: str = ""  # the parameter for markets, which it takes several of,
    symbol: str = ""  # or for one market; neither: the list is of the whole account
    since: str = ""  # the parameter for the time from which on; "": there is none
    seconds: bool = False  # it takes seconds,
    millis: bool = False  # or milliseconds; else ISO 8601
    span_ms: int = 0  # the longest time that one answer tells of, from there on; 0: all of it
    limit: int = 0  # rows asked for in a page; 0: nobody can ask for more or fewer
    turn: str = "cursor"  # the parameter that asks for the next page,
    cursor: str = "cursor"  # and where its value stands in the page before
    count: str = ""  # or where the number of all rows stands: then it says how many to pass over
    after: str = ""  # or the field of a row whose older ones it asks for: a page with fewer than `limit` is the last
    ours: str = ""  # the parameter that asks for one order by our id
    theirs: str = ""  # the same by the exchange's
    given: Mapping[str, Any] = {}


class Dialect(Struct, frozen=True, kw_only=True):
    """What ccxt does not say of an exchange. The defaults are the careful ones."""

    client_id: str = r"[a-z0-9]{32}"  # client ids that it takes as they are; every other id goes as 32 hex digits
    client_id_as: str = "clientOrderId"  # the parameter in which ccxt passes it on
    finds_ours: bool = False  # one order can be asked for by our id; else it is looked for in lists
    stops: bool = False  # a stop sells at the market, and keeps its id when it is reached, so that its fills are found
    pairs: bool = False  # an OCO through the raw endpoint of the exchange
    trade_ids: bool = False  # trades can be asked for after the id of one, and by their order's id
    trades_of: str = ""  # the parameter that asks for the trades of one order, in the list of trades
    market_buys: bool = False  # a purchase at the market buys the size that was asked for, or nothing
    lists: Mapping[str, Listing] = {}  # "trades", "open" orders; others are looked through for an order, in turn
    singly: bool = False  # single orders are asked for in these lists: elsewhere those that ended are soon forgotten
    lists_trades: bool = False  # an order names its trades, which are asked for by their own ids
    placed_with: Mapping[str, Any] = {}  # what goes with every order,
    fetched_with: Mapping[str, Any] = {}  # and with every question for one
    deadline: str = ""  # the parameter for the moment after which an order is refused, DEADLINE_S from now
    forgets_s: float = math.inf  # so long after an order was made it may not be found any more, if it ended
    late_s: float = 60.0  # the longest a request can arrive late and still be executed
    poll_s: float = 5.0  # real time between looks at the account
    tried: bool = False  # against an exchange that speaks like it; else the desk does not trade there
    decimals: Mapping[str, int] = {}  # by currency, "" of all others: to which fills are rounded; none: nothing is
    cancel_timer: bool = False  # ccxt's cancelAllOrdersAfter, for spot, refreshed by asking again

    @property
    def by_account(self) -> bool:
        """Whether its lists are of the whole account, whichever market was asked for."""
        return bool(self.lists) and not any(listing.symbol or listing.symbols for listing in self.lists.values())


BINANCE = Dialect(
    client_id=r"[.A-Z:/a-z0-9_-]{1,36}",
    finds_ours=True,
    stops=True,
    pairs=True,
    trade_ids=True,
    market_buys=True,
    late_s=5.0,
    poll_s=1.0,
    tried=True,
)
_ORDERS = Listing(
    endpoint="v3_private_get_brokerage_orders_historical_batch",
    rows="orders",
    parse="parse_order",
    symbols="product_ids",
    since="start_date",
    limit=100,
    given={"product_type": "SPOT"},
)
_FILLS = Listing(
    endpoint="v3_private_get_brokerage_orders_historical_fills",
    rows="fills",
    parse="parse_trade",
    symbols="product_ids",
    since="start_sequence_timestamp",
    limit=100,
)
_ENDED = ["FILLED", "CANCELLED", "EXPIRED", "FAILED"]
COINBASE = Dialect(
    client_id=PLAIN,
    client_id_as="client_order_id",  # what it calls clientOrderId is thrown away by ccxt
    trades_of="order_ids",
    lists={
        "trades": _FILLS,
        "open": structs.replace(_ORDERS, given={"product_type": "SPOT", "order_status": ["OPEN"]}),
        "all": _ORDERS,  # of every status, as far as anybody has written down
        "ended": structs.replace(_ORDERS, given={"product_type": "SPOT", "order_status": _ENDED}),
    },
    late_s=150.0,  # a request's token lives for 120 s, by their clock; 30 s for clocks that differ
    poll_s=1.0,
    tried=True,
)
OKX = Dialect(
    client_id=r"[A-Za-z0-9]{1,32}",
    finds_ours=True,
    trades_of="ordId",
    lists={
        "trades": Listing(
            endpoint="private_get_trade_fills_history",
            rows="data",
            parse="parse_trade",
            symbol="instId",
            since="begin",
            millis=True,
            limit=100,
            turn="after",
            after="billId",
            given={"instType": "SPOT"},
        ),
        "open": Listing(
            endpoint="private_get_trade_orders_pending",
            rows="data",
            parse="parse_order",
            symbol="instId",
            limit=100,
            turn="after",
            after="ordId",
            given={"instType": "SPOT"},
        ),
    },
    forgets_s=3600.0,  # two hours after it was cancelled without a fill; its fills are told for three months
    late_s=35.0,  # an order has its deadline, in 5 s; the rest is for clocks that differ, and are refused beyond 30 s
    poll_s=2.0,
    cancel_timer=True,
    tried=True,
)
_BYBIT = Listing(
    endpoint="private_get_v5_order_realtime",  # asked by an id, it knows the newest that ended, too
    rows="result.list",
    parse="parse_order",
    symbol="symbol",
    limit=50,
    cursor="result.nextPageCursor",
    ours="orderLinkId",
    theirs="orderId",
    given={"category": "spot"},
)
_WEEK = {"since": "startTime", "millis": True, "span_ms": 7 * 86_400_000}
BYBIT = Dialect(
    client_id=PLAIN,
    trades_of="orderId",
    lists={
        "trades": structs.replace(
            _BYBIT, endpoint="private_get_v5_execution_list", parse="parse_trade", limit=100, **_WEEK
        ),
        "open": _BYBIT,
        "ended": structs.replace(_BYBIT, endpoint="private_get_v5_order_history", **_WEEK),
    },
    singly=True,
    forgets_s=86_400.0,  # if nothing was filled; its fills are told for two years
    late_s=30.0,  # it is taken within 6 s, and done later: placing and cancelling are acknowledged first
    poll_s=1.0,
    tried=True,
)
_EACH = {"consolidate_taker": "false"}  # every fill by itself, at its own price
KRAKEN = Dialect(
    client_id=r"[0-9a-f]{32}",
    stops=True,
    lists={  # all are of the whole account
        "trades": Listing(
            endpoint="private_post_tradeshistory",
            rows="result.trades",
            parse="parse_trade",
            since="start",
            seconds=True,
            turn="ofs",
            count="result.count",
            given=_EACH,
        ),
        "open": Listing(
            endpoint="private_post_openorders", rows="result.open", parse="parse_order", cursor="", ours="cl_ord_id"
        ),
        "ended": Listing(
            endpoint="private_post_closedorders",
            rows="result.closed",
            parse="parse_order",
            since="start",
            seconds=True,
            turn="ofs",
            count="result.count",
            ours="cl_ord_id",
        ),
    },
    lists_trades=True,
    fetched_with=_EACH,
    placed_with={"oflags": "fciq"},  # fees in the quote currency, whatever side: as its answers tell them
    deadline="deadline",
    late_s=30.0,  # an order has its deadline; the rest is for clocks that differ, and until its lists show it
    decimals={"": 8, "JPY": 2} | dict.fromkeys(("USD", "EUR", "GBP", "CAD", "AUD", "CHF"), 4),
    poll_s=10.0,  # with the audits, four fifths of the calls that it allows the lowest tier
    cancel_timer=True,
    tried=True,
)
KNOWN: Mapping[str, Dialect] = {
    "binance": BINANCE,
    "bybit": BYBIT,
    "kraken": KRAKEN,
    "okx": OKX,
    "coinbase": COINBASE,  # its stops have a limit price, which can be passed by: the desk watches them
}


class Capabilities(Struct, frozen=True, kw_only=True):
    """What one exchange can do for the desk on spot."""

    missing: tuple[str, ...]  # why the desk does not trade there; () if it does
    stops: bool  # stops rest at the exchange; else the desk watches them
    pairs: bool  # stop and target rest as one OCO; else the desk watches the target
    take_profits: bool
    post_only: bool
    market_buys: bool  # a market order may say how much it buys; else it goes as a limit order at the reserved price
    times: frozenset[str]  # times in force beyond GTC
    triggers_apart: bool  # orders with a trigger are asked for with ccxt's parameter `trigger`
    dialect: Dialect

    @property
    def watched(self) -> tuple[str, ...]:
        """What does not rest at the exchange and is watched by the desk, for people to read."""
        if not self.stops:
            return (
                "stops (nothing rests; if the desk does not run, nothing sells)",
                "targets, trailing stops and break-even moves (the desk sells when the price is there)",
            )
        found = ["trailing stops and break-even moves (a plain stop rests, and is moved)"]
        if not self.pairs:
            found.append("targets (the stop rests alone; the desk sells when the price is there)")
        return tuple(found)


def capabilities(name: str, has: Mapping[str, Any], features: Mapping[str, Any]) -> Capabilities:
    """What the exchange ``name`` can do, by ccxt's ``has`` and ``features["spot"]`` of it."""
    dialect = KNOWN.get(name, Dialect())
    places: Mapping[str, Any] = features.get("createOrder") or {}
    missing = [f"ccxt cannot {what} there" for method, what in NEEDED.items() if not has.get(method)]
    if not dialect.tried:
        missing.append(UNTRIED)
    times: Mapping[str, Any] = places.get("timeInForce") or {}
    stops = bool(places.get("stopLossPrice")) and dialect.stops
    return Capabilities(
        missing=tuple(missing),
        stops=stops,
        pairs=stops and dialect.pairs,
        take_profits=stops and bool(places.get("takeProfitPrice")),
        post_only=bool(times.get(POST_ONLY)),
        market_buys=dialect.market_buys and not places.get("marketBuyRequiresPrice"),
        times=frozenset(time for time in (IOC, FOK) if times.get(time)),
        triggers_apart=stops and bool((features.get("fetchOrder") or {}).get("trigger")),
        dialect=dialect,
    )


def takes_as_is(dialect: Dialect, client_id: str) -> bool:
    """Whether the exchange takes ``client_id`` as an order's id."""
    return re.fullmatch(dialect.client_id, client_id) is not None
