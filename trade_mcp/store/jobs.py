"""Jobs: what recurs, with its next time and how the last run ended. Plain mutable rows."""

import sqlite3
from datetime import datetime
from typing import Any

from msgspec import Struct

from trade_mcp.store.engine import Engine, Reader
from trade_mcp.store.text import whenever

COLUMNS = "name, due_at, ran_at, outcome, failures, cursor"
KEEP = f"INSERT OR REPLACE INTO jobs ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)"
READ_TO = (
    "INSERT INTO jobs (name, outcome, failures, cursor) VALUES (?, '', 0, ?)"
    " ON CONFLICT (name) DO UPDATE SET cursor = excluded.cursor"
)


class JobState(Struct, frozen=True):
    """One job. ``due_at`` and ``ran_at`` in market time; ``failures`` in a row."""

    name: str
    due_at: datetime | None = None
    ran_at: datetime | None = None
    outcome: str = ""
    failures: int = 0
    cursor: int = 0


def job(reader: Reader, name: str) -> JobState:
    """The state of a job; a fresh one if it never ran."""
    found = reader.row(f"SELECT {COLUMNS} FROM jobs WHERE name = ?", (name,))
    return JobState(name) if found is None else _read(found)


def jobs(reader: Reader) -> list[JobState]:
    """Every job that ever ran."""
    return [_read(row) for row in reader.rows(f"SELECT {COLUMNS} FROM jobs ORDER BY name")]


def keep(engine: Engine, state: JobState) -> None:
    """Write it down."""
    with engine.transaction() as cursor:
        cursor.execute(KEEP, _row(state))


def read_to(cursor: sqlite3.Cursor, name: str, *, before: int, now: int) -> bool:
    """Move how far ``name`` has read from ``before`` to ``now``; False if another did so meanwhile."""
    found = cursor.execute("SELECT cursor FROM jobs WHERE name = ?", (name,)).fetchone()
    if (0 if found is None else found[0]) != before:
        return False
    cursor.execute(READ_TO, (name, now))
    return True


def _row(state: JobState) -> tuple[Any, ...]:
    return state.name, whenever(state.due_at), whenever(state.ran_at), state.outcome, state.failures, state.cursor


def _read(row: tuple[Any, ...]) -> JobState:
    name, due, ran, outcome, failures, cursor = row
    due_at, ran_at = (None if at is None else datetime.fromisoformat(at) for at in (due, ran))
    return JobState(name, due_at, ran_at, outcome, failures, cursor)
