"""The file of a paper account: one SQLite database, exact text for money, one writer at a time, kill -9 at any moment.

Every process keeps one connection. Writers take BEGIN IMMEDIATE, so they queue instead of failing; what a transaction
changed in orders gets one change number, which grows with the commits.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
from msgspec import Struct

from trade_mcp.domain.errors import BadConfig, ForeignDatabase, ForeignLedger, SchemaNewer, VenueUnreachable
from trade_mcp.domain.instrument import ZERO
from trade_mcp.domain.matching import Resting
from trade_mcp.domain.order import Fill, Order, Report, Side, Status

APPLICATION_ID = 0x74706170  # "tpap"
SCHEMA = 1
BACK = timedelta(days=7)  # market time may fall back a little when every program dies at once, never this far
BUSY_S = 30.0  # a writer waits this long for the others

TABLES = """
CREATE TABLE account (
    only INTEGER PRIMARY KEY CHECK (only = 1), id TEXT NOT NULL, feed TEXT NOT NULL, opened_at TEXT NOT NULL,
    matched_until TEXT NOT NULL, changes INTEGER NOT NULL) STRICT;
CREATE TABLE balances (currency TEXT PRIMARY KEY, total TEXT NOT NULL) STRICT;
CREATE TABLE orders (
    number INTEGER PRIMARY KEY, order_id TEXT NOT NULL UNIQUE, symbol TEXT NOT NULL, content TEXT NOT NULL,
    placed_at TEXT NOT NULL, lock_price TEXT NOT NULL, status TEXT NOT NULL, remaining TEXT NOT NULL,
    activated INTEGER NOT NULL, peak TEXT, reason TEXT NOT NULL, changed INTEGER NOT NULL) STRICT;
CREATE INDEX orders_working ON orders (number) WHERE status = 'working';
CREATE INDEX orders_changed ON orders (changed);
CREATE TABLE fills (
    number INTEGER PRIMARY KEY, order_id TEXT NOT NULL REFERENCES orders (order_id), symbol TEXT NOT NULL,
    side TEXT NOT NULL, size TEXT NOT NULL, price TEXT NOT NULL, fee TEXT NOT NULL, fee_currency TEXT NOT NULL,
    fee_quote TEXT NOT NULL, at TEXT NOT NULL, maker INTEGER NOT NULL, slot TEXT NOT NULL) STRICT;
