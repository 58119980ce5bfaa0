"""The truth: events, append-only and chained; and the book as of one of them, to start from."""

from datetime import datetime

from sqlalchemy import Column, Index, Integer, Text
from sqlmodel import Field

from trade_mcp.store.tables.base import Moment, Row


class EventRow(Row, table=True):
    """One thing that happened. ``hash`` covers the hash before it and the exact text of every other column."""

    __tablename__ = "events"
    __table_args__ = (Index("events_order", "order_id", "kind"), Index("events_kind", "kind", "seq"))

    seq: int = Field(primary_key=True)
    at: datetime = Field(sa_column=Column(Moment, nullable=False))  # market time
    kind: str = Field(sa_type=Text)
    order_id: str = Field(sa_type=Text)
    schema_: int = Field(sa_column=Column("schema", Integer, nullable=False))
    policy: str = Field(sa_type=Text)
    code: str = Field(sa_type=Text)
    payload: str = Field(sa_type=Text)
    hash: str = Field(sa_type=Text)


class BookRow(Row, table=True):
    """The book after event ``seq``; one row. ``shape`` says which code can read it."""

    __tablename__ = "book"

    id: int = Field(primary_key=True)
    seq: int
    hash: str = Field(sa_type=Text)
    shape: str = Field(sa_type=Text)
    payload: str = Field(sa_type=Text)


REFUSED = "BEGIN SELECT RAISE(ABORT, 'events are append-only'); END"
APPEND_ONLY = (
    f"CREATE TRIGGER events_no_update BEFORE UPDATE ON events {REFUSED}",
    f"CREATE TRIGGER events_no_delete BEFORE DELETE ON events {REFUSED}",
    # INSERT OR REPLACE deletes without firing the trigger above.
    "CREATE TRIGGER events_no_replace BEFORE INSERT ON events"
    f" WHEN EXISTS (SELECT 1 FROM events WHERE seq = new.seq) {REFUSED}",
)
