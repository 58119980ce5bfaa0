"""Signed endpoints: what an account has, and its orders."""

from typing import Any

from trade_mcp.practice import asked, views
from trade_mcp.practice.context import Call
from trade_mcp.practice.errors import (
    DUPLICATE,
    ApiError,
    bad_restrictions,
    illegal,
    missing,
    no_such_order,
    rejected,
    unknown_order,
    wrong_client_id,
)
from trade_mcp.practice.events import said
from trade_mcp.practice.listing import MAKER_FEE, TAKER_FEE, Pair
from trade_mcp.practice.records import OrderList
from trade_mcp.practice.ticket import State, Ticket

DAY_MS = 86_400_000
MODES = frozenset({"STOP_ON_FAILURE", "ALLOW_FAILURE"})
RESTRICTIONS = {"ONLY_NEW": State.NEW, "ONLY_PARTIALLY_FILLED": State.PARTIALLY_FILLED}


def place(call: Call) -> dict[str, Any]:
    pair = _pair(call)
    spec = asked.single(call.params, pair, call.context.new_id)
    how = asked.answer_kind(call.params, spec.kind)
    call.params.end()
    with call.context.limits.placing(call.account):
        ticket, fills = call.exchange.place(call.account, spec)
    return views.placed(ticket, fills, call.exchange.listing, how)


def place_test(call: Call) -> dict[str, Any]:
    spec = asked.single(call.params, _pair(call), call.context.new_id)
    asked.answer_kind(call.params, spec.kind)
    call.params.end()
    call.exchange.check(call.account, spec)
    return {}


def place_list(path: str) -> Any:
    """The endpoint of one kind of order list."""
    contingency, read = asked.LISTS[path]

    def place_legs(call: Call) -> dict[str, Any]:
        pair = _pair(call)
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
        return views.order_list(made, call.exchange.books, call.exchange.listing, reports=how)

    return place_legs


def query(call: Call) -> dict[str, Any]:
    ticket = _order(call, _pair(call), "orderId", "origClientOrderId")
    call.params.end()
    if ticket is None:
        raise no_such_order()
    return views.order(ticket, call.exchange.listing)


def cancel(call: Call) -> dict[str, Any]:
    ticket = _order(call, _pair(call), "orderId", "origClientOrderId")
    cancel_id = call.params.client_id("newClientOrderId") or call.context.new_id()
    wanted = call.params.choice("cancelRestrictions", RESTRICTIONS, bad_restrictions())
    call.params.end()
    return _cancel(call, ticket, cancel_id, wanted)


def _cancel(call: Call, ticket: Ticket | None, cancel_id: str, wanted: str | None) -> dict[str, Any]:
    if ticket is None or not ticket.open:
        raise unknown_order()
    if wanted is not None and ticket.state is not RESTRICTIONS[wanted]:
        raise ApiError(-2011, "Order was not canceled due to cancel restrictions.")
    return views.cancelled(call.exchange.cancel(ticket, cancel_id), call.exchange.listing, cancel_id)


def cancel_all(call: Call) -> list[dict[str, Any]]:
    pair = _pair(call)
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
    pair, params = _pair(call), call.params
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
    pair = _pair(call) if call.params.has("symbol") else None
    call.params.end()
    found = call.exchange.open_orders(call.account, None if pair is None else pair.symbol)
    return [views.order(ticket, call.exchange.listing) for ticket in found]


def all_orders(call: Call) -> list[dict[str, Any]]:
    pair, limit = _pair(call), call.params.count("limit", 500, 1000)
    first, (start, end) = call.params.integer("orderId"), _times(call)
    call.params.end()
    books = call.exchange.books
    found = books.orders(call.account, pair.symbol, start=start, end=end, first=first, limit=limit)
    return [views.order(ticket, call.exchange.listing) for ticket in found]


def my_trades(call: Call) -> list[dict[str, Any]]:
    pair, limit = _pair(call), call.params.count("limit", 500, 1000)
    of, first, (start, end) = call.params.integer("orderId"), call.params.integer("fromId"), _times(call)
    call.params.end()
    books = call.exchange.books
    if of is not None:
        found = [fill for fill in books.fills_of(of) if fill.account == call.account and fill.number >= (first or 0)]
        found = [fill for fill in found if fill.symbol == pair.symbol][:limit]
    else:
        found = books.fills(call.account, pair.symbol, start=start, end=end, first=first, limit=limit)
    return [views.trade(fill, call.exchange.listing) for fill in found]


def query_list(call: Call) -> dict[str, Any]:
    found = _list(call, "orderListId", "origClientOrderId")
    call.params.end()
    if found is None:
        raise no_such_order()
    return views.order_list(found, call.exchange.books, call.exchange.listing)


def cancel_list(call: Call) -> dict[str, Any]:
    call.params.text("symbol")
    found = _list(call, "orderListId", "listClientOrderId")
    cancel_id = call.params.client_id("newClientOrderId") or call.context.new_id()
    call.params.end()
    books = call.exchange.books
    open_ = [] if found is None else [n for _, n in found.legs if n in books.live and books.live[n].open]
    if found is None or not open_:
        raise unknown_order()
    call.exchange.cancel(books.by_number(open_[0]), cancel_id)
    return views.order_list(books.list_of(found.number), books, call.exchange.listing, reports="cancel")