CREATE INDEX fills_order ON fills (order_id);
CREATE INDEX fills_slot ON fills (symbol, slot);
"""
ROW = "number, content, placed_at, lock_price, status, remaining, activated, peak, reason"
FILL = "number, order_id, symbol, side, size, price, fee, fee_currency, fee_quote, at, maker"

_encode = msgspec.json.Encoder(decimal_format="string").encode
_decode = msgspec.json.Decoder(Order).decode


class Held(Struct, frozen=True, gc=False):
    """One order as the account holds it. ``lock_price``: what each base unit of a buy locks of the quote currency."""

    number: int
    resting: Resting
    lock_price: Decimal
    status: Status = Status.WORKING
    reason: str = ""

    @property
    def order(self) -> Order:
        return self.resting.order

    @property
    def group(self) -> str:
        return self.order.group or self.order.order_id


class PaperFile:
    """A paper account on disk: transactions, and rows in and out of them. Thread-safe."""

    def __init__(
        self, path: Path, *, feed: str, deposit: Mapping[str, Decimal], at: datetime, new_id: Callable[[], str]
    ):
        """Open the account, or make it with ``deposit`` by currency. Raises BadConfig, ForeignDatabase, SchemaNewer,
        ForeignLedger (it trades another feed, or at another time)."""
        self._path = path
        self._lock = threading.RLock()
        with ExitStack() as failing:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
                failing.callback(self._db.close)
                self._check_program()
                self._wal()
                self._db.execute("PRAGMA synchronous = FULL")
                self._make(feed, deposit, at, new_id=new_id)
            except (OSError, sqlite3.OperationalError) as error:
                raise BadConfig(
                    f"the paper account {path} cannot be opened: {error}", hint="desk.data_dir is a folder to write in"
                ) from error
            except sqlite3.DatabaseError as error:
                raise ForeignDatabase(f"{path} is not a paper account: {error}", hint="move it away") from error
            self.account = self._bound(feed, at)
            failing.pop_all()

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One exclusive transaction, committed on a clean exit. Raises VenueUnreachable if the file cannot be had."""
        with self._transaction("BEGIN IMMEDIATE") as db:
            yield db

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One snapshot for several reads."""
        with self._transaction("BEGIN") as db:
            yield db

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                self._db.execute(begin)
                try:
                    yield self._db
                    self._db.execute("COMMIT")
                finally:
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")
            except sqlite3.Error as error:
                raise VenueUnreachable(
                    f"the paper account {self._path} could not be used: {error}", hint="is the disk full, or read-only?"
                ) from error

    def _check_program(self) -> None:
        # Tables first: another process may be making the account just now, tables and id in one step.
        (tables,) = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        (program,) = self._db.execute("PRAGMA application_id").fetchone()
        (schema,) = self._db.execute("PRAGMA user_version").fetchone()
        if program != APPLICATION_ID and (program or tables):
            raise ForeignDatabase(f"{self._path} is a database of another program", hint="move it away")
        if schema > SCHEMA:
            raise SchemaNewer(
                f"the paper account {self._path} has schema {schema}; this version knows {SCHEMA}",
                hint="use the newer version of trade-mcp",
            )

    def _bound(self, feed: str, at: datetime) -> str:
        """The account's instance id, if it is of this feed and of this time."""
        account, of, until = self._db.execute("SELECT id, feed, matched_until FROM account").fetchone()
        if of != feed:
            raise ForeignLedger(
                f"the paper account {self._path} trades {of}, not {feed}", hint="give this feed another desk.data_dir"
            )
        if datetime.fromisoformat(until) - at > BACK:
            raise ForeignLedger(
                f"the paper account {self._path} has traded until {until}, and market time is {at.isoformat()}",
                hint="it belongs to another run: give this one another desk.data_dir, or move the account away",
            )
        return str(account)

    def _wal(self) -> None:
        # Changing the journal mode is the one thing SQLite does not wait for: two first processes may collide here.
        deadline = time.monotonic() + BUSY_S
        while True:
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def _make(self, feed: str, deposit: Mapping[str, Decimal], at: datetime, *, new_id: Callable[[], str]) -> None:
        if self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'account'").fetchone():
            return
        with self.writing() as db:
            if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'account'").fetchone():
                return  # another process was first
            for statement in filter(str.strip, TABLES.split(";")):
                db.execute(statement)
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {SCHEMA}")
            opened = at.isoformat()
            db.execute("INSERT INTO account VALUES (1, ?, ?, ?, ?, 0)", (new_id(), feed, opened, opened))
            rows = [(currency, str(amount)) for currency, amount in deposit.items()]
            db.executemany("INSERT INTO balances VALUES (?, ?)", rows)


def working(db: sqlite3.Connection) -> list[Held]:
    """Every order at rest, in the order they were placed."""
    return [_held(row) for row in db.execute(f"SELECT {ROW} FROM orders WHERE status = 'working' ORDER BY number")]


def held(db: sqlite3.Connection, order_id: str) -> Held | None:
    row = db.execute(f"SELECT {ROW} FROM orders WHERE order_id = ?", (order_id,)).fetchone()
    return _held(row) if row else None


def changed_since(db: sqlite3.Connection, change: int) -> list[Held]:
    return [_held(row) for row in db.execute(f"SELECT {ROW} FROM orders WHERE changed > ? ORDER BY number", (change,))]


def progress(db: sqlite3.Connection) -> tuple[datetime, int]:
    """Market time up to which every bar was matched, and the number of the last change."""
    until, changes = db.execute("SELECT matched_until, changes FROM account").fetchone()
    return datetime.fromisoformat(until), changes


def totals(db: sqlite3.Connection) -> dict[str, Decimal]:
    """What the account owns, by currency, locked or not."""
    return {currency: Decimal(total) for currency, total in db.execute("SELECT currency, total FROM balances")}


