"""Account: the endpoints that say what an account has, has traded, pays and may do."""

from typing import Any

from trade_mcp.domain.instrument import ZERO
from trade_mcp.practice import views
from trade_mcp.practice.context import Call
from trade_mcp.practice.events import said
from trade_mcp.practice.listing import MAKER_FEE, TAKER_FEE


def account(call: Call) -> dict[str, Any]:
    omit = call.params.text("omitZeroBalances") == "true"
    call.params.end()
    late = call.context.faults.struck({"lag"}, "GET /api/v3/account", call.account)
    balances = call.exchange.balances(call.account)
    if late:
        balances = call.exchange.balances_before(call.account, max(fault.seconds for fault in late))
    listed = {part for pair in call.exchange.market.instruments.values() for part in (pair.base, pair.quote)}
    for asset in sorted(listed - balances.keys()):
        balances[asset] = ZERO, ZERO
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


def my_trades(call: Call) -> list[dict[str, Any]]:
    pair, limit = call.pair(), call.params.count("limit", 500, 1000)
    of, first, (start, end) = call.params.integer("orderId"), call.params.integer("fromId"), call.day_span()
    call.params.end()
    books = call.exchange.books
    if of is not None:
        found = [fill for fill in books.fills_of(of) if fill.account == call.account and fill.number >= (first or 0)]
        found = [fill for fill in found if fill.symbol == pair.symbol][:limit]
    else:
        found = books.fills(call.account, pair.symbol, start=start, end=end, first=first, limit=limit)
    return [views.trade(fill, call.exchange.listing) for fill in found]


def commission(call: Call) -> dict[str, Any]:
    pair = call.pair()
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
    pairs = [call.pair()] if call.params.has("symbol") else call.exchange.listing.pairs.values()
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
