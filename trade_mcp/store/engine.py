"""Engine: one ledger file (or one in memory) for all threads of a process: reads, and one writer at a time.

SQL runs on the driver's own connections: importing SQLAlchemy alone costs half of what a server may spend on its
start, and a statement costs a tenth. The tables are declared in `store/tables`; a test holds both together.
"""

import random
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from trade_mcp.domain.errors import BadConfig, LedgerBusy, LedgerError, LedgerUnwritable
from trade_mcp.store.schema import (
    APPLICATION_ID,
    bring_to_head,
    mode_to_read,
    revision,
    revisions,
    unwritable,
    write_ahead_log,
)

DAMAGED = "nothing was written; check the disk, then trade-mcp verify"
BUSY_S = 8.0  # real time a writer waits for others
MEMORY = Path(":memory:")

type Values = Sequence[Any] | dict[str, Any]


class Reader(Protocol):
    """Whatever can be asked: the engine itself, or one moment of it."""

    def rows(self, sql: str, values: Values = ()) -> list[tuple[Any, ...]]: ...

    def row(self, sql: str, values: Values = ()) -> tuple[Any, ...] | None: ...


class Moment:
    """One consistent moment of the ledger, read with many statements."""

    def __init__(self, connection: sqlite3.Connection):
        self.connection = connection

    def rows(self, sql: str, values: Values = ()) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql, values).fetchall()

    def row(self, sql: str, values: Values = ()) -> tuple[Any, ...] | None:
        return next(iter(self.rows(sql, values)), None)


class Engine:
    """Connections to one ledger. Made by `open_engine`, `open_memory` or `open_read_only`; thread-safe."""

    def __init__(self, path: Path, *, read: sqlite3.Connection, write: sqlite3.Connection | None):
        self.path = path
        self._read, self._write = read, write
        self._writing = threading.Lock()
        # In memory there is one connection: whoever reads waits for the writer, or is the writer.
        self._reading = threading.RLock()
        self._shared = write is read
        self._writer: int | None = None

    def rows(self, sql: str, values: Values = ()) -> list[tuple[Any, ...]]:
        """All rows of a query on what is committed."""
        with self._reading, _spoken(self.path):
            return self._read.execute(sql, values).fetchall()

    def row(self, sql: str, values: Values = ()) -> tuple[Any, ...] | None:
        """The first row of a query, or None."""
        return next(iter(self.rows(sql, values)), None)

    @contextmanager
    def moment(self) -> Iterator[Moment]:
        """One moment to read from, on a connection of its own; writers go on."""
        if self._shared:
            with self._reading, _spoken(self.path):
                yield Moment(self._read)
            return
        connection = _connect(self.path, "ro")
        try:
            with _spoken(self.path):
                connection.execute("BEGIN")
                yield Moment(connection)
        finally:
            connection.close()

    @property
    def writing_here(self) -> bool:
        """Whether this thread is inside `transaction`."""
        return self._writer == threading.get_ident()

    @contextmanager
    def transaction(self, *, wait_s: float = BUSY_S) -> Iterator[sqlite3.Cursor]:
        """One exclusive transaction: committed at the end, rolled back on any exception.

        Raises LedgerBusy when other writers did not let go within ``wait_s`` of real time.
        """
        assert self._write is not None, "this engine was opened for reading"
        assert not self.writing_here, "a transaction inside a transaction of the same thread"
        deadline = time.monotonic() + wait_s
        if not self._writing.acquire(timeout=wait_s):
            raise _busy(self.path, wait_s)
        try:
            self._writer = threading.get_ident()
            with _spoken(self.path), self._alone():
                cursor = self._begin(deadline, wait_s)
                try:
                    yield cursor
                    self._write.execute("COMMIT")
                except BaseException:
                    with suppress(sqlite3.Error):  # SQLite has rolled back by itself when the disk is full
                        self._write.execute("ROLLBACK")
                    raise
        finally:
            self._writer = None
            self._writing.release()

    def close(self) -> None:
        """Close the connections; the last one to close tidies the write-ahead log up."""
        with self._writing, self._reading:
            self._read.close()
            if self._write is not None:
                self._write.close()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if self._shared:
            with self._reading:
                yield
        else:
            yield

    def _begin(self, deadline: float, wait_s: float) -> sqlite3.Cursor:
        assert self._write is not None
        while True:
            try:
                return self._write.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if not _is_busy(error):
                    raise
            if time.monotonic() > deadline:
                raise _busy(self.path, wait_s)
            time.sleep(random.uniform(0.0002, 0.002))  # SQLite's own waiting sleeps up to 0.1 s and starves


