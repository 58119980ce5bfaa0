"""Log: the append-only ledger of events and the book they add up to. Appending is possible only inside `writing`.

Readers hold a book that never changes under them: an append folds a copy, and the commit puts it in place.
"""

import copy
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import msgspec

from trade_mcp.domain import events as e
from trade_mcp.domain.book import Book
from trade_mcp.domain.errors import ForeignLedger, LeaseLost, LedgerError
from trade_mcp.domain.fold import fold
from trade_mcp.domain.order import Order
from trade_mcp.ports import Clock
from trade_mcp.store import snapshot
from trade_mcp.store.chain import ADD_EVENT, event_of, link
from trade_mcp.store.engine import Engine
from trade_mcp.store.leases import Lease
from trade_mcp.store.projections import Before, project
from trade_mcp.store.snapshot import Tip

TAIL = "SELECT seq, payload, hash FROM events WHERE seq >= ? ORDER BY seq"  # the first row is the one we stand at
ORDER = "SELECT payload FROM orders WHERE order_id = ?"
AT_VENUE = "SELECT payload FROM orders WHERE symbol = ? AND json_extract(payload, '$.venue_id') = ? LIMIT 1"
REFUSED = "SELECT payload FROM events WHERE order_id = ? AND kind = 'order_refused' ORDER BY seq LIMIT 1"
REVISION = "SELECT max(revision) FROM orders WHERE parent = ?"
RECORDED = "SELECT 1 FROM events WHERE order_id = ? AND kind = 'external_moved' LIMIT 1"
CURSOR = "SELECT cursor FROM venue_cursors WHERE name = ?"
KEEP_CURSOR = "INSERT OR REPLACE INTO venue_cursors (name, cursor) VALUES (?, ?)"
EPOCH = "SELECT holder, epoch FROM leases WHERE name = ?"

type Tell = Callable[[int, e.Event], object]  # hears of an event once it is committed, with its number

CONTAINERS = tuple(f.name for f in msgspec.structs.fields(Book) if f.default_factory is not msgspec.NODEFAULT)


class Ledger:
    """The ledger while this process alone may write it."""

    def __init__(self, cursor: sqlite3.Cursor, tip: Tip, *, code: str, clock: Clock):
        self.book = copied(tip.book)
        self.appended: list[tuple[int, e.Event]] = []
        self._hash = tip.hash
        self._cursor, self._code, self._clock = cursor, code, clock

    def order(self, order_id: str) -> Order | None:
        """The order with this id, whatever its status."""
        return self.book.orders.get(order_id) or _order(self._cursor.execute(ORDER, (order_id,)).fetchone())

    def order_at_venue(self, symbol: str, venue_id: str) -> Order | None:
        """The order in ``symbol`` that the venue calls ``venue_id``, whatever its status."""
        return _order(self._cursor.execute(AT_VENUE, (symbol, venue_id)).fetchone()) if venue_id else None

    def refused(self, order_id: str) -> e.OrderRefused | None:
        """The first refusal of a request with this id."""
        return _refused(self._cursor.execute(REFUSED, (order_id,)).fetchone())

    def last_revision(self, entry_id: str) -> int:
        """The highest revision of exits this entry ever had; 0 if none."""
        return int(self._cursor.execute(REVISION, (entry_id,)).fetchone()[0] or 0)

    def recorded(self, ref: str) -> bool:
        """Whether what another hand did is in the ledger already, under ``ref``."""
        return self._cursor.execute(RECORDED, (ref,)).fetchone() is not None

    def keep_cursor(self, name: str, cursor: str) -> None:
        """Remember how far the venue was read, together with what was read."""
        self._cursor.execute(KEEP_CURSOR, (name, cursor))

    def append(self, event: e.Event, *, at: datetime | None = None) -> int:
        """Add ``event`` at market time ``at`` (now if not given); its place in the log.

        It is in `book` at once and on disk when `writing` ends.
        """
        book, seq = self.book, self.book.seq + 1
        row = link(self._hash, seq, event, at=at or self._clock.market(), policy=book.policy, code=self._code)
        self._cursor.execute(ADD_EVENT, (*row.columns, row.hash))
        before = Before(book, event)
        fold(book, seq, event)
        project(self._cursor, seq, event, before=before, book=book)
        self._hash = row.hash
        self.appended.append((seq, event))
        return seq

    @property
    def tip(self) -> Tip:
        return Tip(self.book, self._hash)


