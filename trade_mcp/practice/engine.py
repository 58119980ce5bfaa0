"""Engine: what the market does to the orders that rest.

The domain's `try_fill_oco` decides what trades; here its answer is followed: triggers, trades, the other leg of an OCO,
pending orders.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from msgspec import structs

from trade_mcp.domain.instrument import ZERO
from trade_mcp.domain.market import Bar
from trade_mcp.domain.matching import AT_ONCE, Match, Now, try_fill_oco
from trade_mcp.domain.order import Status, TimeInForce
from trade_mcp.practice.booking import Booking
from trade_mcp.practice.books import Books
from trade_mcp.practice.faults import FILL, Faults
from trade_mcp.practice.listing import Listing
from trade_mcp.practice.market import Market
from trade_mcp.practice.purse import Purse
from trade_mcp.practice.records import Late
from trade_mcp.practice.teller import Teller
from trade_mcp.practice.ticket import Leg, Stage, State, Ticket
from trade_mcp.practice.time import ExchangeTime

PAIR = (Leg.ABOVE, Leg.BELOW)
type Matches = tuple[Match | None, ...]
type Quoted = tuple[Now, datetime]  # a quote, and the bar whose volume it shares


class Engine:
    """The matching of one exchange. Everything that changes an order happens inside a transaction of the books."""

    def __init__(
        self,
        books: Books,
        market: Market,
        listing: Listing,
        *,
        time: ExchangeTime,
        faults: Faults,
        purse: Purse,
        booking: Booking,
        teller: Teller,
    ):
        self._books, self._market, self._listing, self._time, self._faults = books, market, listing, time, faults
        self._purse, self._booking, self._teller = purse, booking, teller
        self.taken: dict[str, tuple[datetime, Decimal]] = {}  # of a bar's volume, by symbol

    # Bars and quotes

    def matches(self, legs: Sequence[Ticket], seen: Bar | Now, *, slot: datetime) -> Matches:
        """What ``seen`` does to the orders of one group. A trailing order that does not track yet ends no other leg."""
        if not legs or any(ticket.late for ticket in legs):
            return (None,) * len(legs)
        joined = [ticket for ticket in legs if ticket.stage is not Stage.ACTIVATION]
        found = dict(zip([t.number for t in joined], self._fill(joined, seen, slot=slot), strict=True))
        over = any(match is not None and match.started for match in found.values())
        for ticket in legs:
            if ticket.stage is Stage.ACTIVATION:
                alone = Match(None, ticket.resting(), Status.CANCELLED) if over else None
                found[ticket.number] = alone or self._fill([ticket], seen, slot=slot)[0]
        return tuple(found[ticket.number] for ticket in legs)

    def match_bar(self, bar: Bar) -> None:
        """Every order that rests, against a bar that has closed."""
        if self._listing.by_symbol[bar.symbol].entry["status"] != "TRADING":
            return
        groups: dict[tuple[str, int], list[Ticket]] = {}
        for ticket in self._books.live.values():
            if ticket.spec.symbol == bar.symbol and ticket.open and ticket.state is not State.PENDING_NEW:
                groups.setdefault(ticket.group, []).append(ticket)
        now, _ = self._market.now(bar.symbol, bar.close_at)
        for legs in groups.values():
            matches = self.matches(legs, bar, slot=bar.open_at)
            self.work(legs, matches, (now, bar.open_at), at=bar.close_at)
            self.settle(legs[0].list_id, at=bar.close_at)

    def work(self, legs: Sequence[Ticket], matches: Sequence[Match | None], quoted: Quoted, *, at: datetime) -> None:
        """Book what ``matches`` say of ``legs``; a stage that was reached goes on against the quote."""
        for ticket, match in zip(legs, matches, strict=True):
            if match is None:
                continue
            if match.ended is Status.CANCELLED:  # the other leg came alive
                self._booking.end(ticket, State.EXPIRED)
            elif ticket.waits:
                self._wait(ticket, match, quoted, at=at)
            else:
                self._trade(ticket, match, slot=quoted[1])

    def _fill(self, legs: Sequence[Ticket], seen: Bar | Now, *, slot: datetime) -> Matches:
        if not legs:
            return ()
        symbol = legs[0].spec.symbol
        of, taken = self.taken.get(symbol, (slot, ZERO))
        return try_fill_oco(
            tuple(ticket.resting() for ticket in legs),
            seen,
            self._market.friction,
            instrument=self._market.instruments[symbol],
            taken=taken if of == slot else ZERO,
        )

    def _wait(self, ticket: Ticket, match: Match, quoted: Quoted, *, at: datetime) -> None:
        if not match.resting.activated:
            self._books.keep_order(structs.replace(ticket, peak=match.resting.peak))
            return
        ticket = ticket.next_stage(max(at, ticket.placed_at))
        if ticket.stage is Stage.WORK:
            ticket = self._booking.started(ticket)
        self._books.keep_order(ticket)
        self.work((ticket,), self.matches([ticket], quoted[0], slot=quoted[1]), quoted, at=at)

    def _trade(self, ticket: Ticket, match: Match, *, slot: datetime) -> None:
        rest, trade = match.resting, match.execution
        if ticket.stage is not Stage.WORK and rest.activated and not ticket.activated:
            ticket = self._booking.started(ticket)
        ticket = structs.replace(ticket, activated=rest.activated, peak=rest.peak)
        self._books.keep_order(ticket)
        ended = match.ended is Status.EXPIRED
        if trade is not None:
            struck = self._faults.struck(FILL, f"fill {self._listing.by_symbol[ticket.spec.symbol].id}", ticket.account)
            faults = {fault.fault: fault for fault in struck}
            size, in_force = self._purse.payable(ticket, trade), ticket.resting().order.time_in_force
            ended = ended or size < trade.size
            if (cut := faults.get("partial")) is not None and in_force is not TimeInForce.FOK:
                size = self._market.instruments[ticket.spec.symbol].round_size(size * cut.fraction)
                ended = ended or in_force is TimeInForce.IOC
            if size > 0:
                of, taken = self.taken.get(ticket.spec.symbol, (slot, ZERO))
                self.taken[ticket.spec.symbol] = slot, (taken if of == slot else ZERO) + size
                trade = structs.replace(trade, size=size)
                if (late := faults.get("late")) is not None:
                    due_ms = self._time.account_ms() + int(late.seconds * 1000)
                    self._booking.postpone(ticket, trade, due_ms=due_ms)
                    return
                split = faults.get("split")
                ticket = self._booking.trade(ticket, trade, pieces=1 if split is None else split.pieces)
        if ticket.open and ended:
            self._booking.end(ticket, State.EXPIRED)

    # Trades that are told late

    def due(self) -> list[Late]:
        """Those whose time has come."""
        if not any(ticket.late for ticket in self._books.live.values()):
            return []
        now = self._time.account_ms()
        return [late for late in self._books.lates() if late.due_ms <= now]

    def tell_late(self, late: Late) -> None:
        """A trade that happened earlier is told now, though its order was cancelled meanwhile."""
        ticket = self._booking.told(late)
        if ticket.leg in PAIR:
            for each in self.of_list(ticket.list_id):
                if each.open and each.number != ticket.number and each.leg in PAIR:
                    self._booking.end(each, State.EXPIRED)
        if ticket.open and ticket.resting().order.time_in_force in AT_ONCE:
            self._booking.end(ticket, State.EXPIRED)
        self.settle(ticket.list_id, at=self._time.market())

    # Lists

    def of_list(self, list_id: int) -> list[Ticket]:
        """The orders of a list that are not over."""
        return [ticket for ticket in self._books.live.values() if ticket.list_id == list_id]

    def ready(self) -> set[int]:
        """Lists whose pending orders wait for a working order that has ended."""
        pending = {ticket.list_id for ticket in self._books.live.values() if ticket.state is State.PENDING_NEW}
        return pending and pending - {t.list_id for t in self._books.live.values() if t.leg is Leg.WORKING}

    def settle(self, list_id: int, *, at: datetime) -> None:
        """What follows for a list, if it is one (-1 is none), from what its orders have become."""
        if list_id < 0:
            return
        live = self.of_list(list_id)
        waiting = [ticket for ticket in live if ticket.state is State.PENDING_NEW]
        if waiting and not any(ticket.leg is Leg.WORKING for ticket in live):
            working = self._working(list_id)
            if working.state is State.FILLED:
                self._release(waiting, at)
            else:
                for ticket in waiting:
                    self._booking.end(ticket, State.EXPIRED if working.state is State.EXPIRED else State.CANCELED)
        if not self.of_list(list_id):
            self._close(list_id)

    def _working(self, list_id: int) -> Ticket:
        legs = self._books.list_of(list_id).legs
        return self._books.by_number(next(number for leg, number in legs if leg is Leg.WORKING))

    def _release(self, waiting: Sequence[Ticket], at: datetime) -> None:
        """The working order is filled: the pending ones begin, if the account can pay for them."""
        now = self._time.account_ms(self._faults.clock_offset_s)
        started = [structs.replace(t, state=State.NEW, placed_at=max(at, t.placed_at), updated_ms=now) for t in waiting]
        asset, needed = self._purse.needs(started[0])[0], max(self._purse.needs(ticket)[1] for ticket in started)
        if needed > self._purse.balances(started[0].account).get(asset, (ZERO, ZERO))[0]:
            for ticket in waiting:
                self._booking.end(ticket, State.EXPIRED)
            return
        started = [self._booking.enter(ticket) for ticket in started]
        current, slot = self._market.now(started[0].spec.symbol, at)
        self.work(started, self.matches(started, current, slot=slot), (current, slot), at=at)

    def _close(self, list_id: int) -> None:
        found = self._books.list_of(list_id)
        if found.live:
            found = structs.replace(found, live=False)
            self._books.keep_list(found)
            self._teller.order_list(found, [self._books.by_number(number) for _, number in found.legs])