def open_lists(call: Call) -> list[dict[str, Any]]:
    call.params.end()
    books = call.exchange.books
    found = books.order_lists(call.account, live=True, limit=1000)
    return [views.order_list(one, books, call.exchange.listing) for one in found]


def all_lists(call: Call) -> list[dict[str, Any]]:
    limit = call.params.count("limit", 500, 1000)
    first, (start, end) = call.params.integer("fromId"), _times(call)
    call.params.end()
    books = call.exchange.books
    found = books.order_lists(call.account, live=False, limit=limit)
    inside = [one for one in found if (start or 0) <= one.created_ms <= (end or 2**62) and one.number >= (first or 0)]
    return [views.order_list(one, books, call.exchange.listing) for one in inside]


def account(call: Call) -> dict[str, Any]:
    omit = call.params.text("omitZeroBalances") == "true"
    call.params.end()
    late = call.context.faults.struck({"lag"}, "GET /api/v3/account", call.account)
    balances = call.exchange.balances(call.account)
    if late:
        balances = call.exchange.balances_before(call.account, max(fault.seconds for fault in late))
    listed = {part for pair in call.exchange.market.instruments.values() for part in (pair.base, pair.quote)}
    for asset in sorted(listed - balances.keys()):
        balances[asset] = (MAKER_FEE * 0, MAKER_FEE * 0)
    return {
        "makerCommission": int(MAKER_FEE * 10_000),
        "takerCommission": int(TAKER_FEE * 10_000),
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {
            "maker": said(MAKER_FEE),
            "taker": said(TAKER_FEE),
            "buyer": said(None),
            "seller": said(None),
        },
        "canTrade": "trade" in call.key.permissions,
        "canWithdraw": True,
        "canDeposit": True,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": call.exchange.now_ms(),
        "accountType": "SPOT",
        "balances": [
            {"asset": asset, "free": said(free), "locked": said(locked)}
            for asset, (free, locked) in balances.items()
            if free or locked or not omit
        ],
        "permissions": ["SPOT"],
        "uid": call.context.uids[call.account],
    }


def commission(call: Call) -> dict[str, Any]:
    pair = _pair(call)
    call.params.end()
    none = {"maker": said(None), "taker": said(None), "buyer": said(None), "seller": said(None)}
    usual = none | {"maker": said(MAKER_FEE), "taker": said(TAKER_FEE)}
    discount = {"enabledForAccount": False, "enabledForSymbol": False, "discountAsset": "BNB", "discount": said(None)}
    return {
        "symbol": pair.id,
        "standardCommission": usual,
        "specialCommission": none,
        "taxCommission": none,
        "discount": discount,
    }


def order_counts(call: Call) -> list[dict[str, Any]]:
    call.params.end()
    recent, day = call.context.limits.orders(call.account)
    limits = [limit for limit in call.exchange.listing.rate_limits if limit["rateLimitType"] == "ORDERS"]
    return [limit | {"count": recent if limit["interval"] == "SECOND" else day} for limit in limits]


def trade_fee(call: Call) -> list[dict[str, Any]]:
    pairs = [_pair(call)] if call.params.has("symbol") else call.exchange.listing.pairs.values()
    call.params.end()
    maker, taker = f"{MAKER_FEE.normalize():f}", f"{TAKER_FEE.normalize():f}"
    return [{"symbol": pair.id, "makerCommission": maker, "takerCommission": taker} for pair in pairs]


def restrictions(call: Call) -> dict[str, Any]:
    """What this key may do."""
    call.params.end()
    may = call.key.permissions
    off = (
        "enableInternalTransfer",
        "enableMargin",
        "enableFutures",
        "permitsUniversalTransfer",
        "enableVanillaOptions",
        "enableFixApiTrade",
        "enableFixReadOnly",
        "enablePortfolioMarginTrading",
    )
    return {
        "ipRestrict": False,
        "createTime": 1_700_000_000_000,
        "enableReading": "read" in may,
        "enableWithdrawals": "withdraw" in may,
        "enableSpotAndMarginTrading": "trade" in may,
        **dict.fromkeys(off, False),
    }


def _pair(call: Call) -> Pair:
    return call.exchange.pair(call.params.need("symbol"))


def _order(call: Call, pair: Pair, number: str, client: str) -> Ticket | None:
    order_id, client_id = call.params.integer(number), call.params.text(client)
    if order_id is None and client_id is None:
        raise ApiError(-1102, f"Param '{client}' or '{number}' must be sent, but both were empty/null!")
    found = call.exchange.books.order(call.account, pair.symbol, number=order_id, client_id=client_id)
    if found is not None and client_id is not None and found.spec.client_id != client_id:
        raise wrong_client_id()
    return found


def _list(call: Call, number: str, client: str) -> OrderList | None:
    list_id, client_id = call.params.integer(number), call.params.text(client)
    if list_id is None and client_id is None:
        raise missing(number)
    return call.exchange.books.order_list(call.account, number=list_id, client_id=client_id)


def _times(call: Call) -> tuple[int | None, int | None]:
    """startTime and endTime, at most a day apart."""
    start, end = call.params.integer("startTime"), call.params.integer("endTime")
    if start is not None and end is not None and end - start > DAY_MS:
        raise ApiError(-1127, "More than 24 hours between startTime and endTime.")
    return start, end
