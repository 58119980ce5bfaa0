"""The ledger: is it ours and of this version, can it be written, is it whole."""

import sqlite3
from contextlib import closing

from trade_mcp import __version__
from trade_mcp.cli.checks.patient import Finding, Patient, fail, ok, warn
from trade_mcp.domain.errors import LedgerError
from trade_mcp.store.schema import missing_tables, revision, revisions, write_ahead_log
from trade_mcp.store.verify import counted, newest_links, verify

SMALL = 25_000  # events: up to here everything is compared, in about a second
NEWEST = 100_000  # events of the chain that are walked at most
WAIT_MS = 1000
RESTORE = "go back to a backup: trade-mcp restore FILE --replace"


def schema(patient: Patient) -> Finding:
    """The schema's revision, and whether every table is there."""
    head = revisions()[-1]
    try:
        found = revision(patient.path)
    except LedgerError as error:
        return fail(error.message, error.hint)
    if found is None:
        return warn(f"there is no ledger at {patient.path}", "trade-mcp up makes one")
    if patient.engine is None:
        return fail(f"{patient.path} cannot be opened", "check its permissions and the disk")
    if found != head:
        return warn(f"revision {found}, this version knows {head}", "trade-mcp db upgrade, or start any program")
    if missing := missing_tables(patient.engine):
        return fail(f"revision {found}, and these tables are missing: {', '.join(missing)}", RESTORE)
    return ok(f"revision {found}")


def writable(patient: Patient) -> Finding | None:
    """Whether a line could be written now. The write lock is taken and given back; nothing is written."""
    if patient.engine is None:
        return None
    try:
        uri = f"{patient.path.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None, timeout=WAIT_MS / 1000)) as db:
            # What a crashed program left in the write-ahead log is not ours to tidy.
            db.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, write_ahead_log(patient.path).exists())
            db.execute("BEGIN IMMEDIATE")
            db.execute("ROLLBACK")
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
            return fail(f"busy for {WAIT_MS} ms: another program holds it", "nothing can be written; which one hangs?")
        return fail(f"it cannot be written: {error}", "check the permissions of the file, its folder and its disk")
    return ok("it can be written")


def chain(patient: Patient) -> Finding | None:
    """The hash chain, over the newest events if there are very many."""
    if patient.engine is None:
        return None
    total, walked, broken = newest_links(patient.engine, NEWEST)
    if broken:
        return fail(broken, RESTORE)
    return ok(f"{total} events, the chain is whole" + (f" over the newest {walked}" if walked < total else ""))


def projections(patient: Patient) -> Finding | None:
    """The tables against the events: every row of a small ledger, the number of rows of a large one."""
    if patient.engine is None:
        return None
    hint = "trade-mcp verify shows what; trade-mcp rebuild makes the tables anew from the events"
    if patient.book.seq <= SMALL:
        found = verify(patient.engine, code=__version__)
        if found.broken:
            return fail(found.broken, RESTORE)
        if found.differences:
            return fail(f"{len(found.differences)} rows are not what the events say", hint)
        return ok("every row is what the events say")
    wrong = [f"{table} {rows} of {events}" for table, rows, events in counted(patient.engine) if rows != events]
    if wrong:
        return fail(f"rows are not as many as events: {', '.join(wrong)}", hint)
    return ok("as many rows as events; trade-mcp verify compares each")
