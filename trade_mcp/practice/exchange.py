"""Exchange: what can be asked of it and done there: orders, lists, cancels, transfers, time. Not a line of HTTP.

Each of them is one step: written whole and then told, or nothing of it. `advance` brings it up to market time.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal

from msgspec import structs

from trade_mcp.domain.errors import FeedError
from trade_mcp.domain.market import Bar
from trade_mcp.domain.matching import Match, Now
from trade_mcp.domain.order import Side
from trade_mcp.practice.booking import Booking
from trade_mcp.practice.books import Books
from trade_mcp.practice.checks import check_now, lock_price
from trade_mcp.practice.engine import PAIR, Engine
from trade_mcp.practice.errors import DUPLICATE, no_such_symbol, rejected, unknown_order
from trade_mcp.practice.faults import Faults
from trade_mcp.practice.filters import check_filters
from trade_mcp.practice.listing import Listing, Pair
from trade_mcp.practice.market import Market
from trade_mcp.practice.purse import Balances, Purse
from trade_mcp.practice.records import Fill, OrderList
from trade_mcp.practice.teller import Listener, Teller
from trade_mcp.practice.ticket import Leg, Spec, State, Ticket, first_stage
from trade_mcp.practice.time import ExchangeTime


class Exchange:
    """One exchange with its books. Not thread-safe: one event loop owns it."""

    def __init__(
        self, books: Books, market: Market, listing: Listing, *, time: ExchangeTime, faults: Faults, tell: Listener
    ):
        self.books, self.market, self.listing, self.time, self.faults = books, market, listing, time, faults
        self._purse = Purse(books, market.instruments)
        self._teller = Teller(self._purse, listing, tell, now_ms=self.now_ms, real_ms=time.account_ms)
        self._booking = Booking(books, market, self._purse, self._teller, now_ms=self.now_ms)
        self._engine = Engine(
            books,
            market,
            listing,
            time=time,
            faults=faults,
            purse=self._purse,
            booking=self._booking,
            teller=self._teller,
        )

    # What can be asked

    def pair(self, id_: str) -> Pair:
        """Raises -1121."""
        if (found := self.listing.pairs.get(id_)) is None:
            raise no_such_symbol()
        return found

    def now_ms(self) -> int:
        """What the exchange says the time is."""
        return self.time.account_ms(self.faults.clock_offset_s)

    def balances(self, account: str) -> Balances:
        """Free and locked by asset."""
        return self._purse.balances(account)

    def balances_before(self, account: str, seconds: float) -> Balances:
        """The balances so many real seconds ago, as far as is remembered."""
        return self._teller.balances_before(account, seconds)

    def open_orders(self, account: str, symbol: str | None = None) -> list[Ticket]:
        live = self.books.live.values()
        return [t for t in live if t.account == account and t.open and symbol in (None, t.spec.symbol)]

    # What can be done

    def advance(self) -> None:
        """Match everything that rests up to now."""
        now, since = self.time.market(), self.books.matched_until
        symbols = {ticket.spec.symbol for ticket in self.books.live.values()}
        due, ready = self._engine.due(), self._engine.ready()
        bars: list[Bar] = []
        if now > since and symbols:
            found = (self.market.feed.bars(symbol, after=since, until=now) for symbol in symbols)
            bars = sorted((bar for some in found for bar in some), key=lambda bar: (bar.close_at, bar.symbol))
        if bars or due or ready:
            with self._step():
                for list_id in ready:
                    self._engine.settle(list_id, at=max(since, self._placed_at(list_id)))
                for bar in bars:
                    self._engine.match_bar(bar)
                for late in due:
                    self._engine.tell_late(late)
                self.books.keep_clock(self.time.anchor, max(now, since))
        else:
            self.books.matched_until = max(now, since)

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
        ticket, match = self._first_look(self._ticket(account, spec))
        self._purse.afford(account, [ticket], [match])
        with self._step():
            ticket = self._booking.enter(structs.replace(ticket, number=self.books.next_number("orders")))
            at = self.time.market()
            self._engine.work((ticket,), (match,), self._now(spec.symbol, at), at=at)
        return self.books.by_number(ticket.number), self.books.fills_of(ticket.number)

    def place_list(
        self, account: str, legs: Sequence[tuple[Leg, Spec]], *, contingency: str, client_id: str
    ) -> OrderList:
        """Take an OCO (legs above and below), an OTO (working and pending) or an OTOCO (working, above, below).

        Pending orders begin after the answer, even if the working one is filled at once.
        """
        waits = {leg for leg, _ in legs if contingency == "OTO" and leg is not Leg.WORKING}
        for leg, spec in legs:
            self.check(account, spec, pending=leg in waits, paired=leg in PAIR)
        known = self.books.order_list(account, number=None, client_id=client_id)
        if known is not None and known.live:
            raise rejected(DUPLICATE)
        symbol, at = legs[0][1].symbol, self.time.market()
        with self._step():
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
            quoted = self._now(symbol, at)
            matches = self._engine.matches(first, quoted[0], slot=quoted[1])
            self._purse.afford(account, first, matches)
            made = OrderList(
                number=list_id,
                account=account,
                symbol=symbol,
                client_id=client_id,
                contingency=contingency,
                created_ms=self.now_ms(),
                legs=tuple((ticket.leg, ticket.number) for ticket in tickets),
            )
            self.books.keep_list(made)
            self._teller.order_list(made, tickets)
            entered = [self._booking.enter(ticket) for ticket in tickets]
            self._engine.work([ticket for ticket in entered if ticket.state is State.NEW], matches, quoted, at=at)
            if not waits:
                self._engine.settle(list_id, at=at)
        return self.books.list_of(list_id)

    def cancel(self, ticket: Ticket, cancel_id: str) -> Ticket:
        """Cancel an order, with the other orders of its list. Raises -2011 if it is not open."""
        if not ticket.open:
            raise unknown_order()
        with self._step():
            others = [] if ticket.list_id < 0 else self._engine.of_list(ticket.list_id)
            for each in others or [ticket]:
                if each.open:
                    self._booking.end(each, State.CANCELED, cancel_id=cancel_id)
            self._engine.settle(ticket.list_id, at=self.time.market())
        return self.books.by_number(ticket.number)

    def transfer(self, account: str, asset: str, amount: Decimal) -> None:
        """Money comes or goes by another way than trading."""
        with self._step():
            self.books.keep_transfer(account, asset, amount, at_ms=self.now_ms())
            self._teller.transfer(account, asset, amount)

    def open_account(self, account: str, deposit: Mapping[str, Decimal]) -> int:
        """The account's number; one that is new gets ``deposit``."""
        with self._step():
            new = not self.books.known(account)
            uid = self.books.keep_account(account)
            for asset, amount in deposit.items() if new else ():
                self.books.keep_transfer(account, asset, amount, at_ms=self.now_ms())
                self._teller.transfer(account, asset, amount)
        return uid

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

    @contextmanager
    def _step(self) -> Iterator[None]:
        taken = dict(self._engine.taken)
        try:
            with self.books.writing():
                yield
        except BaseException:
            self._engine.taken = taken
            self._teller.forget()
            raise
        self._teller.publish()

    def _keep_clock(self) -> None:
        with self.books.writing():
            self.books.keep_clock(self.time.anchor, self.books.matched_until)

    def _placed_at(self, list_id: int) -> datetime:
        return max(ticket.placed_at for ticket in self._engine.of_list(list_id))

    def _ticket(self, account: str, spec: Spec) -> Ticket:
        now, at = self.now_ms(), self.time.market()
        return Ticket(
            number=0,
            account=account,
            spec=spec,
            stage=first_stage(spec),
            created_ms=now,
            updated_ms=now,
            placed_at=max(at, self.books.matched_until),
            lock_price=lock_price(spec, self._now(spec.symbol, at)[0].quote),
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
            return ticket, self._engine.matches([ticket], now, slot=slot)[0]
        instrument = self.market.instruments[ticket.spec.symbol]
        price = now.quote.ask if ticket.spec.side is Side.BUY else now.quote.bid
        while True:
            size = instrument.round_size(wants / price)
            if size <= 0:
                raise rejected("Price * QTY is zero or less.")
            sized = structs.replace(ticket, spec=structs.replace(ticket.spec, quantity=size))
            match = self._engine.matches([sized], now, slot=slot)[0]
            if match is None or match.execution is None or size * match.execution.price <= wants:
                return sized, match
            price = match.execution.price + instrument.tick
