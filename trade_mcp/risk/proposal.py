"""Proposal: the book before, the order, the book after in the worst case, and the frozen View that rules see."""

from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct, structs

from trade_mcp.domain.book import CHAT, Book, trader
from trade_mcp.domain.calendar import Span
from trade_mcp.domain.distances import Distance
from trade_mcp.domain.exits import ExitPlan, Levels
from trade_mcp.domain.instrument import ZERO, Instrument
from trade_mcp.domain.market import Quote
from trade_mcp.domain.order import Order, OrderType, Side
from trade_mcp.risk.clusters import Correlations
from trade_mcp.risk.standing import Standing, loss, sound, standing, stop_at


class Kind(StrEnum):
    """What a proposal does to the book: it decides which rules apply."""

    ENTRY = "entry"
    REDUCE = "reduce"
    CANCEL = "cancel"
    LOOSEN = "loosen"  # a stop moved away or taken off


class View(Struct, frozen=True, gc=False, kw_only=True):
    """What the rules see beside the book, frozen at the decision.

    ``marks`` has a price (the bid) of every held symbol and of the order's; one that is missing makes equity unknown.
    ``recent`` are trade closes, newest last, None if there is no history. ``policy_here`` is the hash of this
    process's own limits, ``policy_keys`` the keys in which they differ from those in force.
    ``watcher_silence_s`` is real time since the watcher's last heartbeat, None if there never was one.
    """

    now: datetime  # market time
    instrument: Instrument
    quote: Quote | None = None
    quote_problem: str = ""  # why there is none
    marks: Mapping[str, Decimal] = {}
    recent: tuple[Decimal, ...] | None = None
    correlations: Correlations | None = None  # None: not known, or too old
    sessions: tuple[Span, ...] | None = None  # in which the symbol trades; None: it always does
    quiet: tuple[Span, ...] = ()  # in which nothing is entered
    policy_here: str = ""
    policy_keys: tuple[str, ...] = ()
    watcher_silence_s: float | None = None
    halted: str = ""  # why trading is halted beyond what the book says: the flag file, a live desk that is not armed
    shown: Decimal | None = None  # the price at which a person approved this entry


class Proposal(Struct, frozen=True, gc=False):
    """An order against the book, with everything the rules compare computed once. Money is in the quote currency."""

    kind: Kind
    book: Book
    view: View
    symbol: str
    order: Order | None = None  # None: a change of levels
    who: str = CHAT  # whose limits per strategy it counts against: see `trader`
    quote: Quote | None = None  # the view's, if it is a price at all
    price: Decimal | None = None  # the worst of quote, limit and trigger
    stop: Decimal | None = None  # where the stop would be, counted from ``price``
    spends: Decimal | None = None  # cash an entry may need, slippage and taker fee included
    held: Decimal = ZERO  # base units of the position
    now: Standing | None = None  # the book without this order
    equity: Decimal | None = None
    notional: Decimal | None = None
    position: Decimal | None = None  # value of the symbol after: position, live buys and this
    exposure: Decimal | None = None
    risk: Decimal | None = None  # loss of this order (or of the position, if levels change) at its stop
    heat: Decimal | None = None
    free: Decimal = ZERO  # of ``held``, what no live sell takes; of a sell only
    replacing: Collection[str] = ()  # ids of live orders that the order takes the place of
    levels: Levels | None = None  # the new ones, of a change of levels
    unsound: tuple[str, str] | None = None  # the field and text of a number that no rule may touch

    @property
    def exposure_after(self) -> Decimal | None:
        """Exposure with this order, as a fraction of equity; None while it is unknown."""
        return _fraction(self.exposure, self.equity)

    @property
    def heat_after(self) -> Decimal | None:
        """Heat with this order, as a fraction of equity; None while it is unknown."""
        return _fraction(self.heat, self.equity)


def propose(book: Book, order: Order, view: View, *, replacing: Collection[str] = (), asked: str = "size") -> Proposal:
    """The proposal of ``order``, not yet in ``book``. ``replacing`` are ids of live orders that it takes the place of.

    ``asked`` is what its size was asked for as.

    A buy is an entry, a sell a reduction; one larger than what is held and not yet being sold is refused by the rule
    ``holdings``, so a reduction never crosses zero.
    """
    held, who = book.position(order.symbol).size, trader(order.source, order.strategy)
    quote = _sound_quote(view.quote)
    if unsound := _unsound_number(order, asked):
        kind = Kind.ENTRY if order.side is Side.BUY else Kind.REDUCE
        return Proposal(kind=kind, book=book, view=view, symbol=order.symbol, order=order, who=who, unsound=unsound)
    if order.side is Side.SELL:
        return Proposal(
            kind=Kind.REDUCE,
            book=book,
            view=view,
            symbol=order.symbol,
            order=order,
            quote=quote,
            price=_lowest(order, quote),
            replacing=replacing,
            held=held,
            free=held - _selling(book, order, replacing),
        )
    now = standing(book, view.marks)
    price = _highest(order, quote)
    notional = spends = position = exposure = risk = heat = stop = None
    if price is not None:
        stop = stop_at(order.exits, price)
        notional = order.size * price
        spends = order.size * max(price, order.worst_price) * (1 + view.instrument.taker_fee)
        risk = loss(order.size, price, stop)
        position = now.notionals.get(order.symbol, ZERO) + notional
        exposure, heat = now.exposure + notional, now.heat + risk
    return Proposal(  # asked at every order: by position, for names cost four times as much
        Kind.ENTRY,
        book,
        view,
        order.symbol,
        order,
        who,
        quote,
        price,
        stop,
        spends,
        held,
        now,
        now.equity,
        notional,
        position,
        exposure,
        risk,
        heat,
    )


