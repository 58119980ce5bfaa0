"""Matching: what a bar, or the quote of this moment, does to a resting order. Pure; everyone who simulates uses it.

A bar fills an order only with what was possible after the order was placed: the bar it was placed in counts by its
close alone. What happened inside a bar in which order is unknown, so the worse order is assumed: a stop before a
target, the low before the high for a trailing stop. At most one price per order and bar.
"""

from datetime import datetime, timedelta
from decimal import Decimal

from msgspec import Struct, structs

from trade_mcp.domain.instrument import ZERO, Instrument
from trade_mcp.domain.market import Bar, Quote
from trade_mcp.domain.order import Order, OrderType, Side, Status, TimeInForce

MAX_SLIPPAGE = Decimal("0.005")  # of the price; with rounding it stays inside the 1 % the gate reserves
LIMITED = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})  # never worse than their limit price
UNTRIGGERED = frozenset({OrderType.MARKET, OrderType.LIMIT})  # active from the start
STOPS = frozenset({OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP})
AT_ONCE = frozenset({TimeInForce.IOC, TimeInForce.FOK})


class Friction(Struct, frozen=True, gc=False):
    """What trading costs besides fees (those are the instrument's). Fractions."""

    spread: Decimal = Decimal("0.0002")  # of the price, around a bar's prices; half of it is paid each way
    slippage: Decimal = Decimal("0.1")  # of the price, for an order as large as the bar's volume; see MAX_SLIPPAGE
    participation: Decimal = Decimal("0.1")  # of a bar's volume that may fill orders


class Now(Struct, frozen=True, gc=False):
    """The quote of this moment, and the volume (base units) of the last bar: how much trades here."""

    quote: Quote
    volume: Decimal


class Resting(Struct, frozen=True, gc=False):
    """An order at the venue and what the market has done to it: placed when, how much is open, triggered, peak."""

    order: Order
    placed_at: datetime  # market time
    remaining: Decimal
    activated: bool = False  # its trigger was reached
    peak: Decimal | None = None  # best price since it was placed (trailing stops): highest for a sell

    @property
    def expires_at(self) -> datetime | None:
        """End of the UTC day a DAY order was placed in; None for the others."""
        if self.order.time_in_force is not TimeInForce.DAY:
            return None
        return self.placed_at.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)

    @property
    def level(self) -> Decimal | None:
        """Where a trailing stop triggers now: the better of its trigger and peak - trail. It never loosens."""
        order, sign = self.order, self.order.side.sign
        if self.peak is None or order.trailing is None:
            return order.trigger_price
        trailing = self.peak + sign * order.trailing.of(self.peak)
        return trailing if order.trigger_price is None else _best(sign, order.trigger_price, trailing)


class Execution(Struct, frozen=True, gc=False):
    """A trade: ``size`` base units at ``price``."""

    price: Decimal
    size: Decimal
    maker: bool


class Match(Struct, frozen=True, gc=False):
    """What changed: a trade or none, the order after it, and how it ended (None: it rests on)."""

    execution: Execution | None
    resting: Resting
    ended: Status | None = None

    @property
    def started(self) -> bool:
        """Whether the order came alive: the other leg of its OCO has lost."""
        return self.execution is not None or self.resting.activated


