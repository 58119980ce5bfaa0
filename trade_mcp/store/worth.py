"""Worth: equity through time as it was marked, what came and went by other hands, and the prices last seen."""

from datetime import datetime
from decimal import Decimal

import msgspec
from msgspec import Struct

from trade_mcp.domain.events import FlowRecorded, LedgerOpened, decode
from trade_mcp.store.engine import Reader
from trade_mcp.store.text import when, whenever


class Mark(Struct, frozen=True, gc=False):
    """Equity at market time ``at`` (quote currency). ``exposure`` and ``heat`` are fractions of it."""

    seq: int
    at: datetime
    equity: float
    exposure: float
    heat: float


def opening(reader: Reader) -> tuple[datetime, Decimal] | None:
    """When the ledger began (market time), and with how much; None while it is empty."""
    found = reader.row("SELECT at, payload FROM events WHERE kind = 'ledger_opened' ORDER BY seq LIMIT 1")
    if found is None:
        return None
    event = decode(found[1])
    assert isinstance(event, LedgerOpened)
    return datetime.fromisoformat(found[0]), event.capital


def began(reader: Reader) -> datetime | None:
    """When the ledger began (market time); None while it is empty."""
    found = reader.row("SELECT at FROM events WHERE seq = 1")
    return None if found is None else datetime.fromisoformat(found[0])


def flows(reader: Reader, *, until: int) -> list[tuple[int, datetime, Decimal]]:
    """Money that came (+) or went (-), up to event ``until``: place in the log, market time, what it was worth."""
    sql = "SELECT seq, at, payload FROM events WHERE kind = 'flow_recorded' AND seq <= ? ORDER BY seq"
    found = ((seq, at, decode(payload)) for seq, at, payload in reader.rows(sql, (until,)))
    return [(seq, datetime.fromisoformat(at), e.value) for seq, at, e in found if isinstance(e, FlowRecorded)]


def marks(reader: Reader, *, since: datetime | None, until: int) -> list[Mark]:
    """Equity as it was marked, oldest first: from the last one before market time ``since`` on, to event ``until``."""
    first = 0
    if since is not None:
        sql = "SELECT seq FROM equity WHERE at < ? AND seq <= ? ORDER BY at DESC, seq DESC LIMIT 1"
        (first,) = reader.row(sql, (when(since), until)) or (0,)
    sql = "SELECT seq, at, equity, exposure, heat FROM equity WHERE seq BETWEEN ? AND ? ORDER BY seq"
    return [
        Mark(seq, datetime.fromisoformat(at), float(equity), float(exposure), float(heat))
        for seq, at, equity, exposure, heat in reader.rows(sql, (first, until))
    ]


def last_seen(reader: Reader, *, until: int) -> tuple[datetime | None, dict[str, Decimal]]:
    """When the ledger last saw the market, and the prices it saw: of the last mark, and of every fill after it."""
    sql = "SELECT seq, at, marks FROM equity WHERE seq <= ? ORDER BY seq DESC LIMIT 1"
    seq, at, marked = reader.row(sql, (until,)) or (0, None, "{}")
    prices = msgspec.json.decode(marked, type=dict[str, Decimal])
    sql = "SELECT at, symbol, price FROM fills WHERE seq > ? AND seq <= ? ORDER BY seq"
    for filled_at, symbol, price in reader.rows(sql, (seq, until)):
        at = filled_at if at is None else max(at, filled_at)
        prices[symbol] = Decimal(price)
    return (None if at is None else datetime.fromisoformat(at)), prices


def passes(
    reader: Reader, program: str, *, since: datetime | None, before: datetime | None
) -> tuple[int, float | None]:
    """How often ``program`` passed in a stretch of market time, and its slowest pass in real ms."""
    sql = (
        "SELECT sum(passed), max(slowest) FROM ("
        "SELECT count(*) AS passed, max(duration_ms) AS slowest FROM tick_reports"
        " WHERE program = :program AND at >= :since AND at < :before UNION ALL"
        " SELECT sum(count), max(high) FROM system_metrics"
        " WHERE name = 'tick_ms' AND label = :program AND at >= :since AND at < :before)"
    )
    bounds = {"since": whenever(since) or "", "before": whenever(before) or "~"}
    passed, slowest = reader.row(sql, {"program": program, **bounds}) or (0, None)
    return passed or 0, slowest