def open_engine(where: str | Path) -> Engine:
    """The ledger at ``where`` (a path or a ``sqlite:///`` address), made and brought to the newest schema if needed.

    Raises ForeignDatabase, SchemaNewer, LedgerError (it cannot be written), BadConfig (another kind of address).
    """
    path = path_of(where)
    if path == MEMORY:
        return open_memory()
    if restoring(path).exists():
        raise LedgerError(
            f"a restore of {path} is under way, or was cut off", hint="run it again: trade-mcp restore FILE --replace"
        )
    bring_to_head(path)
    try:
        return Engine(path, read=_connect(path, "rw"), write=_for_writing(path))
    except sqlite3.Error as error:
        raise unwritable(path, error) from None


def open_memory() -> Engine:
    """A ledger that lives as long as this process, with the same schema."""
    from trade_mcp.store.tables import ddl

    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    connection.executescript(f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA foreign_keys = ON; {ddl()}")
    return Engine(MEMORY, read=connection, write=connection)


def open_read_only(where: str | Path) -> Engine:
    """The ledger at ``where``, live or copied, never written to and never migrated.

    Raises LedgerError when it is missing or older, SchemaNewer, ForeignDatabase.
    """
    path = path_of(where)
    if not path.exists():
        raise LedgerError(f"there is no ledger at {path}", hint="trade-mcp up makes one; --database names another")
    found, head = revision(path), revisions()[-1]
    if found != head:
        raise LedgerError(
            f"{path} has schema {found or 'none'}, this version reads {head}",
            hint=f"trade-mcp db upgrade brings it to {head}",
        )
    return open_as_it_is(path)


def open_as_it_is(path: Path) -> Engine:
    """The ledger at ``path`` for reading, whatever its schema: for tables that every version has."""
    try:
        return Engine(path, read=_for_reading(path), write=None)
    except sqlite3.Error as error:
        raise LedgerError(f"{path} cannot be read: {error}", hint="check its permissions") from None


def restoring(path: Path) -> Path:
    """The file that stands beside a ledger while it is being replaced: nobody may open it then."""
    return path.with_name(path.name + ".restoring")


def path_of(where: str | Path) -> Path:
    """The file of a path or of a ``sqlite:///`` address. Raises BadConfig for another kind of database."""
    if isinstance(where, Path):
        return where
    scheme, found, rest = where.partition("://")
    if not found:
        return Path(where)
    if scheme != "sqlite":
        raise BadConfig(f"[desk] database_url: {scheme} is not supported", hint="sqlite:////absolute/path/ledger.db")
    name = rest.partition("?")[0].removeprefix("/")
    return Path(name) if name not in ("", ":memory:") else MEMORY


def _for_writing(path: Path) -> sqlite3.Connection:
    connection = _connect(path, "rw")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA busy_timeout = 0")  # `_begin` waits by itself
    return connection


def _for_reading(path: Path) -> sqlite3.Connection:
    connection = _connect(path, mode_to_read(path))
    connection.execute("PRAGMA query_only = ON")
    return connection


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    try:
        connection = _opened(uri)
    except sqlite3.OperationalError:
        # A copy in a folder that cannot be written: nobody writes it, so SQLite may do without its side files.
        if mode != "ro" or write_ahead_log(path).exists():
            raise
        connection = _opened(f"{uri}&immutable=1")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _opened(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=BUSY_S)
    try:
        connection.execute("SELECT 1 FROM alembic_version").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _is_busy(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _busy(path: Path, wait_s: float) -> LedgerBusy:
    return LedgerBusy(f"another program has held {path} for {wait_s:g} s", hint="try again; nothing was written")


@contextmanager
def _spoken(path: Path) -> Iterator[None]:
    """What SQLite says, in our words."""
    try:
        yield
    except sqlite3.Error as error:
        if _is_busy(error):
            raise _busy(path, BUSY_S) from error
        unwritable = getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY)
        raise (LedgerUnwritable if unwritable else LedgerError)(
            f"the ledger at {path} failed: {error!s:.200}",
            hint=DAMAGED,
        ) from error
    except UnicodeDecodeError as error:  # in SQLite's own words, about names that are damaged
        raise LedgerError(f"the ledger at {path} failed: it holds text that is none", hint=DAMAGED) from error
