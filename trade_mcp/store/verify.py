"""Verify and rebuild: the events are the truth; everything else in the ledger must be what they add up to."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import msgspec
from msgspec import Struct

from trade_mcp.domain.book import Book
from trade_mcp.domain.errors import LedgerError
from trade_mcp.domain.fold import fold
from trade_mcp.store import snapshot
from trade_mcp.store.chain import GENESIS, NEWEST, Row, event_of, walk
from trade_mcp.store.engine import Engine, Moment, Reader
from trade_mcp.store.projections import PROJECTIONS, Before, project
from trade_mcp.store.snapshot import Tip

MOST = 100  # differences listed


class Difference(Struct, frozen=True):
    """One row that is not what the events say; None: it is absent."""

    table: str
    key: str
    live: dict[str, Any] | None
    rebuilt: dict[str, Any] | None

    def __str__(self) -> str:
        if self.live is None or self.rebuilt is None:
            return f"{self.table} {self.key}: {'missing' if self.live is None else 'not in the events'}"
        columns = [name for name, value in self.live.items() if self.rebuilt[name] != value]
        said = ", ".join(f"{name} {self.live[name]!r} should be {self.rebuilt[name]!r}" for name in columns)
        return f"{self.table} {self.key}: {said}"


class Verification(Struct, frozen=True):
    """What `verify` found. ``broken`` says where the chain first breaks, or is empty."""

    events: int
    broken: str
    differences: tuple[Difference, ...]

    @property
    def sound(self) -> bool:
        return not self.broken and not self.differences


def verify(engine: Engine, *, code: str) -> Verification:
    """Walk the chain and compare the projections, and the snapshot of ``code``, with what the events add up to.

    The file itself is checked, too: an order is found by an index, and one that is damaged hides it.
    """
    shape, seq = snapshot.shape(code), 0
    with engine.moment() as moment, closing(_like(moment)) as rebuilt:
        if damage := _damage(moment):
            return Verification(seq, f"the file is damaged: {damage}", ())
        kept = snapshot.kept(moment, shape=shape)
        differences: list[Difference] = []
        try:
            for tip in _replay(moment.connection, rebuilt.cursor()):
                seq = tip.book.seq
                if seq == kept.book.seq and tip != kept:
                    differences.append(_snapshot(kept, tip))
        except LedgerError as error:
            return Verification(seq, error.message, ())
        except sqlite3.OperationalError as error:
            return Verification(seq, f"the chain breaks after event {seq}: {error!s:.200}", ())
        if kept.book.seq > seq:
            differences.append(Difference("book", str(kept.book.seq), {"hash": kept.hash}, None))
        for table in PROJECTIONS:
            differences += _differences(table, moment, Moment(rebuilt))
    return Verification(seq, "", tuple(differences[:MOST]))


def newest_links(reader: Reader, most: int) -> tuple[int, int, str]:
    """Walk the chain over the newest ``most`` events: how many there are, how many were walked, what is broken."""
    rows = [Row(*columns) for columns in reader.rows(f"{NEWEST} LIMIT ?", (most + 1,))][::-1]
    if not rows:
        return 0, 0, ""
    total, hash, seq = rows[-1].seq, GENESIS, 0
    if len(rows) > most:
        before, *rows = rows
        hash, seq = before.hash, before.seq
    for row in rows:
        if row.seq != seq + 1 or not row.follows(hash):
            return total, len(rows), f"the chain breaks at event {row.seq}"
        hash, seq = row.hash, row.seq
    return total, len(rows), ""


def counted(reader: Reader) -> tuple[tuple[str, int, int], ...]:
    """Tables that have a row for each event of a kind: name, rows, events. What a look may cost in a large ledger."""
    pairs = (("orders", "order_pending"), ("fills", "filled"), ("equity", "equity_marked"))
    sql = "SELECT (SELECT count(*) FROM {}), (SELECT count(*) FROM events WHERE kind = ?)"
    found = [(table, reader.row(sql.format(table), (kind,))) for table, kind in pairs]
    return tuple((table, *row) for table, row in found if row is not None)


def rebuild(engine: Engine, *, code: str) -> int:
    """Write projections, indexes and snapshot anew from the events, in one transaction; how many events there are.

    Raises LedgerError, and changes nothing, when the chain is broken.
    """
    tip = Tip(Book())
    with engine.transaction() as cursor:
        cursor.execute("REINDEX")
        for table in PROJECTIONS:
            cursor.execute(f"DELETE FROM {table}")
        cursor.execute("DELETE FROM book")
        for tip in _replay(cursor.connection, cursor):  # noqa: B007
            pass
        snapshot.keep(cursor, tip, shape=snapshot.shape(code))
    return tip.book.seq


def _replay(source: sqlite3.Connection, into: sqlite3.Cursor) -> Iterator[Tip]:
    """The tip after each event of ``source``, while its projections are written ``into``."""
    book, hash = Book(), GENESIS
    for row in walk(source):
        if row.seq != book.seq + 1:
            raise _broken(row.seq, f"it follows event {book.seq}")
        if not row.follows(hash):
            raise _broken(row.seq, "its hash does not fit its content and the event before")
        event = event_of(row.seq, row.payload)
        before = Before(book, event)
        fold(book, row.seq, event)
        project(into, row.seq, event, before=before, book=book)
        hash = row.hash
        yield Tip(book, hash)


def _damage(moment: Moment) -> str:
    """The first thing SQLite finds wrong with the file; "" if nothing is."""
    try:
        ((found, *_),) = moment.rows("PRAGMA integrity_check(1)")
    except sqlite3.DatabaseError as error:
        return str(error)
    return "" if found == "ok" else str(found).splitlines()[-1]


def _broken(seq: int, why: str) -> LedgerError:
    return LedgerError(
        f"the chain breaks at event {seq}: {why}", hint="the file was changed by another hand: restore a backup"
    )


def _like(moment: Moment) -> sqlite3.Connection:
    """An empty database in memory with the live projections' own tables."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for table in PROJECTIONS:
        for (sql,) in moment.rows("SELECT sql FROM sqlite_master WHERE tbl_name = ? AND sql IS NOT NULL", (table,)):
            connection.execute(sql)
    return connection


def _differences(table: str, live: Moment, rebuilt: Moment) -> Iterator[Difference]:
    key = PROJECTIONS[table]
    here, there = _table(table, key, live), _table(table, key, rebuilt)
    for name in sorted(here.keys() | there.keys(), key=str):
        if here.get(name) != there.get(name):
            yield Difference(table, str(name), here.get(name), there.get(name))


def _table(table: str, key: str, moment: Moment) -> dict[Any, dict[str, Any]]:
    cursor = moment.connection.execute(f"SELECT * FROM {table}")
    names = [column[0] for column in cursor.description]
    rows = (dict(zip(names, row, strict=True)) for row in cursor)
    return {row[key]: row for row in rows}


def _snapshot(kept: Tip, tip: Tip) -> Difference:
    live, rebuilt = ({**msgspec.structs.asdict(t.book), "hash": t.hash} for t in (kept, tip))
    return Difference("book", str(tip.book.seq), live, rebuilt)