class _Path(Struct, frozen=True, gc=False):
    """Prices in the order they are assumed: open first, close last, between them whatever is worse."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    half_spread: Decimal
    taking: bool  # an order that comes in now takes; one that rested makes


def try_fill(
    resting: Resting, seen: Bar | Now, friction: Friction, *, instrument: Instrument, taken: Decimal = ZERO
) -> Match | None:
    """What ``seen`` does to ``resting``; None if nothing. ``taken`` is what orders have filled in this bar already.

    A bar that closed before the order was placed does nothing. A DAY order ends with the first bar that closes after
    its day. Prices are rounded to the tick against the order, sizes down to the lot.
    """
    if isinstance(seen, Bar):
        if seen.close_at <= resting.placed_at:
            return None
        if resting.expires_at is not None and seen.close_at > resting.expires_at:
            return Match(None, resting, Status.EXPIRED)
    path = _path(seen, resting, friction)
    triggered, price, inside = _trigger(resting, path)
    if price is None:
        return None if triggered == resting else Match(None, triggered)
    at = _price(triggered, path, price, inside=inside, fresh=path.taking or triggered.activated != resting.activated)
    match = _trade(triggered, at, path, friction, instrument=instrument, taken=taken)
    return None if match.execution is None and match.ended is None and match.resting == resting else match


def try_fill_oco(
    legs: tuple[Resting, ...], seen: Bar | Now, friction: Friction, *, instrument: Instrument, taken: Decimal = ZERO
) -> tuple[Match | None, ...]:
    """`try_fill` for the legs of one OCO (or a single order): the first leg to come alive cancels the others.

    A leg that is reached at the open comes first, then stops before targets.
    """
    if len(legs) == 1:
        return (try_fill(legs[0], seen, friction, instrument=instrument, taken=taken),)
    matches: list[Match | None] = [None] * len(legs)
    for index in sorted(range(len(legs)), key=lambda i: _precedence(legs[i], seen, friction)):
        match = matches[index] = try_fill(legs[index], seen, friction, instrument=instrument, taken=taken)
        if match is not None and match.started:
            return tuple(match if i == index else Match(None, leg, Status.CANCELLED) for i, leg in enumerate(legs))
    return tuple(matches)


def would_take(order: Order, quote: Quote) -> bool:
    """Whether a limit order would match at once instead of resting (what post_only forbids)."""
    assert order.limit_price is not None
    return quote.ask <= order.limit_price if order.side is Side.BUY else quote.bid >= order.limit_price


def _precedence(leg: Resting, seen: Bar | Now, friction: Friction) -> tuple[bool, bool]:
    path = _path(seen, leg, friction)
    first = structs.replace(path, high=path.open, low=path.open, close=path.open)
    triggered, price, inside = _trigger(leg, first)
    reached = price is not None and _price(triggered, first, price, inside=inside, fresh=True) is not None
    return not reached, leg.order.type not in STOPS


def _path(seen: Bar | Now, resting: Resting, friction: Friction) -> _Path:
    if isinstance(seen, Now):
        price = seen.quote.ask if resting.order.side is Side.BUY else seen.quote.bid
        return _Path(price, price, price, price, seen.volume, ZERO, taking=True)
    half = friction.spread / 2
    if seen.open_at < resting.placed_at:
        return _Path(seen.close, seen.close, seen.close, seen.close, seen.volume, half, taking=False)
    return _Path(seen.open, seen.high, seen.low, seen.close, seen.volume, half, taking=False)


def _trigger(resting: Resting, path: _Path) -> tuple[Resting, Decimal | None, bool]:
    """The order after its trigger was looked at, the price from which it may trade (None: not yet), and whether
    that is inside the bar rather than at its open."""
    order, sign = resting.order, resting.order.side.sign
    if order.type in UNTRIGGERED or resting.activated:
        return resting, path.open, False
    against, favour = (path.high, path.low) if order.side is Side.BUY else (path.low, path.high)
    live = structs.replace(resting, activated=True)
    if order.type is OrderType.TAKE_PROFIT:
        assert order.trigger_price is not None
        if _reached(-sign, path.open, order.trigger_price):
            return live, path.open, False
        return (
            (live, order.trigger_price, True)
            if _reached(-sign, favour, order.trigger_price)
            else (resting, None, False)
        )
    level = resting.level if order.type is OrderType.TRAILING_STOP else order.trigger_price
    if level is not None and _reached(sign, path.open, level):
        return live, path.open, False  # a gap: the open is worse than the level
    if level is not None and _reached(sign, against, level):
        return live, level, True
    if order.type is not OrderType.TRAILING_STOP:
        return resting, None, False
    raised = structs.replace(resting, peak=favour if resting.peak is None else _best(sign, resting.peak, favour))
    level = raised.level
    if level is not None and _reached(sign, path.close, level):
        return structs.replace(raised, activated=True), level, True
    return raised, None, False


def _price(resting: Resting, path: _Path, price: Decimal, *, inside: bool, fresh: bool) -> tuple[Decimal, bool] | None:
    """The price an active order trades at before slippage, and whether it makes; None: its limit is out of reach."""
    order, sign = resting.order, resting.order.side.sign
    touched = price * (1 + sign * path.half_spread)
    if order.type not in LIMITED:
        return touched, False
    limit = order.limit_price
    assert limit is not None
    if _reached(-sign, price, limit):
        return _best(sign, limit, touched), not fresh
    if order.time_in_force in AT_ONCE:
        return None
    # After a trigger inside the bar only its close is certain to come later.
    later = path.close if inside else path.low if order.side is Side.BUY else path.high
    return (limit, True) if _reached(-sign, later, limit) else None


def _trade(
    resting: Resting,
    at: tuple[Decimal, bool] | None,
    path: _Path,
    friction: Friction,
    *,
    instrument: Instrument,
    taken: Decimal,
) -> Match:
    order = resting.order
    room = instrument.round_size(max(path.volume * friction.participation - taken, ZERO))
    size = min(resting.remaining, room)
    if order.time_in_force is TimeInForce.FOK and size < resting.remaining:
        size = ZERO
    dies = Status.EXPIRED if order.time_in_force in AT_ONCE else None
    if at is None or size <= 0:
        return Match(None, resting, dies)
    price, maker = at
    if not maker:
        slip = min(friction.slippage * (taken + size) / path.volume, MAX_SLIPPAGE)
        price *= 1 + order.side.sign * slip
    price = instrument.price_up(price) if order.side is Side.BUY else max(instrument.price_down(price), instrument.tick)
    if order.type in LIMITED:
        assert order.limit_price is not None
        price = _best(order.side.sign, price, order.limit_price)
    after = structs.replace(resting, remaining=resting.remaining - size)
    return Match(Execution(price, size, maker), after, Status.FILLED if after.remaining == 0 else dies)


def _reached(sign: int, price: Decimal, level: Decimal) -> bool:
    """Whether ``price`` is at ``level`` or beyond it: above for sign 1, below for sign -1."""
    return price >= level if sign > 0 else price <= level


def _best(sign: int, a: Decimal, b: Decimal) -> Decimal:
    """The price that is best for an order of this sign: the lower for a buy (1), the higher for a sell (-1)."""
    return min(a, b) if sign > 0 else max(a, b)
