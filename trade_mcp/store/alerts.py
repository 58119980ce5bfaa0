"""Alerts told: each kind once in its time, and how often it came again meanwhile."""

from datetime import datetime, timedelta

from msgspec import Struct

from trade_mcp.store.engine import Engine, Reader
from trade_mcp.store.text import when

KNOWN = "SELECT told_at, untold FROM alerts WHERE key = ?"
TELL = (
    "INSERT INTO alerts (key, severity, text, told_at, seen_at, untold) VALUES (?, ?, ?, ?, ?, 0)"
    " ON CONFLICT (key) DO UPDATE SET severity = excluded.severity, text = excluded.text, told_at = excluded.told_at,"
    " seen_at = excluded.seen_at, untold = 0"
)
COUNT = "UPDATE alerts SET untold = untold + 1, seen_at = ? WHERE key = ?"


class Untold(Struct, frozen=True):
    """An alert that came again while it was only counted."""

    key: str
    text: str
    severity: str
    count: int


def note(engine: Engine, key: str, text: str, severity: str, *, now: datetime, window: timedelta) -> bool:
    """Whether this alert is to be told now; within ``window`` of being told it is only counted."""
    with engine.transaction() as cursor:
        known = cursor.execute(KNOWN, (key,)).fetchone()
        if known is not None and now - datetime.fromisoformat(known[0]) < window:
            cursor.execute(COUNT, (when(now), key))
            return False
        cursor.execute(TELL, (key, severity, text, when(now), when(now)))
        return True


def told_since(reader: Reader, since: datetime) -> int:
    """How many alerts were told since real time ``since``."""
    (count,) = reader.row("SELECT count(*) FROM alerts WHERE told_at >= ?", (when(since),)) or (0,)
    return int(count)


def untold(engine: Engine, *, before: datetime) -> list[Untold]:
    """Alerts told before ``before`` that came again since; from here on they count as told."""
    with engine.transaction() as cursor:
        rows = cursor.execute(
            "SELECT key, text, severity, untold FROM alerts WHERE untold > 0 AND told_at < ?", (when(before),)
        ).fetchall()
        cursor.execute("UPDATE alerts SET untold = 0 WHERE untold > 0 AND told_at < ?", (when(before),))
    return [Untold(*row) for row in rows]