def taken(db: sqlite3.Connection, symbol: str, slot: datetime) -> Decimal:
    """Base units filled in the bar that opened at ``slot``."""
    rows = db.execute("SELECT size FROM fills WHERE symbol = ? AND slot = ?", (symbol, slot.isoformat()))
    return sum((Decimal(size) for (size,) in rows), ZERO)


def report(db: sqlite3.Connection, row: Held) -> Report:
    """The order as the world sees it, with every fill."""
    order = row.order
    fills = db.execute(f"SELECT {FILL} FROM fills WHERE order_id = ? ORDER BY number", (order.order_id,))
    return Report(
        order_id=order.order_id,
        venue_id=str(row.number),
        status=row.status,
        filled=order.size - row.resting.remaining,
        fills=tuple(_fill(fill) for fill in fills),
        reason=row.reason,
        symbol=order.symbol,
        side=order.side,
        type=order.type,
        size=order.size,
        trigger_price=order.trigger_price,
        limit_price=order.limit_price,
    )


def add_order(db: sqlite3.Connection, resting: Resting, lock_price: Decimal) -> Held:
    order = resting.order
    cursor = db.execute(
        "INSERT INTO orders"
        " (order_id, symbol, content, placed_at, lock_price, status, remaining, activated, reason, changed)"
        " VALUES (?, ?, ?, ?, ?, 'working', ?, 0, '', 0)",
        (
            order.order_id,
            order.symbol,
            _encode(order).decode(),
            resting.placed_at.isoformat(),
            str(lock_price),
            str(resting.remaining),
        ),
    )
    assert cursor.lastrowid is not None
    return Held(cursor.lastrowid, resting, lock_price)


def save_order(db: sqlite3.Connection, row: Held, change: int) -> None:
    resting = row.resting
    peak = None if resting.peak is None else str(resting.peak)
    db.execute(
        "UPDATE orders SET status = ?, remaining = ?, activated = ?, peak = ?, reason = ?, changed = ?"
        " WHERE number = ?",
        (row.status, str(resting.remaining), resting.activated, peak, row.reason, change, row.number),
    )


def save_progress(db: sqlite3.Connection, matched_until: datetime, changes: int) -> None:
    db.execute("UPDATE account SET matched_until = ?, changes = ?", (matched_until.isoformat(), changes))


def save_total(db: sqlite3.Connection, currency: str, total: Decimal) -> None:
    db.execute(
        "INSERT INTO balances VALUES (?, ?) ON CONFLICT (currency) DO UPDATE SET total = excluded.total",
        (currency, str(total)),
    )


def add_fill(db: sqlite3.Connection, fill: Fill, slot: datetime) -> None:
    """Write a fill; the account gives it its trade id."""
    db.execute(
        "INSERT INTO fills (order_id, symbol, side, size, price, fee, fee_currency, fee_quote, at, maker, slot)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            fill.order_id,
            fill.symbol,
            fill.side,
            str(fill.size),
            str(fill.price),
            str(fill.fee),
            fill.fee_currency,
            str(fill.fee_quote),
            fill.at.isoformat(),
            fill.maker,
            slot.isoformat(),
        ),
    )


def _held(row: tuple) -> Held:
    number, content, placed_at, lock_price, status, remaining, activated, peak, reason = row
    resting = Resting(
        order=_decode(content),
        placed_at=datetime.fromisoformat(placed_at),
        remaining=Decimal(remaining),
        activated=bool(activated),
        peak=None if peak is None else Decimal(peak),
    )
    return Held(number, resting, Decimal(lock_price), Status(status), reason)


def _fill(row: tuple) -> Fill:
    number, order_id, symbol, side, size, price, fee, fee_currency, fee_quote, at, maker = row
    return Fill(
        trade_id=str(number),
        order_id=order_id,
        symbol=symbol,
        side=Side(side),
        size=Decimal(size),
        price=Decimal(price),
        fee=Decimal(fee),
        fee_currency=fee_currency,
        fee_quote=Decimal(fee_quote),
        at=datetime.fromisoformat(at),
        maker=bool(maker),
    )
