"""Performance: closed trades, their record, and drawdown; exact, from the events of the ledger."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from trade_mcp.domain.book import Book
from trade_mcp.domain.events import DustBooked, Event, Filled, OwnerChanged
from trade_mcp.domain.fold import fold
from trade_mcp.domain.instrument import ZERO
from trade_mcp.domain.order import Fill, Order, Side, Source
from trade_mcp.domain.position import COST_STEP


class Trade(Struct, kw_only=True, gc=False):
    """One position from its first fill to its last. Money in the quote currency, sizes in base units."""

    symbol: str
    strategy: str
    source: Source  # who opened it
    owner: Source  # whose it is, or was at the end
    entry_id: str
    opened: datetime
    closed: datetime | None = None  # None: still open
    size: Decimal = ZERO  # bought and kept, with what dust of before joined it
    cost: Decimal = ZERO  # what that was bought for
    sold: Decimal = ZERO
    proceeds: Decimal = ZERO
    profit: Decimal = ZERO  # realised so far, before fees
    fees: Decimal = ZERO

    @property
    def entry(self) -> Decimal | None:
        """Average price it was bought at; None if there was nothing to sell."""
        return (self.cost / self.size).quantize(COST_STEP) if self.size else None

    @property
    def exit(self) -> Decimal | None:
        """Average price it was sold at; None before the first sale."""
        return (self.proceeds / self.sold).quantize(COST_STEP) if self.sold else None

    @property
    def net(self) -> Decimal:
        return self.profit - self.fees


class Booked(Struct, frozen=True, gc=False):
    """One fill, what it realised (before fees), and the index of the trade it belongs to."""

    order: Order
    fill: Fill
    realised: Decimal
    trade: int


def replay(events: Iterable[Event], quote: str) -> tuple[list[Trade], list[Booked]]:
    """All trades and all fills of a ledger in ``quote``, oldest first.

    Takes every event of the kinds ``MONEY`` in their order; others are passed over. Their sums are those of the Book
    to the last digit, because the same fold makes them. A trade is over when nothing, or only dust, is left of it.
    """
    book = Book(quote=quote)
    trades: list[Trade] = []
    fills: list[Booked] = []
    current: dict[str, int] = {}
    for event in events:
        match event:
            case Filled(order=order, fill=fill):
                symbol, realised = fill.symbol, book.realised
                before = book.position(symbol)
                # The fold starts a new position here: from flat, or from dust that a buy joins.
                if before.size == 0 or (before.dust and fill.side is Side.BUY):
                    current[symbol] = len(trades)
                    trades.append(_opened(order, fill))
                    trades[-1].size, trades[-1].cost = before.size, before.cost
                fold(book, book.seq, event)
                index, after = current[symbol], book.position(symbol)
                fills.append(Booked(order, fill, book.realised - realised, index))
                trade = trades[index]
                trade.profit += book.realised - realised
                trade.fees += fill.fee_quote
                if fill.side is Side.BUY:
                    trade.size += after.size - before.size
                    trade.cost += after.cost - before.cost
                else:
                    trade.sold += fill.size
                    trade.proceeds += fill.size * fill.price
                trade.closed = fill.at if after.size == 0 or after.dust else None
            case OwnerChanged(symbol=symbol, owner=owner):
                fold(book, book.seq, event)
                trades[current[symbol]].owner = owner
            case DustBooked(symbol=symbol):
                fold(book, book.seq, event)
                last = next(booked.fill.at for booked in reversed(fills) if booked.trade == current[symbol])
                trades[current[symbol]].closed = last
    return trades, fills


MONEY = (Filled, OwnerChanged, DustBooked)


def _opened(order: Order, fill: Fill) -> Trade:
    return Trade(
        symbol=fill.symbol,
        strategy=order.strategy,
        source=order.source,
        owner=order.source,
        entry_id=order.parent or order.order_id,
        opened=fill.at,
    )


class Record(Struct, frozen=True, gc=False):
    """What closed trades say, after fees. A ratio that nothing is known of is None, never 0 or infinite."""

    closed: int
    wins: int
    losses: int
    net: Decimal
    win_rate: float | None  # wins / closed; None before the first
    profit_factor: float | None  # money won / money lost; None without a loss
    expectancy: Decimal | None  # net of the average trade
    average_win: Decimal | None
    average_loss: Decimal | None  # below 0


def record(trades: Iterable[Trade]) -> Record:
    """The record of the closed ones among ``trades``; a win is a trade that made money after fees."""
    nets = [trade.net for trade in trades if trade.closed is not None]
    won, lost = [net for net in nets if net > 0], [net for net in nets if net < 0]
    return Record(
        closed=len(nets),
        wins=len(won),
        losses=len(lost),
        net=sum(nets, ZERO),
        win_rate=len(won) / len(nets) if nets else None,
        profit_factor=float(sum(won, ZERO) / -sum(lost, ZERO)) if lost else None,
        expectancy=_mean(nets),
        average_win=_mean(won),
        average_loss=_mean(lost),
    )


def max_drawdown(points: Iterable[tuple[Decimal, Decimal]]) -> float:
    """The deepest fall from the peak, as a fraction of the peak, net of flows.

    ``points`` are (equity, money that came or went since the point before), oldest first.

    >>> max_drawdown([(Decimal(100), Decimal(0)), (Decimal(90), Decimal(0)), (Decimal(190), Decimal(100))])
    0.1
    """
    peak, deepest = ZERO, 0.0
    for equity, flow in points:
        peak = max(peak + flow, equity)
        if peak > 0:
            deepest = max(deepest, float((peak - equity) / peak))
    return deepest


def _mean(values: list[Decimal]) -> Decimal | None:
    return (sum(values, ZERO) / len(values)).quantize(COST_STEP) if values else None
