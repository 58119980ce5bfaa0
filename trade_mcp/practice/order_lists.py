"""Order lists: the endpoints of OCO, OTO and OTOCO."""

from collections.abc import Callable
from typing import Any

from trade_mcp.practice import asked, views
from trade_mcp.practice.context import Call
from trade_mcp.practice.errors import DUPLICATE, missing, no_such_order, rejected, unknown_order
from trade_mcp.practice.records import OrderList


def placing(path: str) -> Callable[[Call], dict[str, Any]]:
    """The endpoint of one kind of order list."""
    contingency, read = asked.LISTS[path]

    def place(call: Call) -> dict[str, Any]:
        pair = call.pair()
        legs = read(call.params, pair, call.context.new_id)
        how = asked.answer_kind(call.params, None)
        client_id = call.params.client_id("listClientOrderId") or call.context.new_id()
        call.params.text("selfTradePreventionMode")
        call.params.end()
        ids = [spec.client_id for _, spec in legs]
        if len(set(ids)) < len(ids):
            raise rejected(DUPLICATE)
        with call.context.limits.placing(call.account, len(legs)):
            made = call.exchange.place_list(call.account, legs, contingency=contingency, client_id=client_id)
        return _shown(call, made, reports=how)

    return place


def query(call: Call) -> dict[str, Any]:
    found = _list(call, "orderListId", "origClientOrderId")
    call.params.end()
    if found is None:
        raise no_such_order()
    return _shown(call, found)


def cancel(call: Call) -> dict[str, Any]:
    call.params.text("symbol")
    found = _list(call, "orderListId", "listClientOrderId")
    cancel_id = call.params.client_id("newClientOrderId") or call.context.new_id()
    call.params.end()
    books = call.exchange.books
    open_ = [] if found is None else [n for _, n in found.legs if n in books.live and books.live[n].open]
    if found is None or not open_:
        raise unknown_order()
    call.exchange.cancel(books.by_number(open_[0]), cancel_id)
    return _shown(call, books.list_of(found.number), reports="cancel")


def all_open(call: Call) -> list[dict[str, Any]]:
    call.params.end()
    return [_shown(call, one) for one in call.exchange.books.order_lists(call.account) if one.live]


def every(call: Call) -> list[dict[str, Any]]:
    limit, first = call.params.count("limit", 500, 1000), call.params.integer("fromId")
    start, end = call.day_span()
    call.params.end()
    found = [
        one
        for one in call.exchange.books.order_lists(call.account)
        if one.number >= (first or 0) and (start or 0) <= one.created_ms and (end is None or one.created_ms <= end)
    ]
    onwards = first is not None or start is not None
    return [_shown(call, one) for one in (found[:limit] if onwards else found[-limit:])]


def _shown(call: Call, one: OrderList, *, reports: str = "") -> dict[str, Any]:
    return views.order_list(one, call.exchange.books, call.exchange.listing, reports=reports)


def _list(call: Call, number: str, client: str) -> OrderList | None:
    list_id, client_id = call.params.integer(number), call.params.text(client)
    if list_id is None and client_id is None:
        raise missing(number)
    return call.exchange.books.order_list(call.account, number=list_id, client_id=client_id)
