"""Exits: keeps every position on exactly one stop (and its target), at the venue, sized to what is held.

Where stops cannot rest at the venue, nothing does: the level in the ledger is the stop, and every look at a position
asks whether the price is there (docs/decisions/0013).

`arm` compares what should rest with what does, and makes it so: cancel intents first, then the new legs, each journaled
before it is sent. It may be called by anyone at any time; ids derived from the entry and a revision, made inside the
ledger's one writer, mean that two protectors still make one stop.
"""

from decimal import Decimal
from enum import StrEnum

from msgspec import Struct, structs

from trade_mcp.desk.judge import Judge
from trade_mcp.desk.market import Market
from trade_mcp.desk.send import SEND_WITHIN, Sender
from trade_mcp.desk.watched import REACHED, trouble
from trade_mcp.domain.book import Book
from trade_mcp.domain.distances import Distance
from trade_mcp.domain.errors import FeedError
from trade_mcp.domain.events import Alarm, DustBooked, OrderCancelling, OrderPending, OrderRefused
from trade_mcp.domain.instrument import ZERO, Instrument
from trade_mcp.domain.order import EXIT_ROLES, Order, OrderRequest, OrderType, Role, Side, Source, Status
from trade_mcp.domain.position import Position
from trade_mcp.ports import Clock, Rests
from trade_mcp.store.leases import Lease
from trade_mcp.store.log import Ledger, Log

MOVED = Decimal("0.001")  # of the price: by how much at least a stop is moved up where the venue does not trail it
TRIES = 3  # cancel and place again, when the venue moves between our looks


class Armed(StrEnum):
    """What `arm` found or did."""

    RESTING = "resting"  # as it should be, nothing done
    CHANGED = "changed"
    NONE = "none"  # no position that needs exits, nothing rests
    WATCHED = "watched"  # nothing can rest here; the price is not at the stop, or not known
    REACHED = "reached"  # nothing can rest here, and the price is at the stop: a market order is the stop
    THROUGH = "through"  # the price is beyond a level already: only a market order helps
    REFUSED = "refused"  # the venue or a rule refused the stop: only a market order helps
    OVERDUE = "overdue"  # the stop rests, was reached, and has not sold: only a market order helps
    OPEN = "open"  # the venue did not answer: the next round goes on


class Leg(Struct, frozen=True):
    """One exit order as it should rest."""

    role: Role
    type: OrderType
    size: Decimal
    trigger_price: Decimal | None = None
    limit_price: Decimal | None = None
    trailing: Distance | None = None

    def rests_as(self, order: Order) -> bool:
        """Whether ``order`` is this leg: type, size, trigger, limit and trail. A trailing stop may have risen."""
        same = (self.role, self.type, self.size, self.limit_price, self.trailing) == (
            order.role,
            order.type,
            order.open_size,
            order.limit_price,
            order.trailing,
        )
        return same and self.trigger_price == order.trigger_price