def propose_cancel(book: Book, order: Order, view: View) -> Proposal:
    """The proposal to cancel a live ``order``."""
    return Proposal(kind=Kind.CANCEL, book=book, view=view, symbol=order.symbol, order=order)


def propose_levels(book: Book, symbol: str, levels: Levels, view: View) -> Proposal:
    """The proposal to give the position in ``symbol`` looser ``levels``: judged like an entry at today's price."""
    position, now = book.position(symbol), standing(book, view.marks)
    base = Proposal(
        kind=Kind.LOOSEN,
        book=book,
        view=view,
        symbol=symbol,
        who=trader(position.owner, position.strategy),
        levels=levels,
        held=position.size,
    )
    if (unsound := _unsound_levels(levels)) is not None:
        return structs.replace(base, unsound=unsound)
    quote, mark = _sound_quote(view.quote), view.marks.get(symbol)
    stop = levels.stop_price
    if mark is None or symbol in now.unpriced:
        return structs.replace(base, quote=quote, stop=stop, now=now, equity=None)
    risk = loss(position.size, mark, stop)
    before = loss(position.size, mark, position.levels.stop_price)
    return structs.replace(
        base, quote=quote, price=mark, stop=stop, now=now, equity=now.equity, risk=risk, heat=now.heat - before + risk
    )


def _unsound_number(order: Order, asked: str) -> tuple[str, str] | None:
    """The first number of an order that is none (NaN, infinite, zero, negative, absurd): its field and its text."""
    if not sound(order.size):
        return asked, str(order.size)
    if order.limit_price is not None and not sound(order.limit_price):
        return "limit_price", str(order.limit_price)
    if order.trigger_price is not None and not sound(order.trigger_price):
        return "trigger_price", str(order.trigger_price)
    return _unsound_distance("trailing", order.trailing) or _unsound_plan(order.exits)


def _unsound_plan(plan: ExitPlan | None) -> tuple[str, str] | None:
    if plan is None:
        return None
    for field, level in plan.parts:
        if isinstance(level, Distance):
            if unsound := _unsound_distance(field, level):
                return unsound
        elif not sound(level):
            return field, str(level)
    for rung in plan.rungs:
        if not sound(rung.share):
            return "ladder", str(rung.share)
    return None


def _unsound_levels(levels: Levels) -> tuple[str, str] | None:
    for field, level in (("stop_loss", levels.stop), ("take_profit", levels.target), ("peak", levels.peak)):
        if level is not None and not sound(level):
            return field, str(level)
    return _unsound_distance("trailing", levels.trail)


def _unsound_distance(field: str, distance: Distance | None) -> tuple[str, str] | None:
    if distance is None:
        return None
    for number in (distance.fraction, distance.amount, distance.atr, distance.risk):
        if number is not None and not sound(number):
            return field, str(number)
    return None


def _sound_quote(quote: Quote | None) -> Quote | None:
    if quote is None or not (sound(quote.bid) and sound(quote.ask)):
        return None
    return quote if quote.bid <= quote.ask else None


def _selling(book: Book, order: Order, replacing: Collection[str]) -> Decimal:
    """What live sells of the symbol may still take; legs of one group once, replaced orders not at all.

    A stop that the desk watches sells all that is held, as one that rests does: what rests beside it would keep it from
    that.
    """
    if book.stops_watched and order.type is not OrderType.MARKET and order.symbol in book.with_stops:
        return book.position(order.symbol).size
    groups: dict[str, Decimal] = {}
    for other in book.orders.values():
        if other.side is not Side.SELL or other.symbol != order.symbol or other.order_id in replacing:
            continue
        if order.group and other.group == order.group:  # its own other leg
            continue
        key = other.group or other.order_id
        groups[key] = max(groups.get(key, ZERO), other.open_size)
    return sum(groups.values(), ZERO)


def _highest(order: Order, quote: Quote | None) -> Decimal | None:
    """The highest price a buy may pay without slipping; None if there is no quote."""
    if quote is None:
        return None
    if order.limit_price is None and order.trigger_price is None:
        return quote.ask
    return max(price for price in (quote.ask, order.limit_price, order.trigger_price) if price is not None)


def _lowest(order: Order, quote: Quote | None) -> Decimal | None:
    """The lowest price a sell counts at for the venue's minimums; None if nothing says one."""
    if order.limit_price is not None or order.trigger_price is not None:
        return min(price for price in (order.limit_price, order.trigger_price) if price is not None)
    return quote.bid if quote is not None else None


def _fraction(amount: Decimal | None, equity: Decimal | None) -> Decimal | None:
    return amount / equity if amount is not None and equity is not None and equity > 0 else None
