"""Resolve: from a request to the order it means, with instrument and quote of now. Pure; says what makes no sense."""

import hashlib
import re
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec
from msgspec import structs

from trade_mcp.domain.distances import Distance
from trade_mcp.domain.errors import BadInput
from trade_mcp.domain.exits import ExitPlan, check_plan, levels
from trade_mcp.domain.instrument import ZERO, Instrument
from trade_mcp.domain.market import Quote
from trade_mcp.domain.order import Order, OrderRequest, OrderType, Role, Side, Source, TimeInForce
from trade_mcp.risk.standing import SLACK, sound

DERIVED = re.compile(r"-(stop|target|exit|rung|time|take)-\d+$")  # ids that exits get from their entry's

LIMITED = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})
TRIGGERED = frozenset({OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT})


def resolve(
    request: OrderRequest,
    source: Source,
    *,
    instrument: Instrument,
    quote: Quote | None,
    default: ExitPlan,
    average_range: Decimal | None,
    now: datetime,
    real: datetime,
    send_within: timedelta,
) -> Order:
    """The order that ``request`` means. ``default`` has the stop of an entry that brings none, ``average_range`` is
    what one ATR is worth (None: unknown, and refused where a distance counts in it).

    Numbers that are not sane are passed on as they are: the rules refuse them before any comparison. Raises BadInput
    for a combination that makes no sense.
    """
    check_id(request.order_id, source)
    check_shape(request)
    entry = request.side is Side.BUY
    exits = request.exits
    if entry:
        exits = _completed(exits or ExitPlan(), default, instrument=instrument, average_range=average_range)
    price = reference(request, quote)
    sane = all(map(sound, numbers(request)))
    if entry and sane and price is not None and exits is not None:
        check_sides(exits, price)
    size = request.size
    if size is None:
        size = request.notional
        assert size is not None
        if sane and size > 0:
            if price is None:
                raise BadInput(f"{request.symbol} has no price now", hint="give a size instead of a notional")
            size = instrument.round_size(size / price)
            if size == 0:
                raise BadInput(
                    f"{request.notional} {instrument.quote} buys less than a lot of {instrument.lot} {instrument.base}",
                    hint=f"one lot costs about {price * instrument.lot:f} {instrument.quote} now",
                )
    return Order(
        order_id=request.order_id,
        symbol=request.symbol,
        side=request.side,
        type=request.type,
        size=size,
        role=Role.ENTRY if entry else Role.CLOSE,
        source=source,
        at=now,
        real_at=real,
        send_by=real + send_within,
        worst_price=worst_price(request, price) if entry and sane else ZERO,
        limit_price=request.limit_price,
        trigger_price=request.trigger_price,
        trailing=request.trailing,
        time_in_force=_time_in_force(request),
        post_only=request.post_only,
        strategy=request.strategy,
        reason=request.reason,
        request=fingerprint(request),
        exits=exits if entry and exits != ExitPlan() else None,
    )


def _completed(plan: ExitPlan, default: ExitPlan, *, instrument: Instrument, average_range: Decimal | None) -> ExitPlan:
    """``plan`` with the default stop if it has none, what a round trip costs, and its ATRs in the quote currency."""
    if not plan.has_stop:
        plan = structs.replace(plan, stop=default.stop, trail=default.trail)
    if plan.break_even is not None:
        plan = structs.replace(plan, costs=2 * instrument.taker_fee)
    return ranged(plan, average_range, instrument.symbol)


def ranged(plan: ExitPlan, average_range: Decimal | None, symbol: str) -> ExitPlan:
    """``plan`` with its ATRs in the quote currency. Raises BadInput while the range is unknown."""
    if not plan.needs_range:
        return plan
    if average_range is None:
        raise BadInput(f"the average true range of {symbol} is not known yet", hint="give a distance in %")
    return plan.with_range(average_range)


def fingerprint(request: OrderRequest) -> str:
    """What a retry must repeat: everything but the id and the words around it."""
    same = structs.replace(request, order_id="", reason="")
    return hashlib.sha256(msgspec.json.encode(same)).hexdigest()[:16]


def reference(request: OrderRequest, quote: Quote | None) -> Decimal | None:
    """The price an order is expected to trade at: its limit, its trigger, or the quote; None when unknown."""
    if request.limit_price is not None:
        return request.limit_price
    if request.trigger_price is not None:
        return request.trigger_price
    if quote is None:
        return None
    return quote.ask if request.side is Side.BUY else quote.bid


