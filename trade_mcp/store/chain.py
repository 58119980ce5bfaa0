"""Chain: how events stand in the table. Each hash covers the one before it and the exact text of its own row."""

import sqlite3
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256

import msgspec
from msgspec import Struct

from trade_mcp.domain import events as e
from trade_mcp.domain.errors import LedgerError
from trade_mcp.store.projections import insert
from trade_mcp.store.text import when

SCHEMA = 1  # of the payloads
GENESIS = ""

COLUMNS = "seq, at, kind, order_id, schema, policy, code, payload, hash"
ADD_EVENT = insert("events", COLUMNS)
NEWEST = f"SELECT {COLUMNS} FROM events ORDER BY seq DESC"
ALL = f"SELECT {COLUMNS} FROM events ORDER BY seq"

_encode = msgspec.json.Encoder().encode


class Row(Struct, frozen=True, gc=False):
    """One row of the table, as text."""

    seq: int
    at: str
    kind: str
    order_id: str
    schema: int
    policy: str
    code: str
    payload: str
    hash: str

    @property
    def columns(self) -> tuple[int | str, ...]:
        return (self.seq, self.at, self.kind, self.order_id, self.schema, self.policy, self.code, self.payload)

    def follows(self, hash: str) -> bool:
        """Whether this row is what was written after the row with ``hash``."""
        return self.hash == chained(hash, self.columns)


def chained(hash: str, columns: tuple[int | str, ...]) -> str:
    """The hash of a row after the row with ``hash``. JSON keeps the columns apart."""
    return sha256(_encode((hash, *columns))).hexdigest()


def link(hash: str, seq: int, event: e.Event, *, at: datetime, policy: str, code: str) -> Row:
    """The row of ``event`` after the row with ``hash``."""
    columns = (seq, when(at), e.kind(event), e.order_id_of(event), SCHEMA, policy, code, e.encode(event))
    return Row(*columns, hash=chained(hash, columns))


def event_of(seq: int, payload: str) -> e.AnyEvent:
    """The event at ``seq``. Raises LedgerError for what this version cannot read."""
    try:
        return e.decode(payload)
    except msgspec.DecodeError as error:
        raise LedgerError(
            f"event {seq} cannot be read: {error}",
            hint="trade-mcp verify says whether the file was changed; else a newer trade-mcp wrote it: run that one",
        ) from None


def walk(connection: sqlite3.Connection) -> Iterator[Row]:
    """All rows, oldest first."""
    return (Row(*columns) for columns in connection.execute(ALL))
