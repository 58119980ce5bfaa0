"""Reports: which were made, of what, and where their files are. A plain table; no money depends on it."""

from datetime import datetime
from pathlib import Path
from typing import Any

from msgspec import Struct

from trade_mcp.store.engine import Engine, Reader
from trade_mcp.store.projections import insert
from trade_mcp.store.text import when, whenever

COLUMNS = "made_at, name, since, until, summary, html_file, text_file, json_file"
ADD = insert("project_reports", COLUMNS)
FIND = f"SELECT {COLUMNS} FROM project_reports"
FORGET = "DELETE FROM project_reports WHERE made_at < ?"


class Made(Struct, frozen=True, kw_only=True):
    """One report. ``made_at`` is real time, ``since`` and ``until`` market time (None: the ledger was empty)."""

    made_at: datetime
    name: str  # of the span that was asked for: "week"
    since: datetime | None
    until: datetime | None
    summary: str  # a few sentences
    html: Path
    text: Path
    json: Path

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.html, self.text, self.json)


def keep(engine: Engine, made: Made) -> None:
    """Remember ``made``."""
    with engine.transaction() as cursor:
        times = (whenever(made.since), whenever(made.until))
        cursor.execute(ADD, (when(made.made_at), made.name, *times, made.summary, *map(str, made.files)))


def newest(reader: Reader, *, limit: int = 20) -> list[Made]:
    """Reports, the last made first."""
    return [_made(row) for row in reader.rows(f"{FIND} ORDER BY made_at DESC, id DESC LIMIT ?", (limit,))]


def older(reader: Reader, before: datetime) -> list[Made]:
    """Reports made before real time ``before``, oldest first."""
    return [_made(row) for row in reader.rows(f"{FIND} WHERE made_at < ? ORDER BY made_at", (when(before),))]


def forget(engine: Engine, before: datetime) -> None:
    """Remove the rows of reports made before real time ``before``."""
    with engine.transaction() as cursor:
        cursor.execute(FORGET, (when(before),))


def _made(row: tuple[Any, ...]) -> Made:
    made_at, name, since, until, summary, html, text, json = row
    return Made(
        made_at=datetime.fromisoformat(made_at),
        name=name,
        since=None if since is None else datetime.fromisoformat(since),
        until=None if until is None else datetime.fromisoformat(until),
        summary=summary,
        html=Path(html),
        text=Path(text),
        json=Path(json),
    )
