"""Routes: every endpoint in one table, for REST and for the WebSocket API."""

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from trade_mcp.practice import account, order_lists, orders, public, transfers
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
    "POST order": Route(orders.place, TRADE),
    "POST order/test": Route(orders.place_test, TRADE),
    "GET order": Route(orders.query, READ),
    "DELETE order": Route(orders.cancel, TRADE),
    "POST order/cancelReplace": Route(orders.cancel_replace, TRADE),
    "GET openOrders": Route(orders.open_orders, READ),
    "DELETE openOrders": Route(orders.cancel_all, TRADE),
    "GET allOrders": Route(orders.all_orders, READ),
    "GET myTrades": Route(account.my_trades, READ),
    "POST order/oco": Route(order_lists.placing("order/oco"), TRADE),
    "POST orderList/oco": Route(order_lists.placing("orderList/oco"), TRADE),
    "POST orderList/oto": Route(order_lists.placing("orderList/oto"), TRADE),
    "POST orderList/otoco": Route(order_lists.placing("orderList/otoco"), TRADE),
    "GET orderList": Route(order_lists.query, READ),
    "DELETE orderList": Route(order_lists.cancel, TRADE),
    "GET openOrderList": Route(order_lists.all_open, READ),
    "GET allOrderList": Route(order_lists.every, READ),
    "GET account": Route(account.account, READ),
    "GET account/commission": Route(account.commission, READ),
    "GET rateLimit/order": Route(account.order_counts, READ),
}
SAPI: dict[str, Route] = {
    "GET system/status": Route(public.system_status),
    "GET asset/tradeFee": Route(account.trade_fee, READ),
    "GET account/apiRestrictions": Route(account.restrictions, READ),
    "GET capital/deposit/hisrec": Route(transfers.deposits, READ),
    "GET capital/withdraw/history": Route(transfers.withdrawals, READ),
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
