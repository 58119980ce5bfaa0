"""Memory: what the desk saw and decided, tick by tick. Plain rows outside the hash chain: no money depends on them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from trade_mcp.store.engine import Engine, Reader
from trade_mcp.store.projections import insert
from trade_mcp.store.text import as_json, when

ADD_TICK = insert("tick_reports", "program, at, real_at, duration_ms, outcome, detail")
ADD_SIGNAL = insert("signals", "tick, at, symbol, timeframe, strategy, strength, reason, detail")
ADD_DECISION = insert("decisions", "tick, at, real_at, symbol, action, reason, strength, order_id, detail")


class SignalRecord(Struct, frozen=True, kw_only=True):
    """One opinion of one strategy; ``strength`` in -1..1, None while warming up."""

    at: datetime  # market time: the close of the bar
    symbol: str
    timeframe: str
    strategy: str
    strength: float | None
    reason: str = ""
    detail: dict[str, Any] = {}


class DecisionRecord(Struct, frozen=True, kw_only=True):
    """What was done about one symbol, or why nothing was."""

    at: datetime  # market time
    real_at: datetime
    symbol: str
    action: str
    reason: str
    strength: float | None = None
    order_id: str = ""
    detail: dict[str, Any] = {}


class TickRecord(Struct, frozen=True, kw_only=True):
    """One pass of a program."""

    program: str
    at: datetime  # market time
    real_at: datetime
    duration_ms: float
    outcome: str
    detail: dict[str, Any] = {}


def record_tick(
    engine: Engine, tick: TickRecord, *, decisions: Iterable[DecisionRecord] = (), signals: Iterable[SignalRecord] = ()
) -> int:
    """Write one tick with what it saw and decided, in one transaction; its number."""
    with engine.transaction() as cursor:
        times = (when(tick.at), when(tick.real_at))
        cursor.execute(ADD_TICK, (tick.program, *times, tick.duration_ms, tick.outcome, as_json(tick.detail)))
        number = cursor.lastrowid
        assert number is not None
        cursor.executemany(
            ADD_SIGNAL,
            [
                (number, when(s.at), s.symbol, s.timeframe, s.strategy, s.strength, s.reason, as_json(s.detail))
                for s in signals
            ],
        )
        cursor.executemany(ADD_DECISION, [(number, *_columns(decision)) for decision in decisions])
    return number


def decisions(reader: Reader, *, symbol: str | None = None, limit: int = 50) -> list[DecisionRecord]:
    """The last decisions, newest first."""
    sql = (
        "SELECT at, real_at, symbol, action, reason, strength, order_id, detail FROM decisions"
        " WHERE ? IS NULL OR symbol = ? ORDER BY id DESC LIMIT ?"
    )
    names = ("at", "real_at", "symbol", "action", "reason", "strength", "order_id", "detail")
    return [_read(DecisionRecord, names, row) for row in reader.rows(sql, (symbol, symbol, limit))]


def signals(reader: Reader, *, symbol: str | None = None, limit: int = 50) -> list[SignalRecord]:
    """The last opinions, newest first."""
    sql = (
        "SELECT at, symbol, timeframe, strategy, strength, reason, detail FROM signals"
        " WHERE ? IS NULL OR symbol = ? ORDER BY id DESC LIMIT ?"
    )
    names = ("at", "symbol", "timeframe", "strategy", "strength", "reason", "detail")
    return [_read(SignalRecord, names, row) for row in reader.rows(sql, (symbol, symbol, limit))]


def behind(reader: Reader, order_id: str) -> tuple[DecisionRecord | None, list[SignalRecord]]:
    """The loop's decision that made this order, and the opinions it was made from; (None, []) for others' orders."""
    columns = "at, real_at, symbol, action, reason, strength, order_id, detail"
    sql = f"SELECT tick, {columns} FROM decisions WHERE order_id = ? AND order_id != '' ORDER BY id DESC LIMIT 1"
    if (found := reader.row(sql, (order_id,))) is None:
        return None, []
    decision = _read(DecisionRecord, tuple(columns.split(", ")), found[1:])
    names = ("at", "symbol", "timeframe", "strategy", "strength", "reason", "detail")
    sql = f"SELECT {', '.join(names)} FROM signals WHERE tick = ? AND symbol = ? ORDER BY id"
    return decision, [_read(SignalRecord, names, row) for row in reader.rows(sql, (found[0], decision.symbol))]


def ticks(reader: Reader, program: str, *, limit: int = 20) -> list[TickRecord]:
    """The last passes of a program, newest first."""
    sql = (
        "SELECT program, at, real_at, duration_ms, outcome, detail FROM tick_reports"
        " WHERE program = ? ORDER BY id DESC LIMIT ?"
    )
    names = ("program", "at", "real_at", "duration_ms", "outcome", "detail")
    return [_read(TickRecord, names, row) for row in reader.rows(sql, (program, limit))]


def first_tick(reader: Reader, program: str) -> datetime | None:
    """Market time of the first pass of ``program`` that is kept."""
    found = reader.row("SELECT at FROM tick_reports WHERE program = ? ORDER BY id LIMIT 1", (program,))
    return None if found is None else datetime.fromisoformat(found[0])


def bars_decided(reader: Reader, program: str, *, step_s: int, since: datetime, most: int) -> set[int]:
    """Which bars of ``step_s`` seconds ``program`` passed over since market time ``since``: seconds since 1970 of each.

    The newest ``most`` passes are looked at.
    """
    sql = (
        "SELECT DISTINCT CAST(strftime('%s', at) AS INTEGER) / :step FROM"
        " (SELECT at FROM tick_reports WHERE program = :program ORDER BY id DESC LIMIT :most) WHERE at >= :since"
    )
    values = {"step": step_s, "program": program, "most": most, "since": when(since)}
    return {bar * step_s for (bar,) in reader.rows(sql, values)}


def _columns(d: DecisionRecord) -> tuple[Any, ...]:
    times = (when(d.at), when(d.real_at))
    return (*times, d.symbol, d.action, d.reason, d.strength, d.order_id, as_json(d.detail))


def _read[T: Struct](kind: type[T], names: tuple[str, ...], row: tuple[Any, ...]) -> T:
    values = dict(zip(names, row, strict=True))
    values["detail"] = msgspec.json.decode(values["detail"])
    return msgspec.convert(values, kind)
