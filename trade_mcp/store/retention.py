"""Retention: old ticks, decisions and signals give way to hourly sums, a few ticks in each transaction.

A tick that is rolled up is deleted with what it decided and saw, except a decision that made an order and the signals
behind it: a trade can always be explained. So `tick_reports` holds exactly what is not rolled up yet, oldest first.
Events are never touched.
"""

from datetime import datetime

from msgspec import Struct

from trade_mcp.store.engine import Engine
from trade_mcp.store.text import when

# The newest tick always stays: its number must not be given again while a decision kept refers to an old one.
OLD = "SELECT id, at FROM tick_reports WHERE id < (SELECT max(id) FROM tick_reports) ORDER BY id LIMIT ?"
HOUR = "substr(at, 1, 13) || ':00:00.000000+00:00'"
INTO = "INSERT INTO system_metrics (name, label, at, span_s, count, total, low, high)"
ADD = (
    " ON CONFLICT (name, label, at) DO UPDATE SET count = count + excluded.count,"
    " total = total + excluded.total, low = min(low, excluded.low), high = max(high, excluded.high)"
)
TICKS = (
    f"{INTO} SELECT 'tick_ms', program, {HOUR}, 3600, count(*), sum(duration_ms), min(duration_ms), max(duration_ms)"
    f" FROM tick_reports WHERE id BETWEEN ? AND ? GROUP BY 2, 3{ADD}"
)
DECISIONS = (
    f"{INTO} SELECT 'decisions', symbol || ' ' || action, {HOUR}, 3600, count(*), NULL, NULL, NULL"
    f" FROM decisions WHERE tick BETWEEN ? AND ? GROUP BY 2, 3{ADD}"
)
SIGNALS = (
    f"{INTO} SELECT 'strength', symbol || ' ' || timeframe || ' ' || strategy, {HOUR}, 3600,"
    " count(*), sum(strength), min(strength), max(strength)"
    f" FROM signals WHERE tick BETWEEN ? AND ? AND strength IS NOT NULL GROUP BY 2, 3{ADD}"
)
DROP_SIGNALS = (
    "DELETE FROM signals WHERE tick BETWEEN ? AND ? AND NOT EXISTS (SELECT 1 FROM decisions"
    " WHERE decisions.tick = signals.tick AND decisions.symbol = signals.symbol AND decisions.order_id != '')"
)
DROP_DECISIONS = "DELETE FROM decisions WHERE tick BETWEEN ? AND ? AND order_id = ''"
DROP_TICKS = "DELETE FROM tick_reports WHERE id BETWEEN ? AND ?"
DROP_HOURS = "DELETE FROM system_metrics WHERE rowid IN (SELECT rowid FROM system_metrics WHERE at < ? LIMIT ?)"


class Metric(Struct, frozen=True):
    """One hour of market time from ``at``: how many, and of what can be added up the sum, the lowest, the highest."""

    name: str  # "tick_ms", "decisions", "strength"
    label: str
    at: datetime
    count: int
    total: float | None
    low: float | None
    high: float | None


def roll_up(engine: Engine, *, before: datetime, most: int) -> int:
    """Roll up the oldest ticks from before market time ``before``, at most so many; how many there were."""
    cutoff = when(before)
    if not _old(engine.rows(OLD, (most,)), cutoff):
        return 0  # without writing
    with engine.transaction() as cursor:
        ids = _old(cursor.execute(OLD, (most,)).fetchall(), cutoff)
        if ids:
            for statement in (TICKS, DECISIONS, SIGNALS, DROP_SIGNALS, DROP_DECISIONS, DROP_TICKS):
                cursor.execute(statement, (ids[0], ids[-1]))
    return len(ids)


def drop_hours(engine: Engine, *, before: datetime, most: int) -> int:
    """Delete hourly sums from before market time ``before``, at most so many; how many there were."""
    with engine.transaction() as cursor:
        return cursor.execute(DROP_HOURS, (when(before), most)).rowcount


def metrics(engine: Engine, name: str) -> list[Metric]:
    """The hourly sums of ``name``, oldest first."""
    sql = "SELECT name, label, at, count, total, low, high FROM system_metrics WHERE name = ? ORDER BY at, label"
    return [
        Metric(name, label, datetime.fromisoformat(at), *sums) for name, label, at, *sums in engine.rows(sql, (name,))
    ]


def _old(rows: list[tuple[int, str]], cutoff: str) -> list[int]:
    """Numbers of the ticks before the first that is young."""
    ids = []
    for number, at in rows:
        if at >= cutoff:
            break
        ids.append(number)
    return ids