class Exits:
    """Arms positions."""

    def __init__(self, ledger: Log, market: Market, sender: Sender, *, judge: Judge, rests: Rests, clock: Clock):
        self._log, self._market, self._sender = ledger, market, sender
        self._judge, self._rests, self._clock = judge, rests, clock
        self._told: dict[str, tuple[str, ...]] = {}  # symbol -> the rules that refused its exits, as last written down

    def arm(self, symbol: str, *, lease: Lease | None = None) -> Armed:
        """Make the exits of ``symbol`` rest as they should; sweeps what is left of a closed position."""
        outcome = Armed.RESTING
        for _ in range(TRIES):
            book = self._log.refresh()
            if self._settled(book, symbol):
                return outcome
            if self._nothing_to_do(book, symbol):
                if not self._rests.stops:
                    return self._watched(book, symbol)
                return Armed.CHANGED if outcome is Armed.CHANGED else Armed.NONE
            if self._through(book, symbol):
                return Armed.THROUGH
            stale, legs, refused = self._write(symbol, lease)
            if refused:
                return Armed.REFUSED
            if not stale and not legs:
                continue  # somebody else was quicker
            outcome = Armed.CHANGED
            if stale:
                self._sender.cancel(stale)
                if any(order.status is Status.CANCELLING for order in self._log.refresh().exits(symbol)):
                    return Armed.OPEN
            if legs:
                self._sender.send(legs, lease=lease)
                ended = [self._log.order(leg.order_id) for leg in legs]
                if any(leg is not None and leg.status is Status.REJECTED for leg in ended):
                    return Armed.REFUSED
        return outcome if self._settled(self._log.refresh(), symbol) else Armed.OPEN

    def _settled(self, book: Book, symbol: str) -> bool:
        live, wanted = book.exits(symbol), self._wanted(book, symbol)
        if any(order.status is Status.CANCELLING for order in live):
            return False
        free = free_size(book, symbol, self._market.instrument(symbol))
        if any(order.role is Role.STOP and order.filled > 0 and order.open_size == free for order in live):
            return True  # the stop is being executed, and covers all that is held (chaos seed 303): leave it alone
        return bool(live) and _matches(live, wanted)

    def _nothing_to_do(self, book: Book, symbol: str) -> bool:
        return not book.exits(symbol) and not self._wanted(book, symbol) and not self._is_new_dust(book, symbol)

    def _is_new_dust(self, book: Book, symbol: str) -> bool:
        position = book.position(symbol)
        if position.size <= 0 or position.dust or any(book.live(symbol)):
            return False
        price = position.levels.stop_price or position.entry
        return not self._market.instrument(symbol).sellable(position.size, price)

    def _write(self, symbol: str, lease: Lease | None) -> tuple[list[Order], tuple[Order, ...], bool]:
        """Journal what must change: intents to cancel what rests wrongly, else the new legs."""
        view = self._judge.view(self._log.book, symbol)
        with self._log.writing(lease) as ledger:
            live, wanted = ledger.book.exits(symbol), self._wanted(ledger.book, symbol)
            if live:
                if _matches(live, wanted):
                    return [], (), False
                for order in live:
                    if order.status is not Status.CANCELLING:
                        ledger.append(OrderCancelling(structs.replace(order, status=Status.CANCELLING)))
                return ledger.book.exits(symbol), (), False
            position = ledger.book.position(symbol)
            if not wanted:
                self._note_dust(ledger, symbol, position)
                return [], (), False
            legs = self._orders(ledger, symbol, wanted)
            verdicts = [
                (leg, self._judge.order(ledger.book, leg, view, replacing=_others(legs, leg))[1]) for leg in legs
            ]
            for leg, said in verdicts:
                if failed := tuple((v.rule, v.reason) for v in said if not v.passed):
                    rules = tuple(rule for rule, _ in failed)
                    if self._told.get(symbol) != rules:  # a refusal that stays is told once, not at every try
                        self._told[symbol] = rules
                        ledger.append(_refusal(leg, failed))
                        ledger.append(Alarm(f"the exit of {symbol} was refused: {failed[0][1]}", symbol=symbol))
                    return [], (), True
            self._told.pop(symbol, None)
            for leg, said in verdicts:
                ledger.append(OrderPending(leg, tuple(v.rule for v in said)))
            return [], legs, False

    def _wanted(self, book: Book, symbol: str) -> tuple[Leg, ...]:
        """The legs that should rest for ``symbol`` now: none, a stop, or a stop and a target."""
        position = book.positions.get(symbol)
        if position is None or not self._rests.stops:
            return ()
        instrument = self._market.instrument(symbol)
        size = free_size(book, symbol, instrument)
        stop = position.levels.stop_price
        if stop is None or size <= 0 or not instrument.sellable(size, stop):
            return ()
        return legs_of(position, instrument, size, resting=book.exits(symbol), rests=self._rests)

    def _through(self, book: Book, symbol: str) -> bool:
        """Whether the price is already beyond the stop or the target, so that resting them makes no sense."""
        position = book.positions.get(symbol)
        if position is None or book.exits(symbol) or position.dust or not self._wanted(book, symbol):
            return False
        try:
            bid = self._market.quote(symbol).bid
        except FeedError:
            return False
        stop, target = position.levels.stop_price, position.levels.target
        return (stop is not None and bid <= stop) or (target is not None and bid >= target)

    def _watched(self, book: Book, symbol: str) -> Armed:
        """Whether the price is at the stop that cannot rest. Without one of now nothing is known, and nothing sold."""
        if symbol not in book.with_stops:
            return Armed.NONE
        now, most_s = self._clock.market(), self._judge.policy(book).max_quote_age_s
        there = trouble(book, symbol, self._market.quote, now=now, most_s=most_s) == REACHED
        unsold = free_size(book, symbol, self._market.instrument(symbol)) > 0
        return Armed.REACHED if there and unsold else Armed.WATCHED

    def _note_dust(self, ledger: Ledger, symbol: str, position: Position) -> None:
        if self._is_new_dust(ledger.book, symbol):
            base = self._market.instrument(symbol).base
            ledger.append(DustBooked(symbol, position.size, self._clock.market()))
            ledger.append(Alarm(f"{position.size:f} {base} is below what the venue sells: dust", symbol=symbol))

    def _orders(self, ledger: Ledger, symbol: str, wanted: tuple[Leg, ...]) -> tuple[Order, ...]:
        position = ledger.book.position(symbol)
        revision = ledger.last_revision(position.entry_id) + 1
        now, real = self._clock.market(), self._clock.real()
        return tuple(
            Order(
                order_id=f"{position.entry_id}-{leg.role}-{revision}",
                symbol=symbol,
                side=Side.SELL,
                type=leg.type,
                size=leg.size,
                role=leg.role,
                source=Source.EXIT,
                at=now,
                real_at=real,
                send_by=real + SEND_WITHIN,
                limit_price=leg.limit_price,
                trigger_price=leg.trigger_price,
                trailing=leg.trailing,
                strategy=position.strategy,
                group=f"{position.entry_id}-exit-{revision}",
                parent=position.entry_id,
                revision=revision,
            )
            for leg in wanted
        )


