"""Exchange: takes orders, matches them, moves money, and says what happened. Not a line of HTTP.

`advance` brings it up to market time. The domain's `try_fill_oco` decides what trades; here it is booked. What an
account owns is its totals; what its open orders lock is derived from them, so the two cannot differ.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from typing import Any

from msgspec import structs

from trade_mcp.domain.errors import FeedError
from trade_mcp.domain.instrument import ZERO
from trade_mcp.domain.market import Bar
from trade_mcp.domain.matching import AT_ONCE, Execution, Match, Now, Resting, try_fill_oco
from trade_mcp.domain.order import Side, Status, TimeInForce
from trade_mcp.practice import events
from trade_mcp.practice.books import Books, Fill, Late, OrderList
from trade_mcp.practice.checks import check_now, lock_price
from trade_mcp.practice.errors import DUPLICATE, INSUFFICIENT, no_such_symbol, rejected, unknown_order
from trade_mcp.practice.faults import FILL, Faults
from trade_mcp.practice.filters import check_filters
from trade_mcp.practice.listing import MAKER_FEE, TAKER_FEE, Listing, Pair
from trade_mcp.practice.market import Market
from trade_mcp.practice.ticket import Kind, Leg, Spec, Stage, State, Ticket, first_stage
from trade_mcp.practice.time import ExchangeTime

CENT = Decimal("0.00000001")  # amounts have eight decimals
REMEMBERED = 1000  # balances of an account that may be shown late
type Balances = dict[str, tuple[Decimal, Decimal]]
type Event = dict[str, Any]
type Listener = Callable[[str, Sequence[Event]], None]


class Exchange:
    """One exchange with its books. Not thread-safe: one event loop owns it."""

    def __init__(
        self, books: Books, market: Market, listing: Listing, *, time: ExchangeTime, faults: Faults, tell: Listener
    ):
        self.books, self.market, self.listing, self.time, self.faults = books, market, listing, time, faults
        self._tell = tell
        self._events: dict[str, list[Event]] = {}
        self._taken: dict[str, tuple[datetime, Decimal]] = {}
        self._past: dict[str, deque[tuple[int, Balances]]] = {}

    # What can be asked

    def pair(self, id_: str) -> Pair:
        """Raises -1121."""
        if (found := self.listing.pairs.get(id_)) is None:
            raise no_such_symbol()
        return found

    def now_ms(self) -> int:
        return self.time.account_ms(self.faults.clock_offset_s)

    def locked(self, account: str) -> dict[str, Decimal]:
        """What open orders lock, by asset; an OCO locks once."""
        groups: dict[tuple[str, int], tuple[str, Decimal]] = {}
        for ticket in self.books.live.values():
            if ticket.account == account:
                asset, amount = self._needs(ticket)
                groups[ticket.group] = asset, max(amount, groups.get(ticket.group, (asset, ZERO))[1])
        found: dict[str, Decimal] = {}
        for asset, amount in groups.values():
            found[asset] = found.get(asset, ZERO) + amount
        return found

    def balances(self, account: str) -> Balances:
        """Free and locked by asset. An order in the middle of its trade may ask for more than there is: no loans."""
        totals, locks = self.books.totals.get(account, {}), self.locked(account)
        locked = {asset: min(locks.get(asset, ZERO), total) for asset, total in sorted(totals.items())}
        return {asset: (totals[asset] - lock, lock) for asset, lock in locked.items()}

    def balances_before(self, account: str, seconds: float) -> Balances:
        """The balances so many real seconds ago, as far as is remembered."""
        then = self.time.account_ms() - int(seconds * 1000)
        past = [balances for at_ms, balances in self._past.get(account, ()) if at_ms <= then]
        return past[-1] if past else self.balances(account)

    def open_orders(self, account: str, symbol: str | None = None) -> list[Ticket]:
        live = self.books.live.values()
        return [t for t in live if t.account == account and t.open and symbol in (None, t.spec.symbol)]

    # What can be done

    def advance(self) -> None:
        """Match everything that rests up to now."""
        now = self.time.market()
        symbols = {ticket.spec.symbol for ticket in self.books.live.values()}
        due, ready = self._due(), self._ready()
        bars: list[Bar] = []
        if now > self.books.matched_until and symbols:
            found = (self.market.feed.bars(s, after=self.books.matched_until, until=now) for s in symbols)
            bars = sorted((bar for some in found for bar in some), key=lambda bar: (bar.close_at, bar.symbol))
        if bars or due or ready:
            with self._booking():
                for list_id in ready:
                    self._settle_lists(list_id)
                for bar in bars:
                    self._match_bar(bar)
                for late in due:
                    self._tell_late(late)
                self.books.keep_clock(self.time.anchor, max(now, self.books.matched_until))
        else:
            self.books.matched_until = max(now, self.books.matched_until)

    def check_filters(self, account: str, spec: Spec) -> None:
        """Raises -1013 if a filter of the symbol says no."""
        pair = self.listing.by_symbol[spec.symbol]
        average = self._average(spec.symbol, pair, self.time.market())
        check_filters(spec, pair, average=average, fresh=self.open_orders(account, spec.symbol))

    def check(self, account: str, spec: Spec, *, pending: bool = False, paired: bool = False) -> None:
        """Raises what placing ``spec`` would raise, but for the money. A pending order meets the market later."""
        self.check_filters(account, spec)
        now = None if pending else self._now(spec.symbol, self.time.market())[0]
        fresh = self.open_orders(account, spec.symbol)
        check_now(spec, self.listing.by_symbol[spec.symbol], now, fresh=fresh, paired=paired)

    def place(self, account: str, spec: Spec) -> tuple[Ticket, list[Fill]]:
        """Take one order; the order as it is now, and what it traded at once."""
        self.check(account, spec)
        ticket = self._ticket(account, spec)
        ticket, match = self._first_look(ticket)
        self._afford(account, [ticket], [match])
        with self._booking():
            ticket = self._enter(structs.replace(ticket, number=self.books.next_number("orders")))
            self._work((ticket,), (match,), self._now(spec.symbol, self.time.market()))
            self._settle_lists(ticket.list_id)
        return self.books.by_number(ticket.number), self.books.fills_of(ticket.number)

    def place_list(
        self, account: str, legs: Sequence[tuple[Leg, Spec]], *, contingency: str, client_id: str
    ) -> OrderList:
        """Take an OCO (legs above and below), an OTO (working and pending) or an OTOCO (working, above, below)."""
        waits = {leg for leg, _ in legs if contingency == "OTO" and leg is not Leg.WORKING}
        for leg, spec in legs:
            self.check(account, spec, pending=leg in waits, paired=leg in (Leg.ABOVE, Leg.BELOW))
        known = self.books.order_list(account, number=None, client_id=client_id)
        if known is not None and known.live:
            raise rejected(DUPLICATE)
        symbol = legs[0][1].symbol
        with self._booking():
            now = self.now_ms()
            list_id = self.books.next_number("lists")
            tickets = [
                structs.replace(
                    self._ticket(account, spec),
                    number=self.books.next_number("orders"),
                    list_id=list_id,
                    leg=leg,
                    state=State.PENDING_NEW if leg in waits else State.NEW,
                )
                for leg, spec in legs
            ]
            first = [ticket for ticket in tickets if ticket.state is State.NEW]
            quote = self._now(symbol, self.time.market())
            matches = self._matches(first, quote[0], slot=quote[1])
            self._afford(account, first, matches)
            numbers = tuple((ticket.leg, ticket.number) for ticket in tickets)
            made = OrderList(
                number=list_id,
                account=account,
                symbol=symbol,
                client_id=client_id,
                contingency=contingency,
                created_ms=now,
                legs=numbers,
            )
            self.books.keep_list(made)
            self._events.setdefault(account, []).append(events.list_status(made, tickets, self.listing, now))
            entered = [self._enter(ticket) for ticket in tickets]
            self._work([ticket for ticket in entered if ticket.state is State.NEW], matches, quote)
            if not waits:  # pending orders begin after the answer
                self._settle_lists(list_id)
        return self.books.list_of(list_id)

    def cancel(self, ticket: Ticket, cancel_id: str) -> Ticket:
        """Cancel an order, with the other orders of its list. Raises -2011 if it is not open."""
        if not ticket.open:
            raise unknown_order()
        with self._booking():
            others = [] if ticket.list_id < 0 else self._of_list(ticket.list_id)
            for each in others or [ticket]:
                if each.open:
                    self._end(each, State.CANCELED, cancel_id=cancel_id)
            self._settle_lists(ticket.list_id)
        return self.books.by_number(ticket.number)

    def transfer(self, account: str, asset: str, amount: Decimal) -> None:
        """Money comes or goes by another way than trading."""
        with self._booking():
            self.books.keep_transfer(account, asset, amount, at_ms=self.now_ms())
            now = self.now_ms()
            self._events.setdefault(account, []).append(events.balance_update(asset, amount, now))
            self._say_position(account, {asset})

    def set_speed(self, speed: float) -> None:
        """From now on market time goes ``speed`` times as fast as the real one; 0 stops it."""
        self.time.set_speed(speed)
        self._keep_clock()

    def move_on(self, seconds: float) -> None:
        """Let so much market time pass at once."""
        self.time.move_on(seconds)
        self._keep_clock()
        self.advance()

    # How it is done

    def _keep_clock(self) -> None:
        with self.books.writing():
            self.books.keep_clock(self.time.anchor, self.books.matched_until)

    @contextmanager
    def _booking(self) -> Iterator[None]:
        """One step: written whole and then told, or nothing of it."""
        taken = dict(self._taken)
        try:
            with self.books.writing():
                yield
        except BaseException:
            self._taken = taken
            self._events.clear()
            raise
        self._publish()

    def _ticket(self, account: str, spec: Spec) -> Ticket:
        now, at = self.now_ms(), self.time.market()
        price = lock_price(spec, self._now(spec.symbol, at)[0].quote)
        return Ticket(
            number=0,
            account=account,
            spec=spec,
            stage=first_stage(spec),
            created_ms=now,
            updated_ms=now,
            placed_at=max(at, self.books.matched_until),
            lock_price=price,
        )

    def _now(self, symbol: str, at: datetime) -> tuple[Now, datetime]:
        try:
            return self.market.now(symbol, at)
        except FeedError as none:
            raise rejected(f"There is no price: {none.message}") from None

    def _average(self, symbol: str, pair: Pair, at: datetime) -> Decimal:
        try:
            return self.market.average(symbol, at, int(pair.number("NOTIONAL", "avgPriceMins")) or 5)
        except FeedError as none:
            raise rejected(f"There is no price: {none.message}") from None

    def _first_look(self, ticket: Ticket) -> tuple[Ticket, Match | None]:
        """The order matched against the quote of now; one that spends quote currency gets its size here."""
        now, slot = self._now(ticket.spec.symbol, self.time.market())
        wants = ticket.spec.quote_quantity
        if wants is None:
            return ticket, self._matches([ticket], now, slot=slot)[0]
        instrument = self.market.instruments[ticket.spec.symbol]
        price = now.quote.ask if ticket.spec.side is Side.BUY else now.quote.bid
        while True:
            size = instrument.round_size(wants / price)
            if size <= 0:
                raise rejected("Price * QTY is zero or less.")
            sized = structs.replace(ticket, spec=structs.replace(ticket.spec, quantity=size))
            match = self._matches([sized], now, slot=slot)[0]
            if match is None or match.execution is None or size * match.execution.price <= wants:
                return sized, match
            price = match.execution.price + instrument.tick

    def _matches(self, legs: Sequence[Ticket], seen: Bar | Now, *, slot: datetime) -> tuple[Match | None, ...]:
        if not legs or any(ticket.late for ticket in legs):
            return (None,) * len(legs)
        symbol = legs[0].spec.symbol
        of, taken = self._taken.get(symbol, (slot, ZERO))
        restings: tuple[Resting, ...] = tuple(ticket.resting() for ticket in legs)
        return try_fill_oco(
            restings,
            seen,
            self.market.friction,
            instrument=self.market.instruments[symbol],
            taken=taken if of == slot else ZERO,
        )

    def _match_bar(self, bar: Bar) -> None:
        groups: dict[tuple[str, int], list[Ticket]] = {}
        for ticket in self.books.live.values():
            if ticket.spec.symbol == bar.symbol and ticket.open and ticket.state is not State.PENDING_NEW:
                groups.setdefault(ticket.group, []).append(ticket)
        if self.listing.by_symbol[bar.symbol].entry["status"] != "TRADING":
            return
        for legs in groups.values():
            matches = self._matches(legs, bar, slot=bar.open_at)
            now, _ = self.market.now(bar.symbol, bar.close_at)
            self._work(legs, matches, (now, bar.open_at), at=bar.close_at)
            self._settle_lists(legs[0].list_id, at=bar.close_at)

    def _work(
        self,
        legs: Sequence[Ticket],
        matches: Sequence[Match | None],
        quote: tuple[Now, datetime],
        *,
        at: datetime | None = None,
    ) -> None:
        """Book what ``matches`` say of ``legs``; a stage that was reached goes on against the quote."""
        for ticket, match in zip(legs, matches, strict=True):
            if match is None:
                continue
            if match.ended is Status.CANCELLED:  # the other leg came alive
                self._end(ticket, State.EXPIRED)
            elif ticket.waits:
                self._wait(ticket, match, quote, at=at or self.time.market())
            else:
                self._trade(ticket, match, slot=quote[1])

    def _wait(self, ticket: Ticket, match: Match, quote: tuple[Now, datetime], *, at: datetime) -> None:
        if not match.resting.activated:
            self.books.keep_order(structs.replace(ticket, peak=match.resting.peak))
            return
        ticket = ticket.next_stage(max(at, ticket.placed_at))
        if ticket.stage is Stage.WORK:
            ticket = structs.replace(ticket, working_ms=self.now_ms(), updated_ms=self.now_ms())
            self._report(ticket, "NEW")
        self.books.keep_order(ticket)
        self._work((ticket,), self._matches([ticket], quote[0], slot=quote[1]), quote, at=at)

    def _trade(self, ticket: Ticket, match: Match, *, slot: datetime) -> None:
        rest, trade = match.resting, match.execution
        ended = match.ended is Status.EXPIRED
        if ticket.stage is not Stage.WORK and rest.activated and not ticket.activated:
            ticket = structs.replace(ticket, working_ms=self.now_ms(), updated_ms=self.now_ms())
            self._report(ticket, "NEW")
        ticket = structs.replace(ticket, activated=rest.activated, peak=rest.peak)
        self.books.keep_order(ticket)
        if trade is not None:
            size = self._payable(ticket, trade)
            ended = ended or size < trade.size
            struck = self.faults.struck(FILL, f"fill {self._id(ticket)}", ticket.account)
            names = {fault.fault: fault for fault in struck}
            in_force = ticket.resting().order.time_in_force
            if (cut := names.get("partial")) is not None and in_force is not TimeInForce.FOK:
                size = self.market.instruments[ticket.spec.symbol].round_size(size * cut.fraction)
                ended = ended or in_force is TimeInForce.IOC
            if size > 0:
                self._take(ticket.spec.symbol, slot, size)
                trade = structs.replace(trade, size=size)
                if (late := names.get("late")) is not None:
                    self._postpone(ticket, trade, late.seconds)
                    return
                pieces = 1 if (split := names.get("split")) is None else split.pieces
                ticket = self._book(ticket, trade, pieces=pieces)
        if ticket.open and ended:
            self._end(ticket, State.EXPIRED)

    def _take(self, symbol: str, slot: datetime, size: Decimal) -> None:
        of, taken = self._taken.get(symbol, (slot, ZERO))
        self._taken[symbol] = slot, (taken if of == slot else ZERO) + size

    def _book(self, ticket: Ticket, trade: Execution, *, pieces: int = 1) -> Ticket:
        """Money changes hands; ``pieces`` trades instead of one. The order after it."""
        instrument = self.market.instruments[ticket.spec.symbol]
        part = instrument.round_size(trade.size / pieces)
        sizes = [part] * (pieces - 1) if part > 0 else []
        for size in (*sizes, trade.size - sum(sizes, ZERO)):
            ticket = self._book_one(ticket, structs.replace(trade, size=size))
        self._say_position(ticket.account, {instrument.base, instrument.quote})
        return ticket

    def _book_one(self, ticket: Ticket, trade: Execution) -> Ticket:
        instrument, buys = self.market.instruments[ticket.spec.symbol], ticket.spec.side is Side.BUY
        quote = (trade.size * trade.price).quantize(CENT, ROUND_DOWN)
        rate = MAKER_FEE if trade.maker else TAKER_FEE
        received, asset = (trade.size, instrument.base) if buys else (quote, instrument.quote)
        fee = (received * rate).quantize(CENT, ROUND_UP)
        sign, now = ticket.spec.side.sign, self.now_ms()
        self.books.move(ticket.account, instrument.base, sign * trade.size)
        self.books.move(ticket.account, instrument.quote, -sign * quote)
        self.books.move(ticket.account, asset, -fee)
        fill = Fill(
            number=self.books.next_number("fills"),
            account=ticket.account,
            symbol=ticket.spec.symbol,
            order_number=ticket.number,
            list_id=ticket.list_id,
            buys=buys,
            size=trade.size,
            price=trade.price,
            quote=quote,
            fee=fee,
            fee_asset=asset,
            maker=trade.maker,
            at_ms=now,
        )
        executed = ticket.executed + trade.size
        if executed == ticket.spec.quantity:
            state = State.FILLED
        else:
            state = State.PARTIALLY_FILLED if ticket.open else ticket.state
        ticket = structs.replace(ticket, executed=executed, spent=ticket.spent + quote, state=state, updated_ms=now)
        self.books.keep_fill(fill)
        self.books.keep_order(ticket)
        self._report(ticket, "TRADE", fill=fill)
        return ticket

    def _postpone(self, ticket: Ticket, trade: Execution, seconds: float) -> None:
        due = self.time.account_ms() + int(seconds * 1000)
        number = self.books.next_number("late")
        self.books.keep_late(Late(number, ticket.number, trade.size, trade.price, trade.maker, due))
        locks = max(ticket.lock_price, trade.price) if ticket.spec.side is Side.BUY else ZERO
        self.books.keep_order(structs.replace(ticket, late=ticket.late + trade.size, lock_price=locks))

    def _ready(self) -> set[int]:
        """Lists whose pending orders wait for a working order that has ended."""
        pending = {t.list_id for t in self.books.live.values() if t.state is State.PENDING_NEW}
        return pending - {t.list_id for t in self.books.live.values() if t.leg is Leg.WORKING}

    def _due(self) -> list[Late]:
        if not any(ticket.late for ticket in self.books.live.values()):
            return []
        now = self.time.account_ms()
        return [late for late in self.books.lates() if late.due_ms <= now]

    def _tell_late(self, late: Late) -> None:
        """A trade that happened earlier is told now, though the order was cancelled meanwhile."""
        ticket = self.books.by_number(late.order_number)
        ticket = structs.replace(ticket, late=ticket.late - late.size)
        self.books.drop_late(late)
        ticket = self._book(ticket, Execution(late.price, late.size, late.maker))
        if ticket.leg in (Leg.ABOVE, Leg.BELOW):
            for each in self._of_list(ticket.list_id):
                if each.open and each.number != ticket.number and each.leg in (Leg.ABOVE, Leg.BELOW):
                    self._end(each, State.EXPIRED)
        if ticket.open and ticket.resting().order.time_in_force in AT_ONCE:
            self._end(ticket, State.EXPIRED)
        self._settle_lists(ticket.list_id)

    def _payable(self, ticket: Ticket, trade: Execution) -> Decimal:
        """What of a trade the account can pay: a triggered buy may cost more than it locked."""
        if ticket.spec.side is Side.SELL:
            return trade.size
        instrument = self.market.instruments[ticket.spec.symbol]
        free, _ = self.balances(ticket.account).get(instrument.quote, (ZERO, ZERO))
        own = [t for t in self.books.live.values() if t.group == ticket.group]
        purse = free + max((self._needs(t)[1] for t in own), default=ZERO)
        if trade.size * trade.price <= purse:
            return trade.size
        return instrument.round_size(max(purse, ZERO) / trade.price)

    def _needs(self, ticket: Ticket) -> tuple[str, Decimal]:
        """What an order locks: all that may still trade, and what has traded and is not told."""
        instrument = self.market.instruments[ticket.spec.symbol]
        waiting = not ticket.open or ticket.state is State.PENDING_NEW
        size = ticket.late + (ZERO if waiting else ticket.remaining)
        if ticket.spec.side is Side.SELL:
            return instrument.base, size
        return instrument.quote, (size * ticket.lock_price).quantize(CENT, ROUND_UP)

    def _afford(self, account: str, legs: Sequence[Ticket], matches: Sequence[Match | None]) -> None:
        """Raises -2010 if the account cannot pay what trades now and lock the rest."""
        asset, needed = "", ZERO
        for ticket, match in zip(legs, matches, strict=True):
            asset, amount = self._needs(ticket)
            trades = match is not None and match.execution is not None and not ticket.waits
            if trades and ticket.spec.side is Side.BUY:
                assert match is not None and match.execution is not None
                rests = match.resting.remaining if match.ended is None else ZERO
                amount = match.execution.size * match.execution.price + rests * ticket.lock_price
            needed = max(needed, amount)
        if legs and needed > self.balances(account).get(asset, (ZERO, ZERO))[0]:
            raise rejected(INSUFFICIENT)

    def _enter(self, ticket: Ticket) -> Ticket:
        if ticket.state is State.NEW and ticket.stage is Stage.WORK:
            ticket = structs.replace(ticket, working_ms=ticket.created_ms)
        self.books.keep_order(ticket)
        self._report(ticket, "NEW")
        if ticket.state is State.NEW and ticket.spec.kind is not Kind.MARKET:
            self._say_position(ticket.account, {self._needs(ticket)[0]})
        return ticket

    def _end(self, ticket: Ticket, state: State, *, cancel_id: str = "") -> None:
        ticket = structs.replace(ticket, state=state, updated_ms=self.now_ms())
        self.books.keep_order(ticket)
        self._report(ticket, state.value, cancel_id=cancel_id)
        self._say_position(ticket.account, {self._needs(ticket)[0]})

    def _of_list(self, list_id: int) -> list[Ticket]:
        return [ticket for ticket in self.books.live.values() if ticket.list_id == list_id]

    def _settle_lists(self, list_id: int, *, at: datetime | None = None) -> None:
        """What follows for a list from what its orders have become."""
        live = [] if list_id < 0 else self._of_list(list_id)
        waiting = [ticket for ticket in live if ticket.state is State.PENDING_NEW]
        if waiting and not any(ticket.leg is Leg.WORKING for ticket in live):
            working = self._working(waiting[0])
            if working.state is State.FILLED:
                self._release(waiting, at or self.time.market())
            else:
                for ticket in waiting:
                    self._end(ticket, State.EXPIRED if working.state is State.EXPIRED else State.CANCELED)
        if list_id >= 0 and not self._of_list(list_id):
            self._close_list(list_id)

    def _working(self, pending: Ticket) -> Ticket:
        legs = self.books.list_of(pending.list_id).legs
        return self.books.by_number(next(number for leg, number in legs if leg is Leg.WORKING))

    def _release(self, waiting: Sequence[Ticket], at: datetime) -> None:
        """The working order is filled: the pending ones begin, if the account can pay for them."""
        now = self.now_ms()
        started = [structs.replace(t, state=State.NEW, placed_at=max(at, t.placed_at), updated_ms=now) for t in waiting]
        asset, needed = self._needs(started[0])[0], max(self._needs(ticket)[1] for ticket in started)
        if needed > self.balances(started[0].account).get(asset, (ZERO, ZERO))[0]:
            for ticket in waiting:
                self._end(ticket, State.EXPIRED)
            return
        started = [self._enter(ticket) for ticket in started]
        current, slot = self.market.now(started[0].spec.symbol, at)
        self._work(started, self._matches(started, current, slot=slot), (current, slot), at=at)

    def _close_list(self, list_id: int) -> None:
        found = self.books.list_of(list_id)
        if not found.live:
            return
        found = structs.replace(found, live=False)
        self.books.keep_list(found)
        tickets = [self.books.by_number(number) for _, number in found.legs]
        said = events.list_status(found, tickets, self.listing, self.now_ms())
        self._events.setdefault(found.account, []).append(said)

    def _id(self, ticket: Ticket) -> str:
        return self.listing.by_symbol[ticket.spec.symbol].id

    def _report(self, ticket: Ticket, what: str, *, fill: Fill | None = None, cancel_id: str = "") -> None:
        said = events.execution(ticket, self._id(ticket), what, self.now_ms(), fill=fill, cancel_id=cancel_id)
        self._events.setdefault(ticket.account, []).append(said)

    def _say_position(self, account: str, assets: set[str]) -> None:
        balances = self.balances(account)
        some = {asset: balances[asset] for asset in sorted(assets) if asset in balances}
        self._events.setdefault(account, []).append(events.position(some, self.now_ms()))

    def _publish(self) -> None:
        """Tell user streams what is in the books by now."""
        said, self._events = self._events, {}
        for account, list_ in said.items():
            past = self._past.setdefault(account, deque(maxlen=REMEMBERED))
            past.append((self.time.account_ms(), self.balances(account)))
            self._tell(account, list_)
