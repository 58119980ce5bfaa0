"""Analysis: what happened on a ledger, ever or lately: record, profit and costs by strategy, symbol and source."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec import Struct

from trade_mcp.domain.book import Book
from trade_mcp.domain.errors import BadInput
from trade_mcp.domain.events import EquityMarked, Event, Filled, FlowRecorded, LedgerOpened, OrderRefused
from trade_mcp.domain.instrument import ZERO
from trade_mcp.office.portfolio import Snapshot, snapshot
from trade_mcp.quant.performance import MONEY, Booked, Record, Trade, max_drawdown, record, replay
from trade_mcp.store import history
from trade_mcp.store.log import Log

HISTORY = (*MONEY, LedgerOpened, FlowRecorded, EquityMarked)
NO_STRATEGY = "none"  # the chat and the operator need not name one


class Orders(Struct, frozen=True):
    total: int
    by_source: dict[str, int]
    by_status: dict[str, int]


class Group(Struct, frozen=True, gc=False):
    """One strategy, symbol or source: the record of its closed trades, and what its fills realised and cost."""

    closed: int
    wins: int
    losses: int
    win_rate: float | None
    profit_factor: float | None
    realised: Decimal  # before fees
    fees: Decimal
    unrealised: Decimal | None  # of what it holds now; None without a price


class Analysis(Struct, frozen=True, kw_only=True):
    """The desk now, and what happened since ``since`` (None: ever).

    A trade and its profit belong to who opened it. Over all time ``realised`` and ``fees`` of the groups add up to
    the desk's.
    """

    now: Snapshot
    since: datetime | None
    max_drawdown: float
    orders: Orders
    fills: int
    trades: Record
    by_strategy: dict[str, Group]
    by_symbol: dict[str, Group]
    by_source: dict[str, Group]
    refusals: dict[str, int]


def last_seen(past: Iterable[Event]) -> tuple[datetime | None, dict[str, Decimal]]:
    """When the ledger last saw the market, and its newest price of each symbol.

    A symbol traded after the last mark of equity counts at the price of its last fill.
    """
    at: datetime | None = None
    prices: dict[str, Decimal] = {}
    for event in past:
        match event:
            case EquityMarked(at=seen, marks=marks):
                at = seen if at is None else max(at, seen)
                prices |= marks
            case Filled(fill=fill):
                at = fill.at if at is None else max(at, fill.at)
                prices[fill.symbol] = fill.price
    return at, prices


def analyse(ledger: Log, length: timedelta | None = None) -> Analysis:
    """What the ledger says now, and of the last ``length`` of market time (None: of ever)."""
    book, reader = ledger.refresh(), ledger.engine
    past = history.events(reader, HISTORY, until=book.seq)
    as_of, marks = last_seen(past)
    since = None if length is None or as_of is None else as_of - length
    return analysis(
        book,
        past,
        as_of=as_of,
        marks=marks,
        since=since,
        placed=history.placed(reader, since=since, until=book.seq),
        refused=history.refused(reader, since=since, until=book.seq),
    )


def analysis(
    book: Book,
    past: Sequence[Event],
    *,
    as_of: datetime | None,
    marks: Mapping[str, Decimal],
    since: datetime | None,
    placed: Iterable[tuple[str, str, int]],
    refused: Iterable[OrderRefused],
) -> Analysis:
    """What a ledger says: ``book`` at ``marks``, and its past since ``since``.

    ``past`` are all its events of the kinds ``HISTORY``, ``placed`` (orders by source and status) and
    ``refused`` those of the period alone.
    """
    now = snapshot(book, marks, as_of=as_of)
    trades, fills = replay(past, book.quote)
    lately = [booked for booked in fills if since is None or booked.fill.at >= since]
    closed = [trade for trade in trades if trade.closed is not None and (since is None or trade.closed >= since)]
    whose = {trade.symbol: trade for trade in trades}  # the newest of a symbol is what is held
    unrealised = {holding.symbol: holding.unrealised for holding in now.positions}

    def by(key: Callable[[Trade], str]) -> dict[str, Group]:
        names = {key(trades[booked.trade]) for booked in lately} | {key(whose[symbol]) for symbol in unrealised}
        return {
            name: _group(
                [trade for trade in closed if key(trade) == name],
                [booked for booked in lately if key(trades[booked.trade]) == name],
                [value for symbol, value in unrealised.items() if key(whose[symbol]) == name],
            )
            for name in sorted(names)
        }

    return Analysis(
        now=now,
        since=since,
        max_drawdown=max_drawdown(_equity(past, since)),
        orders=_orders(placed),
        fills=len(lately),
        trades=record(closed),
        by_strategy=by(lambda trade: trade.strategy or NO_STRATEGY),
        by_symbol=by(lambda trade: trade.symbol),
        by_source=by(lambda trade: trade.source.value),
        refusals=dict(Counter(rule for refusal in refused for rule, _ in refusal.rules).most_common()),
    )


def _group(closed: list[Trade], fills: list[Booked], unrealised: list[Decimal | None]) -> Group:
    of = record(closed)
    known = [value for value in unrealised if value is not None]
    return Group(
        of.closed,
        of.wins,
        of.losses,
        of.win_rate,
        of.profit_factor,
        sum((booked.realised for booked in fills), ZERO),
        sum((booked.fill.fee_quote for booked in fills), ZERO),
        sum(known, ZERO) if len(known) == len(unrealised) else None,
    )


def _orders(placed: Iterable[tuple[str, str, int]]) -> Orders:
    by_source: Counter[str] = Counter()
    by_status: Counter[str] = Counter()
    for source, status, count in placed:
        by_source[source] += count
        by_status[status] += count
    return Orders(by_source.total(), dict(by_source.most_common()), dict(by_status.most_common()))


def _equity(past: Iterable[Event], since: datetime | None) -> Iterator[tuple[Decimal, Decimal]]:
    """(equity, money that came or went since the point before), from the last one before ``since`` on."""
    flow = ZERO
    before: Decimal | None = None
    for event in past:
        match event:
            case LedgerOpened(capital=capital):
                before = capital
            case FlowRecorded(amount=amount):
                flow += amount
            case EquityMarked(at=at, equity=equity):
                if since is None or at >= since:
                    if before is not None:
                        yield before, ZERO
                    before = None
                    yield equity, flow
                else:
                    before = equity
                flow = ZERO


PERIODS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


def period(text: str) -> timedelta:
    """The length of time that ``text`` says: a whole number of minutes, hours, days or weeks (m, h, d, w).

    >>> period("7d")
    datetime.timedelta(days=7)
    """
    count, unit = text[:-1], text[-1:]
    if unit not in PERIODS or not count.isascii() or not count.isdigit() or not 0 < int(count[:7]) <= 100_000:
        raise BadInput(f"{text!r} is not a period", hint="for example 24h, 7d or 4w")
    return int(count) * PERIODS[unit]
