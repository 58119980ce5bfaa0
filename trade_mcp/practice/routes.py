"""Routes: every endpoint in one table, for REST and for the WebSocket API."""

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from trade_mcp.practice import public, signed
from trade_mcp.practice.context import Call


class Route(Struct, frozen=True):
    """Who answers, and what a key must be allowed to; None: anybody may ask."""

    answer: Callable[[Call], Any]
    permission: str | None = None


READ, TRADE = "read", "trade"
API: dict[str, Route] = {
    "GET ping": Route(public.ping),
    "GET time": Route(public.time),
    "GET exchangeInfo": Route(public.exchange_info),
    "GET depth": Route(public.depth),
    "GET trades": Route(public.trades),
    "GET historicalTrades": Route(public.trades),
    "GET aggTrades": Route(public.agg_trades),
    "GET klines": Route(public.klines),
    "GET uiKlines": Route(public.klines),
    "GET avgPrice": Route(public.average_price),
    "GET ticker/24hr": Route(public.ticker_24hr),
    "GET ticker/price": Route(public.ticker_price),
    "GET ticker/bookTicker": Route(public.book_ticker),
    "POST order": Route(signed.place, TRADE),
    "POST order/test": Route(signed.place_test, TRADE),
    "GET order": Route(signed.query, READ),
    "DELETE order": Route(signed.cancel, TRADE),
    "POST order/cancelReplace": Route(signed.cancel_replace, TRADE),
    "GET openOrders": Route(signed.open_orders, READ),
    "DELETE openOrders": Route(signed.cancel_all, TRADE),
    "GET allOrders": Route(signed.all_orders, READ),
    "GET myTrades": Route(signed.my_trades, READ),
    "POST order/oco": Route(signed.place_list("order/oco"), TRADE),
    "POST orderList/oco": Route(signed.place_list("orderList/oco"), TRADE),
    "POST orderList/oto": Route(signed.place_list("orderList/oto"), TRADE),
    "POST orderList/otoco": Route(signed.place_list("orderList/otoco"), TRADE),
    "GET orderList": Route(signed.query_list, READ),
    "DELETE orderList": Route(signed.cancel_list, TRADE),
    "GET openOrderList": Route(signed.open_lists, READ),
    "GET allOrderList": Route(signed.all_lists, READ),
    "GET account": Route(signed.account, READ),
    "GET account/commission": Route(signed.commission, READ),
    "GET rateLimit/order": Route(signed.order_counts, READ),
}
SAPI: dict[str, Route] = {
    "GET system/status": Route(public.system_status),
    "GET asset/tradeFee": Route(signed.trade_fee, READ),
    "GET account/apiRestrictions": Route(signed.restrictions, READ),
    "GET capital/config/getall": Route(public.nothing, READ),
    "GET margin/allPairs": Route(public.nothing),
    "GET margin/isolated/allPairs": Route(public.nothing, READ),
}
PREFIXES: tuple[tuple[str, dict[str, Route]], ...] = (
    ("/api/v3/", API),
    ("/sapi/v1/", SAPI),
    ("/fapi/v1/", {"GET exchangeInfo": Route(public.no_symbols)}),
    ("/dapi/v1/", {"GET exchangeInfo": Route(public.no_symbols)}),
)
SOCKET: dict[str, str] = {
    "ping": "GET ping",
    "time": "GET time",
    "exchangeInfo": "GET exchangeInfo",
    "depth": "GET depth",
    "trades.recent": "GET trades",
    "trades.historical": "GET historicalTrades",
    "trades.aggregate": "GET aggTrades",
    "klines": "GET klines",
    "uiKlines": "GET uiKlines",
    "avgPrice": "GET avgPrice",
    "ticker.24hr": "GET ticker/24hr",
    "ticker.price": "GET ticker/price",
    "ticker.book": "GET ticker/bookTicker",
    "order.place": "POST order",
    "order.test": "POST order/test",
    "order.status": "GET order",
    "order.cancel": "DELETE order",
    "order.cancelReplace": "POST order/cancelReplace",
    "openOrders.status": "GET openOrders",
    "openOrders.cancelAll": "DELETE openOrders",
    "allOrders": "GET allOrders",
    "myTrades": "GET myTrades",
    "orderList.place": "POST order/oco",
    "orderList.place.oco": "POST orderList/oco",
    "orderList.place.oto": "POST orderList/oto",
    "orderList.place.otoco": "POST orderList/otoco",
    "orderList.status": "GET orderList",
    "orderList.cancel": "DELETE orderList",
    "openOrderLists.status": "GET openOrderList",
    "allOrderLists": "GET allOrderList",
    "account.status": "GET account",
    "account.commission": "GET account/commission",
    "account.rateLimits.orders": "GET rateLimit/order",
}


def find(method: str, path: str) -> tuple[str, Route] | None:
    """The route of a REST request and its name ("GET account"); None: 404."""
    for prefix, table in PREFIXES:
        if path.startswith(prefix):
            name = f"{method} {path.removeprefix(prefix)}"
            return (name, table[name]) if name in table else None
    return None