def worst_price(request: OrderRequest, price: Decimal | None) -> Decimal:
    """The price a buy reserves cash for."""
    if price is None:
        return ZERO
    return price if request.type in LIMITED else price * (1 + SLACK)


def numbers(request: OrderRequest) -> list[Decimal]:
    """Every number of a request that is given."""
    plan = request.exits or ExitPlan()
    loose = [request.size, request.notional, request.limit_price, request.trigger_price]
    for part in (*(part for _, part in plan.parts), request.trailing):
        loose += [part.said, part.amount] if isinstance(part, Distance) else [part]
    loose += [rung.share for rung in plan.rungs]
    return [number for number in loose if number is not None]


def _time_in_force(request: OrderRequest) -> TimeInForce:
    """A buy at the market takes what is there now: what it found nothing for was judged at the price of now."""
    if request.side is Side.BUY and request.type is OrderType.MARKET and request.time_in_force is not TimeInForce.FOK:
        return TimeInForce.IOC
    return request.time_in_force


def check_id(order_id: str, source: Source) -> None:
    """Ids that the desk derives for its own orders are nobody else's to give. Raises BadInput."""
    if (DERIVED.search(order_id) and source is not Source.EXIT) or (
        order_id.startswith("loop-") and source not in (Source.LOOP, Source.EXIT)
    ):
        raise BadInput(f"the id {order_id!r} is one that the desk makes itself", hint="give another, or none")


def check_shape(request: OrderRequest) -> None:
    """Which fields an order of its type has. Raises BadInput."""
    if (request.size is None) == (request.notional is None):
        raise BadInput("give either size or notional", hint="size is in base units, notional in the quote currency")
    if request.side is Side.SELL and request.notional is not None:
        raise BadInput("a sell needs a size", hint="close_position sells a fraction of a position")
    for name, price, types in (
        ("limit_price", request.limit_price, LIMITED),
        ("trigger_price", request.trigger_price, TRIGGERED),
    ):
        if price is None and request.type in types:
            raise BadInput(f"a {request.type} order needs a {name}", hint=f"add {name}")
        if price is not None and request.type not in types:
            raise BadInput(f"a {request.type} order has no {name}", hint=f"{name} goes with {', '.join(sorted(types))}")
    if request.type is OrderType.TRAILING_STOP:
        raise BadInput(
            "a trailing stop protects a position, it does not open or close one by itself",
            hint="set_exits(symbol, trailing=...), or trailing=... with the entry",
        )
    if request.side is Side.SELL and request.type in TRIGGERED:
        raise BadInput(
            f"a {request.type} sell is an exit of a position",
            hint="set_exits(symbol, stop_loss=..., take_profit=...) places it and keeps it sized",
        )
    if request.post_only and request.type is not OrderType.LIMIT:
        raise BadInput(f"post_only goes with limit orders, not {request.type}", hint="use type limit")
    if request.side is Side.SELL and request.exits is not None:
        raise BadInput("exits belong to an entry", hint="set_exits changes the exits of a position")


def check_sides(plan: ExitPlan, price: Decimal) -> None:
    """Stop below, target above the price of a long entry. Raises BadInput; insane numbers are left to the rules."""
    check_plan(plan)
    at = levels(plan, price)
    if at.stop is not None and at.stop >= price:
        raise BadInput(
            f"the stop {at.stop:f} is not below the price {price:f}", hint="a long position's stop lies below its entry"
        )
    if at.target is not None and at.target <= price:
        raise BadInput(
            f"the target {at.target:f} is not above the price {price:f}",
            hint="a long position's target lies above its entry",
        )

    for share, step in at.rungs:
        if step <= price or (at.target is not None and step >= at.target):
            raise BadInput(
                f"the ladder's step at {step:f} ({share * 100:f} %) is not between the price and the target",
                hint="its steps lie above the entry and below take_profit",
            )


def check_numbers(plan: ExitPlan) -> None:
    """Every number of it is one. Raises BadInput."""
    for _, part in plan.parts:
        number = part.said if isinstance(part, Distance) else part
        if not sound(number):
            raise BadInput(f"an exit at {number} makes no sense", hint="give a price above zero, or a distance like 2%")
