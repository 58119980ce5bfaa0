"""Booking: what an order comes to, written down and told: taken, traded, ended. Money changes hands here alone."""

from collections.abc import Callable
from decimal import ROUND_DOWN, ROUND_UP

from msgspec import structs

from trade_mcp.domain.instrument import ZERO
from trade_mcp.domain.matching import Execution
from trade_mcp.domain.order import Side
from trade_mcp.practice.books import Books
from trade_mcp.practice.listing import MAKER_FEE, TAKER_FEE
from trade_mcp.practice.market import Market
from trade_mcp.practice.purse import CENT, Purse
from trade_mcp.practice.records import Fill, Late
from trade_mcp.practice.teller import Teller
from trade_mcp.practice.ticket import Kind, Stage, State, Ticket


class Booking:
    """Changes to orders and money. Everything here happens inside a transaction of the books."""

    def __init__(self, books: Books, market: Market, purse: Purse, teller: Teller, *, now_ms: Callable[[], int]):
        self._books, self._market, self._purse, self._teller, self._now_ms = books, market, purse, teller, now_ms

    def enter(self, ticket: Ticket) -> Ticket:
        """An order is taken."""
        if ticket.state is State.NEW and ticket.stage is Stage.WORK:
            ticket = structs.replace(ticket, working_ms=ticket.created_ms)
        self._books.keep_order(ticket)
        self._teller.report(ticket, "NEW")
        if ticket.state is State.NEW and ticket.spec.kind is not Kind.MARKET:
            self._teller.position(ticket.account, self._purse.needs(ticket)[0])
        return ticket

    def started(self, ticket: Ticket) -> Ticket:
        """Its trigger was reached: it works from now on."""
        now = self._now_ms()
        ticket = structs.replace(ticket, working_ms=now, updated_ms=now)
        self._teller.report(ticket, "NEW")
        return ticket

    def end(self, ticket: Ticket, state: State, *, cancel_id: str = "") -> None:
        """It is CANCELED or EXPIRED."""
        ticket = structs.replace(ticket, state=state, updated_ms=self._now_ms())
        self._books.keep_order(ticket)
        self._teller.report(ticket, state.value, cancel_id=cancel_id)
        self._teller.position(ticket.account, self._purse.needs(ticket)[0])

    def trade(self, ticket: Ticket, trade: Execution, *, pieces: int = 1) -> Ticket:
        """It traded, in one trade or in ``pieces``; the order after it."""
        instrument = self._market.instruments[ticket.spec.symbol]
        part = instrument.round_size(trade.size / pieces)
        sizes = [part] * (pieces - 1) if part > 0 else []
        for size in (*sizes, trade.size - sum(sizes, ZERO)):
            ticket = self._trade_once(ticket, structs.replace(trade, size=size))
        self._teller.position(ticket.account, instrument.base, instrument.quote)
        return ticket

    def postpone(self, ticket: Ticket, trade: Execution, *, due_ms: int) -> None:
        """It traded, and that is told later. Until then what it takes is locked."""
        number = self._books.next_number("late")
        self._books.keep_late(Late(number, ticket.number, trade.size, trade.price, trade.maker, due_ms))
        locks = max(ticket.lock_price, trade.price) if ticket.spec.side is Side.BUY else ZERO
        self._books.keep_order(structs.replace(ticket, late=ticket.late + trade.size, lock_price=locks))

    def told(self, late: Late) -> Ticket:
        """A trade that was told late is booked; the order after it."""
        ticket = self._books.by_number(late.order_number)
        self._books.drop_late(late)
        ticket = structs.replace(ticket, late=ticket.late - late.size)
        return self.trade(ticket, Execution(late.price, late.size, late.maker))

    def _trade_once(self, ticket: Ticket, trade: Execution) -> Ticket:
        instrument, buys = self._market.instruments[ticket.spec.symbol], ticket.spec.side is Side.BUY
        quote = (trade.size * trade.price).quantize(CENT, ROUND_DOWN)
        rate = MAKER_FEE if trade.maker else TAKER_FEE
        received, asset = (trade.size, instrument.base) if buys else (quote, instrument.quote)
        fee = (received * rate).quantize(CENT, ROUND_UP)
        sign, now = ticket.spec.side.sign, self._now_ms()
        self._books.move(ticket.account, instrument.base, sign * trade.size)
        self._books.move(ticket.account, instrument.quote, -sign * quote)
        self._books.move(ticket.account, asset, -fee)
        fill = Fill(
            number=self._books.next_number("fills"),
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
        self._books.keep_fill(fill)
        self._books.keep_order(ticket)
        self._teller.report(ticket, "TRADE", fill=fill)
        return ticket
