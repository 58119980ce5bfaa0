"""Material: what the ledger remembers of a span of time, read once; what analysis and reports are made of."""

from datetime import datetime
from decimal import Decimal

import numpy as np
from msgspec import Struct

from trade_mcp.clock import market_time
from trade_mcp.domain.book import Book
from trade_mcp.domain.events import OrderRefused
from trade_mcp.office.portfolio import Snapshot, snapshot
from trade_mcp.office.span import EVER, Asked, Span, span_of
from trade_mcp.quant.candles import ms_of
from trade_mcp.quant.performance import Trade, Traded, trades_of
from trade_mcp.quant.returns import Curve
from trade_mcp.store import history, reads, worth
from trade_mcp.store.log import Log
from trade_mcp.store.worth import Mark


class Material(Struct, frozen=True, kw_only=True):
    """The book now, and what happened in ``span``. ``trades`` are those that filled in it or are held now, by entry.

    ``curve`` begins with what the desk was worth at the start of the span.
    """

    book: Book
    now: Snapshot
    span: Span
    trades: dict[str, Trade]
    fills: list[Traded]
    closed: list[Trade]
    marks: list[Mark]
    curve: Curve
    placed: list[tuple[str, str, int]]  # orders by source and status, and how many
    refused: list[OrderRefused]


def gather(ledger: Log, asked: Asked = EVER) -> Material:
    """What ``ledger`` remembers of the span ``asked`` for. Of a long ledger only that span is read."""
    book, reader = ledger.refresh(), ledger.engine
    opening = worth.opening(reader)
    begun = None if opening is None else opening[0]
    seen, prices = worth.last_seen(reader, until=book.seq)
    reached = max((at for at in (begun, seen, market_time(reader)) if at is not None), default=None)
    span = span_of(asked, begun=begun, reached=reached)
    since = None if span.whole else span.start
    held = [position.entry_id for position in book.positions.values()]
    if since is None:
        fills = reads.fills(reader, until=book.seq)
    else:
        fills = reads.fills_of_trades(reader, since=since, until=book.seq, held=held)
    trades = trades_of(fills, still_open=[p.entry_id for p in book.positions.values() if not p.dust])
    now = snapshot(book, prices, as_of=seen)
    marks = worth.marks(reader, since=since, until=book.seq)
    return Material(
        book=book,
        now=now,
        span=span,
        trades=trades,
        fills=[one for one in fills if one.fill.at in span],
        closed=[trade for trade in trades.values() if trade.closed is not None and trade.closed in span],
        marks=[mark for mark in marks if mark.at in span],
        curve=_curve(book, now, opening, marks, worth.flows(reader, until=book.seq), span=span),
        placed=history.placed(reader, since=since, before=span.end if span.ends else None, until=book.seq),
        refused=[event for event in history.refused(reader, since=since, until=book.seq) if event.at in span],
    )


def _curve(
    book: Book,
    now: Snapshot,
    opening: tuple[datetime, Decimal] | None,
    marks: list[Mark],
    flows: list[tuple[int, datetime, Decimal]],
    *,
    span: Span,
) -> Curve:
    """Equity in ``span``: at its start, at every mark, and (if it lasts until now) at the prices last seen."""
    if opening is None or span.start is None or span.end is None or span.start >= span.end:
        return Curve(np.empty(0, np.int64), np.empty(0), np.empty(0))
    seq, value = 0, float(opening[1])
    inside = []
    for mark in marks:
        if mark.at in span:
            inside.append(mark)
        elif mark.at < span.start:
            seq, value = mark.seq, mark.equity
    early = [flow for flow in flows if flow[0] > seq and flow[1] < span.start]
    points = [(early[-1][0] if early else seq, span.start, value + float(sum(amount for _, _, amount in early)))]
    points += [(mark.seq, mark.at, mark.equity) for mark in inside]
    if not span.ends and now.equity is not None and now.as_of is not None:
        points.append((book.seq, now.as_of, float(now.equity)))
    seqs = np.array([seq for seq, _, _ in points])
    at_ms = np.maximum.accumulate(np.array([ms_of(at) for _, at, _ in points], np.int64))
    came = np.zeros(len(points))
    for seq, _, amount in flows:
        if (place := int(np.searchsorted(seqs, seq))) < len(points) and seq > seqs[0]:
            came[place] += float(amount)
    return Curve(at_ms, np.array([equity for _, _, equity in points]), came)
