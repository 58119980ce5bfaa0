"""Backup: ledger and paper account as of one moment, checked, in one file, while every program goes on.

The two files belong together: an order is written to the ledger before it goes to the venue, and a fill after it comes
from there. So the ledger's write lock is taken for the instant in which both are pinned: then no order of the venue is
missing in the ledger, and no fill of the ledger at the venue. What the venue knows beyond that, the watcher books.
"""

import errno
import hashlib
import os
import shutil
import sqlite3
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path

import msgspec
from msgspec import Struct

from trade_mcp.domain.errors import BadInput, LedgerBusy, LedgerError
from trade_mcp.domain.events import LedgerOpened
from trade_mcp.store.chain import event_of
from trade_mcp.store.engine import BUSY_S, open_read_only
from trade_mcp.store.schema import bring_to_head, revision, revisions
from trade_mcp.store.verify import verify

FORMAT = 1  # of the file
MANIFEST, LEDGER, PAPER = "manifest.json", "ledger.db", "paper.db"
CHUNK = 1 << 20
PAGES = 256  # copied between two looks at the progress

type Progress = Callable[[str, int, int], None]  # what is being done, bytes done, bytes in all


class Piece(Struct, frozen=True):
    """One file of a backup."""

    size: int
    sha256: str


class Manifest(Struct, frozen=True, kw_only=True):
    """What a backup is of."""

    format: int = FORMAT
    made_at: datetime  # real time
    version: str  # of the program that made it
    schema: str
    events: int
    hash: str  # of the last event
    last_event_at: datetime  # market time
    venue: str
    account: str
    feed: str
    quote: str
    files: dict[str, Piece]


def back_up(
    ledger: Path, paper: Path, to: Path, *, code: str, now: datetime, replace: bool = False, progress: Progress
) -> Manifest:
    """Write ledger and paper account (if there is one) into the file ``to``: all of it, or nothing.

    ``code`` is this version, ``now`` real time. Raises BadInput (``to`` is there, or cannot be), LedgerError (no
    ledger, not sound, disk full), LedgerBusy, ForeignDatabase, SchemaNewer.
    """
    if revision(ledger) is None:
        raise LedgerError(f"there is no ledger at {ledger}", hint="--config names the desk to back up")
    if to.exists() and not replace:
        raise BadInput(f"{to} is there already", hint="name another file, or say --replace")
    if not to.parent.is_dir():
        raise BadInput(f"there is no folder {to.parent}", hint="make it first")
    with said(to), tempfile.TemporaryDirectory(dir=to.parent, prefix=".trade-mcp-backup-") as scratch:
        folder = Path(scratch)
        with _pinned(ledger, paper) as pinned:
            needed = sum(_size(db) for db in pinned.values())
            if (free := shutil.disk_usage(folder).free) < needed:
                raise full(to, f"{free >> 20} MB are free, about {1 + (needed >> 20)} MB are needed")
            for name, db in pinned.items():
                _copy(db, folder / name, partial(progress, f"copying {name}"))
        check(folder / LEDGER, folder / PAPER if PAPER in pinned else None, code=code)
        manifest = _manifest(folder, code=code, now=now)
        packed = folder / "packed"
        _pack(folder, packed, manifest, progress)
        os.replace(packed, to)
        sync_folder(to.parent)
    return manifest


def check(ledger: Path, paper: Path | None, *, code: str) -> None:
    """Ledger and paper account (if there is one) are whole, and fit each other. Raises LedgerError.

    A ledger of an older schema is brought to head for it, in a copy.
    """
    if revision(ledger) != revisions()[-1]:
        older, ledger = ledger, ledger.with_name("at-head.db")
        shutil.copyfile(older, ledger)
        bring_to_head(ledger)
    engine = open_read_only(ledger)
    try:
        found = verify(engine, code=code)
        if not found.sound:
            wrong = found.broken or f"{found.differences[0]}, and {len(found.differences) - 1} more differences"
            raise LedgerError(f"the ledger is not sound: {wrong}", hint="trade-mcp verify says what can be done")
        if paper is not None:
            _check_pair(engine.path, paper)
    finally:
        engine.close()