def free_size(book: Book, symbol: str, instrument: Instrument, *, besides: str = "") -> Decimal:
    """What may still be sold: the position less what sells in flight may take, in whole lots.

    Exits do not count (they are replaced), nor does the order with the id ``besides``. Coins that went as fees of
    other symbols, beyond what was there before us, and coins that the venue says it does not have, cannot be sold.
    """
    sells = (o for o in book.live(symbol) if o.side is Side.SELL and o.role not in EXIT_ROLES)
    taken = (o.open_size for o in sells if o.order_id != besides)
    gone = book.missing.get(instrument.base, ZERO) - min(book.external.get(instrument.base, ZERO), ZERO)
    there = book.position(symbol).size - gone
    return instrument.round_size(max(there - sum(taken, ZERO), ZERO))


def legs_of(
    position: Position, instrument: Instrument, size: Decimal, *, resting: list[Order], rests: Rests
) -> tuple[Leg, ...]:
    """The stop (fixed or trailing) and the target of ``position`` for ``size``.

    A trailing stop that rests keeps the trigger it was placed with: the venue has raised it since. Where a venue holds
    none, a plain stop rests and is moved up step by step; where it holds no pair, the stop rests alone.
    """
    held = position.levels
    trigger = instrument.price_up(held.stop_price) if held.stop_price is not None else None
    if held.trail is None:
        stop = Leg(Role.STOP, OrderType.STOP, size, trigger_price=trigger)
    elif not rests.trailing:
        assert trigger is not None, "a trail hangs from a peak"
        there = max((order.trigger_price or ZERO for order in resting if order.role is Role.STOP), default=ZERO)
        lowest = instrument.price_up(held.fixed_stop) if held.fixed_stop is not None else ZERO
        near = lowest <= there <= trigger and trigger - there < trigger * MOVED
        stop = Leg(Role.STOP, OrderType.STOP, size, trigger_price=there if near else trigger)
    else:
        floor = instrument.price_up(held.fixed_stop) if held.fixed_stop is not None else ZERO
        for order in resting:
            placed = order.trigger_price
            if (
                order.trailing == held.trail
                and placed is not None
                and trigger is not None
                and floor <= placed <= trigger
            ):
                trigger = placed
        stop = Leg(Role.STOP, OrderType.TRAILING_STOP, size, trigger_price=trigger, trailing=held.trail)
    if held.target is None or not rests.pairs or size * held.target > instrument.max_notional:
        return (stop,)  # a target that no venue takes is no reason to refuse the stop with it
    return (stop, Leg(Role.TARGET, OrderType.LIMIT, size, limit_price=instrument.price_down(held.target)))


def _matches(live: list[Order], wanted: tuple[Leg, ...]) -> bool:
    return len(live) == len(wanted) and all(any(leg.rests_as(order) for order in live) for leg in wanted)


def _others(legs: tuple[Order, ...], leg: Order) -> list[str]:
    return [other.order_id for other in legs if other is not leg]


def _refusal(leg: Order, failed: tuple[tuple[str, str], ...]) -> OrderRefused:
    request = OrderRequest(
        order_id=leg.order_id,
        symbol=leg.symbol,
        side=leg.side,
        type=leg.type,
        size=leg.size,
        trigger_price=leg.trigger_price,
    )
    return OrderRefused(request, leg.source, leg.at, leg.size, failed)
