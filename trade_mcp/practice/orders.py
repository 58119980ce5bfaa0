"""Orders: the endpoints that place, find, cancel and replace them."""

from typing import Any

from trade_mcp.practice import asked, views
from trade_mcp.practice.context import Call
from trade_mcp.practice.errors import (
    ApiError,
    bad_restrictions,
    illegal,
    no_such_order,
    unknown_order,
    wrong_client_id,
)
from trade_mcp.practice.listing import Pair
from trade_mcp.practice.ticket import State, Ticket

MODES = frozenset({"STOP_ON_FAILURE", "ALLOW_FAILURE"})
RESTRICTIONS = {"ONLY_NEW": State.NEW, "ONLY_PARTIALLY_FILLED": State.PARTIALLY_FILLED}


def place(call: Call) -> dict[str, Any]:
    pair = call.pair()
    spec = asked.single(call.params, pair, call.context.new_id)
    how = asked.answer_kind(call.params, spec.kind)
    call.params.end()
    with call.context.limits.placing(call.account):
        ticket, fills = call.exchange.place(call.account, spec)
    return views.placed(ticket, fills, call.exchange.listing, how)


def place_test(call: Call) -> dict[str, Any]:
    spec = asked.single(call.params, call.pair(), call.context.new_id)
    asked.answer_kind(call.params, spec.kind)
    call.params.text("computeCommissionRates")
    call.params.end()
    call.exchange.check(call.account, spec)
    return {}


def query(call: Call) -> dict[str, Any]:
    ticket = _order(call, call.pair(), "orderId", "origClientOrderId")
    call.params.end()
    if ticket is None:
        raise no_such_order()
    return views.order(ticket, call.exchange.listing)


def cancel(call: Call) -> dict[str, Any]:
    ticket = _order(call, call.pair(), "orderId", "origClientOrderId")
    cancel_id = call.params.client_id("newClientOrderId") or call.context.new_id()
    wanted = call.params.choice("cancelRestrictions", RESTRICTIONS, bad_restrictions())
    call.params.end()
    return _cancel(call, ticket, cancel_id, wanted)


def cancel_all(call: Call) -> list[dict[str, Any]]:
    pair = call.pair()
    call.params.end()
    if not (found := call.exchange.open_orders(call.account, pair.symbol)):
        raise unknown_order()
    shown: list[dict[str, Any]] = []
    for ticket in found:
        now = call.exchange.books.live.get(ticket.number)
        if now is None or not now.open:  # it went with another of its list
            continue
        report = _cancel(call, now, call.context.new_id(), None)
        if ticket.list_id >= 0:
            whole = call.exchange.books.list_of(ticket.list_id)
            report = views.order_list(whole, call.exchange.books, call.exchange.listing, reports="cancel")
        shown.append(report)
    return shown


def cancel_replace(call: Call) -> dict[str, Any]:
    """Cancel one order and place another. -2021 if one of the two failed, -2022 if both did, or the first did and the
    second was not tried, which counts as an order all the same. Filters come before everything."""
    pair, params = call.pair(), call.params
    params.need("cancelReplaceMode")
    mode = params.choice("cancelReplaceMode", MODES, illegal("cancelReplaceMode", "|".join(sorted(MODES))))
    old = _order(call, pair, "cancelOrderId", "cancelOrigClientOrderId")
    cancel_id = params.client_id("cancelNewClientOrderId") or call.context.new_id()
    wanted = params.choice("cancelRestrictions", RESTRICTIONS, bad_restrictions())
    params.text("orderRateLimitExceededMode")
    spec = asked.single(params, pair, call.context.new_id)
    how = asked.answer_kind(params, spec.kind)
    params.end()
    call.exchange.check_filters(call.account, spec)
    call.context.limits.room(call.account)
    answer: dict[str, Any] = {"cancelResult": "SUCCESS", "newOrderResult": "SUCCESS"}
    try:
        answer["cancelResponse"] = _cancel(call, old, cancel_id, wanted)
    except ApiError as no:
        answer |= {"cancelResult": "FAILURE", "cancelResponse": no.body}
    if answer["cancelResult"] == "FAILURE" and mode == "STOP_ON_FAILURE":
        call.context.limits.count(call.account)
        answer |= {"newOrderResult": "NOT_ATTEMPTED", "newOrderResponse": None}
    else:
        try:
            with call.context.limits.placing(call.account):
                ticket, fills = call.exchange.place(call.account, spec)
            answer["newOrderResponse"] = views.placed(ticket, fills, call.exchange.listing, how)
        except ApiError as no:
            answer |= {"newOrderResult": "FAILURE", "newOrderResponse": no.body}
    done = [answer["cancelResult"], answer["newOrderResult"]].count("SUCCESS")
    if done == 1:
        raise ApiError(-2021, "Order cancel-replace partially failed.", status=409, more={"data": answer})
    if done == 0:
        raise ApiError(-2022, "Order cancel-replace failed.", more={"data": answer})
    return answer


def open_orders(call: Call) -> list[dict[str, Any]]:
    pair = call.pair() if call.params.has("symbol") else None
    call.params.end()
    found = call.exchange.open_orders(call.account, None if pair is None else pair.symbol)
    return [views.order(ticket, call.exchange.listing) for ticket in found]


def all_orders(call: Call) -> list[dict[str, Any]]:
    pair, limit = call.pair(), call.params.count("limit", 500, 1000)
    first, (start, end) = call.params.integer("orderId"), call.day_span()
    call.params.end()
    books = call.exchange.books
    found = books.orders(call.account, pair.symbol, start=start, end=end, first=first, limit=limit)
    return [views.order(ticket, call.exchange.listing) for ticket in found]


def _cancel(call: Call, ticket: Ticket | None, cancel_id: str, wanted: str | None) -> dict[str, Any]:
    if ticket is None or not ticket.open:
        raise unknown_order()
    if wanted is not None and ticket.state is not RESTRICTIONS[wanted]:
        raise ApiError(-2011, "Order was not canceled due to cancel restrictions.")
    return views.cancelled(call.exchange.cancel(ticket, cancel_id), call.exchange.listing, cancel_id)


def _order(call: Call, pair: Pair, number: str, client: str) -> Ticket | None:
    order_id, client_id = call.params.integer(number), call.params.text(client)
    if order_id is None and client_id is None:
        raise ApiError(-1102, f"Param '{client}' or '{number}' must be sent, but both were empty/null!")
    found = call.exchange.books.order(call.account, pair.symbol, number=order_id, client_id=client_id)
    if found is not None and client_id is not None and found.spec.client_id != client_id:
        raise wrong_client_id()
    return found
