"""Standing: where the book stands now at given prices, with everything in flight counted at its worst."""

from collections.abc import Mapping
from decimal import Context, Decimal, Inexact, InvalidOperation

from msgspec import Struct

from trade_mcp.domain.book import CHAT, Book, trader
from trade_mcp.domain.exits import ExitPlan
from trade_mcp.domain.instrument import ZERO
from trade_mcp.domain.order import Order, Side, Source

BUY, LOOP = Side.BUY, Source.LOOP
SMALLEST, LARGEST = Decimal("1e-18"), Decimal("1e12")
SLACK = Decimal("0.01")  # a market order may slip this far beyond the quote, as a fraction; cash is kept for it
DIGITS = 20  # more than any venue has; products of two such numbers stay close to exact
_short = Context(prec=DIGITS, traps=[Inexact, InvalidOperation]).plus


def sound(value: Decimal) -> bool:
    """Whether a price or a size is one: finite, above zero, of a sane magnitude and number of digits.

    >>> [sound(Decimal(text)) for text in ("0.5", "NaN", "-1", "0", "1e30", "0.1234567890123456789012345")]
    [True, False, False, False, False, False]
    """
    try:
        if SMALLEST <= value <= LARGEST:
            _short(value)
            return True
    except (Inexact, InvalidOperation):  # too many digits; a NaN is in no order
        pass
    return False


class Standing(Struct, frozen=True, gc=False):
    """Sums over the book, in the quote currency. ``notionals`` and ``losses`` by symbol, live buys included.

    ``equity`` is None while a held symbol has no price: those are ``unpriced``.
    """

    equity: Decimal | None
    unpriced: tuple[str, ...]
    exposure: Decimal  # all positions and all live buys
    heat: Decimal  # lost if every stop is hit
    reserved: Decimal  # cash that live buys may still spend, before fees
    orders: int  # live ones; a group of exits counts once
    notionals: dict[str, Decimal]
    losses: dict[str, Decimal]
    heats: dict[str, Decimal]  # lost if every stop is hit, by `trader`
    slots: set[str]  # symbols that hold one: a position that is not dust, or an entry in flight


def standing(book: Book, marks: Mapping[str, Decimal]) -> Standing:
    """Where ``book`` stands at ``marks`` (quote per base, by symbol). A mark that is no price counts as missing."""
    equity, reserved = book.cash, ZERO
    notionals: dict[str, Decimal] = {}
    losses: dict[str, Decimal] = {}
    heats: dict[str, Decimal] = {}
    unpriced: list[str] = []
    slots = set(book.positions)
    for symbol, position in book.positions.items():  # asked at every order: what is small is written out here
        if dust := position.dust:
            slots.remove(symbol)
        mark = marks.get(symbol)
        if mark is None or not sound(mark):
            unpriced.append(symbol)
            continue
        size = position.size
        value = size * mark
        equity += value
        short = size < ZERO
        notionals[symbol] = -value if short else value
        if not dust:  # dust needs no stop: it could not be sold at one
            losses[symbol] = lost = -value if short else loss(size, mark, position.levels.stop_price)
            who = position.strategy if position.owner is LOOP and position.strategy else CHAT
            heats[who] = heats.get(who, ZERO) + lost
    groups: set[str] = set()
    for order in book.orders.values():
        groups.add(order.group or order.order_id)
        if order.side is BUY:
            symbol, open_size, lost = order.symbol, order.open_size, entry_loss(order)
            slots.add(symbol)
            reserved += open_size * order.worst_price
            notionals[symbol] = notionals.get(symbol, ZERO) + open_size * expected_price(order)
            losses[symbol] = losses.get(symbol, ZERO) + lost
            who = trader(order.source, order.strategy)
            heats[who] = heats.get(who, ZERO) + lost
    return Standing(
        None if unpriced else equity,
        tuple(unpriced),
        sum(notionals.values(), ZERO),
        sum(losses.values(), ZERO),
        reserved,
        len(groups),
        notionals,
        losses,
        heats,
        slots,
    )


def expected_price(order: Order) -> Decimal:
    """What a live buy counts at: its limit, its trigger, or (a market order, briefly) all that is reserved for it."""
    return order.limit_price or order.trigger_price or order.worst_price


def loss(size: Decimal, price: Decimal, stop: Decimal | None) -> Decimal:
    """What ``size`` at ``price`` loses at its stop, in the quote currency; without a stop all of it, never below 0."""
    if stop is None or stop <= ZERO:
        return size * price
    return size * (price - stop) if stop < price else ZERO


def entry_loss(order: Order) -> Decimal:
    """What the unfilled part of a live buy loses at the stop it will get."""
    price = expected_price(order)
    return loss(order.open_size, price, stop_at(order.exits, price))


def stop_at(plan: ExitPlan | None, price: Decimal) -> Decimal | None:
    """The stop that ``plan`` means for a fill at ``price``: the higher of stop and trail; None without either.

    >>> stop_at(ExitPlan(stop=Decimal(95)), Decimal(100))
    Decimal('95')
    """
    if plan is None:
        return None
    stop = plan.stop
    if stop is not None and not isinstance(stop, Decimal):
        stop = price - stop.of(price)
    if plan.trail is None:
        return stop
    trailing = price - plan.trail.of(price)
    return trailing if stop is None or trailing > stop else stop