def sync_folder(folder: Path) -> None:
    """What was renamed in ``folder`` is on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def full(where: Path, more: str) -> LedgerError:
    """The complaint about a disk without room."""
    return LedgerError(f"the disk of {where} is full: {more}", hint="nothing was left behind; make room, then again")


@contextmanager
def _pinned(ledger: Path, paper: Path) -> Iterator[dict[str, sqlite3.Connection]]:
    """Connections that see both files as of one moment, however long they are read."""
    with ExitStack() as open_now:
        here = {LEDGER: ledger, PAPER: paper} if paper.exists() else {LEDGER: ledger}
        pinned = {name: open_now.enter_context(closing(_connect(path))) for name, path in here.items()}
        with closing(_connect(ledger)) as lock:
            try:
                lock.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
                raise LedgerBusy(f"another program has held {ledger} for {BUSY_S:g} s", hint="try again") from None
            for db in pinned.values():
                db.execute("BEGIN")
                db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        yield pinned


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=BUSY_S)


def _size(db: sqlite3.Connection) -> int:
    (pages,), (size,) = (db.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size"))
    return int(pages) * int(size)


def _copy(db: sqlite3.Connection, to: Path, progress: Callable[[int, int], None]) -> None:
    total = _size(db)

    def told(_status: int, left: int, pages: int) -> None:
        progress(total * (pages - left) // max(pages, 1), total)

    with closing(sqlite3.connect(to, isolation_level=None)) as copy:
        copy.execute("PRAGMA synchronous = OFF")  # it is scratch until it is packed
        db.backup(copy, pages=PAGES, progress=told, sleep=0)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, without others beside it


def _check_pair(ledger: Path, paper: Path) -> None:
    with closing(sqlite3.connect(paper)) as db:
        ((damage, *_),) = db.execute("PRAGMA integrity_check(1)").fetchall()
        if damage != "ok":
            raise LedgerError(f"the paper account is damaged: {damage}", hint="nothing was written")
        db.execute("ATTACH ? AS ledger", (str(ledger),))
        (account,) = db.execute("SELECT id FROM account").fetchone()
        opened = _opening(db, "ledger.")
        unknown = db.execute(
            "SELECT count(*) FROM ledger.fills WHERE trade_id NOT IN (SELECT CAST(number AS TEXT) FROM main.fills)"
        ).fetchone()[0]
    if account != opened.account:
        raise LedgerError(
            f"the paper account is {account}, the ledger's is {opened.account}", hint="they do not belong together"
        )
    if unknown:
        raise LedgerError(f"the paper account lacks {unknown} fills of the ledger", hint="they do not belong together")


def _manifest(folder: Path, *, code: str, now: datetime) -> Manifest:
    with closing(sqlite3.connect(folder / LEDGER)) as db:
        opened = _opening(db)
        events, at, hash = db.execute("SELECT seq, at, hash FROM events ORDER BY seq DESC LIMIT 1").fetchone()
    return Manifest(
        made_at=now,
        version=code,
        schema=revision(folder / LEDGER) or "",
        events=events,
        hash=hash,
        last_event_at=datetime.fromisoformat(at),
        venue=opened.venue,
        account=opened.account,
        feed=opened.feed,
        quote=opened.quote,
        files={name: _piece(folder / name) for name in (LEDGER, PAPER) if (folder / name).exists()},
    )


def _opening(db: sqlite3.Connection, schema: str = "") -> LedgerOpened:
    found = db.execute(f"SELECT seq, payload FROM {schema}events ORDER BY seq LIMIT 1").fetchone()
    if found is None:
        raise LedgerError("the ledger is empty: there is nothing to back up", hint="trade-mcp up opens it")
    opened = event_of(*found)
    assert isinstance(opened, LedgerOpened)
    return opened


def _piece(path: Path) -> Piece:
    with path.open("rb") as file:
        return Piece(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


def _pack(folder: Path, to: Path, manifest: Manifest, progress: Progress) -> None:
    total, done = sum(piece.size for piece in manifest.files.values()), 0
    with to.open("wb") as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as packed:
            packed.writestr(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=2))
            for name in manifest.files:
                with (folder / name).open("rb") as piece, packed.open(name, "w", force_zip64=True) as out:
                    while chunk := piece.read(CHUNK):
                        out.write(chunk)
                        done += len(chunk)
                        progress("packing", done, total)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def said(to: Path) -> Iterator[None]:
    """What the disk says, in our words."""
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE):
            raise full(to, str(error)) from None
        raise LedgerError(f"no backup could be made: {error}", hint="nothing was written; trade-mcp verify") from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
            raise full(to, error.strerror or "") from None
        raise LedgerError(f"{to} cannot be written: {error.strerror}", hint="name another file") from None
