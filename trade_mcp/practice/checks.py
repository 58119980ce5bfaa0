"""Checks: what an order may not be at this moment, other than by its filters: a closed market, a price already reached,
a client id in use."""

from collections.abc import Collection
from decimal import Decimal

from trade_mcp.domain.instrument import ZERO
from trade_mcp.domain.market import Quote
from trade_mcp.domain.matching import Now
from trade_mcp.domain.order import Side
from trade_mcp.practice.errors import BAD_RELATION, CLOSED, DUPLICATE, WOULD_TAKE, WOULD_TRIGGER, ApiError, rejected
from trade_mcp.practice.listing import Pair
from trade_mcp.practice.ticket import BIPS, STOPS, TAKES, Kind, Spec, Ticket

SLACK = Decimal("1.01")  # a buy that is not limited locks 1 % more than its reference price (assumed)


def check_now(spec: Spec, pair: Pair, now: Now | None, *, fresh: Collection[Ticket], paired: bool) -> None:
    """``now`` None: a pending order, which meets the market later. ``fresh``: the account's open orders here.
    ``paired``: a leg of an OCO, whose prices stand on both sides of the market."""
    if pair.entry["status"] != "TRADING":
        raise rejected(CLOSED)
    if any(ticket.spec.client_id == spec.client_id for ticket in fresh):
        raise rejected(DUPLICATE)
    if now is None:
        return
    ask, bid = now.quote.ask, now.quote.bid
    if spec.kind is Kind.LIMIT_MAKER:
        assert spec.price is not None
        if (spec.price >= ask) if spec.side is Side.BUY else (spec.price <= bid):
            raise rejected(BAD_RELATION if paired else WOULD_TAKE)
    if spec.stop_price is not None and reached(spec, now.quote):
        raise rejected(BAD_RELATION if paired else WOULD_TRIGGER)


def reached(spec: Spec, quote: Quote) -> bool:
    """Whether the stop price is reached: from below for a stop that buys or a take-profit that sells."""
    assert spec.stop_price is not None
    price = quote.ask if spec.side is Side.BUY else quote.bid
    rising = (spec.kind in STOPS) is (spec.side is Side.BUY)
    return price >= spec.stop_price if rising else price <= spec.stop_price


def check_relation(above: Spec, below: Spec) -> None:
    """The legs of an OCO: a stop on one side, what takes profit on the other, and above is above."""
    sells = above.side is Side.SELL
    side = "sell" if sells else "buy"
    limits = [spec for spec in (above, below) if spec.kind is Kind.LIMIT_MAKER]
    for spec in (above, below):
        if spec.kind not in {Kind.LIMIT_MAKER, *STOPS, *TAKES}:
            raise ApiError(-1158, "Order type not supported in OCO.")
    if len(limits) == 2:
        raise ApiError(-1168, "At least one OCO order must be contingent.")
    profit, loss = (above, below) if sells else (below, above)
    profits, losses = ("above", "below") if sells else ("below", "above")
    if loss.kind is Kind.LIMIT_MAKER:
        raise ApiError(-1166 if sells else -1165, f"A limit order in a {side} OCO must be {profits}.")
    if loss.kind in TAKES:
        raise ApiError(-1199 if sells else -1198, f"A take profit order in a {side} OCO must be {profits}.")
    if profit.kind in STOPS:
        raise ApiError(-1197 if sells else -1196, f"A stop loss order in a {side} OCO must be {losses}.")
    upper, lower = above.stop_price or above.price, below.stop_price or below.price
    if upper is not None and lower is not None and upper <= lower:
        raise rejected(BAD_RELATION)


def lock_price(spec: Spec, quote: Quote) -> Decimal:
    """Quote currency that each base unit of a buy locks; 0 for a sell, which locks what it sells."""
    if spec.side is Side.SELL:
        return ZERO
    if spec.price is not None:
        return spec.price
    price = spec.stop_price or quote.ask
    return price * (1 + (spec.delta or 0) / BIPS) * SLACK