class Log:
    """The ledger of one process. ``code`` is the version that writes, ``tell`` hears of what it wrote; thread-safe."""

    def __init__(self, engine: Engine, *, code: str, clock: Clock, tell: Tell | None = None):
        self.engine = engine
        self._code, self._clock, self._tell = code, clock, tell
        self._shape = snapshot.shape(code)
        self._tip = snapshot.kept(engine, shape=self._shape)
        self._snapshot_seq = self._tip.book.seq
        self.refresh()

    @property
    def book(self) -> Book:
        """The book as of the last refresh or write here. Never changes: a new one takes its place."""
        return self._tip.book

    def refresh(self) -> Book:
        """The book with everything other processes committed."""
        if not self.engine.writing_here:
            tip = self._tip
            self._advance(self._folded(tip, self.engine.rows(TAIL, (tip.book.seq,))))
        return self.book

    def order(self, order_id: str) -> Order | None:
        """The order with this id, whatever its status."""
        return _order(self.engine.row(ORDER, (order_id,)))

    def refused(self, order_id: str) -> e.OrderRefused | None:
        """The first refusal of a request with this id."""
        return _refused(self.engine.row(REFUSED, (order_id,)))

    def cursor(self, name: str) -> str:
        """How far the venue was read; "" before the first time."""
        found = self.engine.row(CURSOR, (name,))
        return "" if found is None else str(found[0])

    @contextmanager
    def writing(self, lease: Lease | None = None) -> Iterator[Ledger]:
        """The ledger for this process alone: fresh, and committed at the end; an exception leaves nothing behind.

        Raises LeaseLost when ``lease`` is not in force any more, LedgerBusy when others do not let go.
        """
        with self.engine.transaction() as cursor:
            tip = self._tip
            tip = self._folded(tip, cursor.execute(TAIL, (tip.book.seq,)).fetchall())
            if lease is not None:
                _check(lease, cursor.execute(EPOCH, (lease.name,)).fetchone())
            ledger = Ledger(cursor, tip, code=self._code, clock=self._clock)
            yield ledger
            if ledger.book.seq - self._snapshot_seq >= snapshot.EVERY:
                snapshot.keep(cursor, ledger.tip, shape=self._shape)
                self._snapshot_seq = ledger.book.seq
        self._advance(ledger.tip)
        if self._tell is not None:
            for seq, event in ledger.appended:
                self._tell(seq, event)

    def _advance(self, tip: Tip) -> None:
        # A reader that was overtaken by a commit here keeps the newer book.
        if tip.book.seq > self._tip.book.seq:
            self._tip = tip

    def _folded(self, tip: Tip, tail: list[tuple[Any, ...]]) -> Tip:
        seq = tip.book.seq
        if seq and (not tail or tail[0][0] != seq or tail[0][2] != tip.hash):
            raise LedgerError(
                f"the ledger at {self.engine.path} is not the one this program was reading: event {seq} differs",
                hint="it was replaced or restored underneath; restart every program on it",
            )
        news = tail[1:] if seq else tail
        if not news:
            return tip
        book = copied(tip.book)
        for number, payload, _ in news:
            fold(book, number, event_of(number, payload))
        return Tip(book, news[-1][2])


def open_ledger(
    engine: Engine,
    opening: e.LedgerOpened,
    *first: e.Event,
    cursors: Mapping[str, str] | None = None,
    code: str,
    clock: Clock,
    tell: Tell | None = None,
) -> Log:
    """The log of the ledger that ``opening`` describes. An empty one is opened with it, followed by ``first``;
    ``cursors`` say how far its venue was read before.

    Raises ForeignLedger when it belongs to another venue, account, feed or quote currency.
    """
    log = Log(engine, code=code, clock=clock, tell=tell)
    if log.book.seq == 0:
        with log.writing() as ledger:
            if ledger.book.seq == 0:  # of racing processes one opens it
                for event in (opening, *first):
                    ledger.append(event)
                for name, cursor in (cursors or {}).items():
                    ledger.keep_cursor(name, cursor)
    for name in ("mode", "venue", "account", "feed", "quote"):
        ours, theirs = getattr(opening, name), getattr(log.book, name)
        if ours != theirs:
            raise ForeignLedger(
                f"the ledger at {engine.path} belongs to {name} {theirs!r}, this desk is set to {ours!r}",
                hint=f"set [desk] data_dir to another folder, such as {_elsewhere(engine)}, or go back to {theirs!r}",
            )
    return log


def copied(book: Book) -> Book:
    """A book that can be folded without changing ``book``: its values are frozen, its containers are copied."""
    fresh = copy.copy(book)
    for name in CONTAINERS:
        setattr(fresh, name, copy.copy(getattr(book, name)))
    return fresh


def _order(row: tuple[Any, ...] | None) -> Order | None:
    return None if row is None else msgspec.json.decode(row[0], type=Order)


def _refused(row: tuple[Any, ...] | None) -> e.OrderRefused | None:
    if row is None:
        return None
    event = e.decode(row[0])
    assert isinstance(event, e.OrderRefused)
    return event


def _check(lease: Lease, found: tuple[Any, ...] | None) -> None:
    if found != (lease.holder, lease.epoch):
        epoch = found[1] if found else 0
        raise LeaseLost(
            f"this process lost the role {lease.name!r}: it held epoch {lease.epoch}, now it is {epoch}",
            hint="another process has taken over; this one writes and sends nothing more in that role",
        )


def _elsewhere(engine: Engine) -> str:
    folder = engine.path.absolute().parent
    return str(folder.with_name(f"{folder.name}-2"))
