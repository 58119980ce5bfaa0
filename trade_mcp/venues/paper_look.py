"""A look at a paper account's file, for reading alone: whose it is, what rests there. Nothing is made."""

import sqlite3
from contextlib import closing
from pathlib import Path

from msgspec import Struct

from trade_mcp.domain.errors import VenueUnreachable


class Account(Struct, frozen=True):
    """The account's instance id, and how many orders rest in it."""

    account: str
    working: int


def look(path: Path) -> Account:
    """The account in ``path``. Raises VenueUnreachable if it cannot be read."""
    side = path.with_name(f"{path.name}-wal")
    # Only who may write takes the side files away again; see `mode_to_read` of the ledger.
    uri = f"{path.absolute().as_uri()}?mode={'ro' if side.exists() else 'rw'}"
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=5)) as db:
            db.execute("PRAGMA query_only = ON")
            (account,) = db.execute("SELECT id FROM account").fetchone()
            (working,) = db.execute("SELECT count(*) FROM orders WHERE status = 'working'").fetchone()
    except (sqlite3.Error, TypeError) as error:
        raise VenueUnreachable(f"the paper account {path} cannot be read: {error}", hint="restore a backup") from None
    return Account(str(account), int(working))
