"""Schema: which database this is and whether it is ours and at head. Plain SQL: alembic stays out of the server.

Only when the schema is behind does a child process run the migrations, under a file lock, in one transaction.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from trade_mcp.domain.errors import ForeignDatabase, LedgerError, SchemaNewer

if TYPE_CHECKING:
    from trade_mcp.store.engine import Reader

APPLICATION_ID = 0x74724D31  # "trM1": written into the file's header by the first migration


def scripts() -> Path:
    """The folder of migrations: inside the wheel, or at the top of the repository."""
    package = Path(__file__).parents[1]
    wheel = package / "_alembic"
    return wheel if wheel.is_dir() else package.parent / "alembic"


def revisions() -> tuple[str, ...]:
    """Every revision this version knows, oldest first. A migration's file name begins with its revision."""
    return tuple(sorted(path.name.partition("_")[0] for path in (scripts() / "versions").glob("[0-9]*.py")))


def revision(path: Path) -> str | None:
    """The revision of the ledger at ``path``; None for a new or empty file.

    Raises ForeignDatabase for what is not a ledger, SchemaNewer for one of a later version.
    """
    if not path.exists() or path.stat().st_size == 0:
        return None
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode_to_read(path)}", uri=True, timeout=10)
        ) as db:
            (application,) = db.execute("PRAGMA application_id").fetchone()
            tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")]
            found = None
            if application == APPLICATION_ID and "alembic_version" in tables:
                found = db.execute("SELECT version_num FROM alembic_version").fetchone()
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # SQLite's words about damage are not always UTF-8
        if "not a database" in str(error):
            raise foreign(path, "not a SQLite database") from None
        raise LedgerError(f"{path} cannot be read: {error}", hint="check its permissions and the disk") from None
    if application != APPLICATION_ID:
        if application == 0 and not tables:
            return None
        names = ", ".join(tables[:5]) or "none"
        raise foreign(path, f"a database of another program (application id {application:#x}, tables: {names})")
    if found is None:
        raise foreign(path, "a ledger without a schema revision")
    known = revisions()
    if found[0] not in known:
        raise SchemaNewer(
            f"{path} has schema {found[0]}, this version knows {known[-1]} at most",
            hint="run the newer trade-mcp that wrote it, or point [desk] data_dir at another folder",
        )
    return str(found[0])


def missing_tables(reader: "Reader") -> list[str]:
    """Tables that this version needs and the ledger does not have."""
    from trade_mcp.store.tables import metadata

    there = {name for (name,) in reader.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return sorted(set(metadata.tables) - there)


def mode_to_read(path: Path) -> str:
    """How to open a ledger that is only read, so that its folder stays as it was: "ro", or "rw" if nobody has it open.

    SQLite makes two side files to read one that nobody has open; only who may write takes them away at the end.
    """
    alone = not write_ahead_log(path).exists()
    return "rw" if alone and os.access(path, os.W_OK) and os.access(path.parent, os.W_OK) else "ro"


def write_ahead_log(path: Path) -> Path:
    """The side file that a ledger has while somebody has it open, or after a crash."""
    return path.with_name(path.name + "-wal")


def foreign(path: Path, what: str) -> ForeignDatabase:
    """The refusal of a file that is not a ledger."""
    return ForeignDatabase(f"{path} is {what}, not a trade-mcp ledger", hint="point [desk] data_dir at another folder")


def bring_to_head(path: Path) -> None:
    """Migrate the ledger at ``path`` (made if absent) when it is behind. Any number of processes may try at once."""
    if revision(path) == revisions()[-1]:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path.with_name(path.name + ".lock")):
            if revision(path) != revisions()[-1]:
                _migrate(path)
    except OSError as error:
        raise unwritable(path, error) from None


def unwritable(path: Path, error: Exception) -> LedgerError:
    """What to say when the ledger's folder cannot be written."""
    return LedgerError(
        f"the ledger cannot be written at {path}: {error}", hint="set [desk] data_dir to a folder you may write to"
    )


def _migrate(path: Path) -> None:
    import subprocess
    import sys

    command = [sys.executable, "-m", "trade_mcp.store.migrate", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise LedgerError(
            f"the schema of {path} could not be brought to {revisions()[-1]}: {last}",
            hint="nothing was changed; check that the folder can be written and the disk is not full",
        )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
