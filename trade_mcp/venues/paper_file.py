"""The file of a paper account: one SQLite database, exact text for money, one writer at a time, kill -9 at any moment.

Every process keeps one connection. Writers take BEGIN IMMEDIATE, so they queue instead of failing.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from trade_mcp.domain.errors import BadConfig, ForeignDatabase, ForeignLedger, SchemaNewer, VenueUnreachable

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
