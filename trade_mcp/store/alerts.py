"""Alerts told: when each kind was told and last seen, and how often it came while it was only counted."""

import sqlite3
from datetime import datetime

from msgspec import Struct

from trade_mcp.store.text import when, whenever

COLUMNS = "key, severity, text, told_at, seen_at, untold"
KEEP = f"INSERT OR REPLACE INTO alerts ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)"
UNTOLD = f"SELECT {COLUMNS} FROM alerts WHERE untold > 0 AND (told_at IS NULL OR told_at < ?) ORDER BY seen_at"


class Kind(Struct, frozen=True):
    """One kind of alert. ``untold``: how often it came since it was told (None: never, it was held back)."""

    key: str
    severity: str
    text: str
    told_at: datetime | None
    seen_at: datetime
    untold: int = 0


def kind(cursor: sqlite3.Cursor, key: str) -> Kind | None:
    """What is known of ``key``."""
    found = cursor.execute(f"SELECT {COLUMNS} FROM alerts WHERE key = ?", (key,)).fetchone()
    return None if found is None else _read(found)


def keep(cursor: sqlite3.Cursor, one: Kind) -> None:
    """Write it down."""
    row = (one.key, one.severity, one.text, whenever(one.told_at), when(one.seen_at), one.untold)
    cursor.execute(KEEP, row)


def forget(cursor: sqlite3.Cursor, keys: tuple[str, ...]) -> None:
    """When these come again they are news."""
    cursor.executemany("DELETE FROM alerts WHERE key = ?", [(key,) for key in keys])


def untold(cursor: sqlite3.Cursor, *, before: datetime) -> list[Kind]:
    """Kinds that came and were not told, unless they were told at real time ``before`` or later; oldest first."""
    return [_read(row) for row in cursor.execute(UNTOLD, (when(before),)).fetchall()]


def drop_old(cursor: sqlite3.Cursor, *, before: datetime) -> None:
    """Forget kinds not seen since real time ``before``."""
    cursor.execute("DELETE FROM alerts WHERE seen_at < ?", (when(before),))


def _read(row: tuple[str, str, str, str | None, str, int]) -> Kind:
    key, severity, text, told, seen, count = row
    told_at = None if told is None else datetime.fromisoformat(told)
    return Kind(key, severity, text, told_at, datetime.fromisoformat(seen), count)
