"""Snapshot: the book as of an event, so that a start need not fold everything. A cache: it may always be absent."""

import hashlib
import sqlite3

import msgspec

from trade_mcp.domain.book import Book
from trade_mcp.store.chain import GENESIS
from trade_mcp.store.engine import Reader
from trade_mcp.store.text import as_json

EVERY = 64  # events

KEEP = "INSERT OR REPLACE INTO book (id, seq, hash, shape, payload) VALUES (1, ?, ?, ?, ?)"


class Tip(msgspec.Struct, frozen=True):
    """A book, and the hash of the event it stands at."""

    book: Book
    hash: str = GENESIS


def shape(code: str) -> str:
    """Which programs may start from a snapshot: those with this code, and with a book of the same fields."""
    fields = msgspec.json.encode(msgspec.json.schema(Book))
    return hashlib.sha256(code.encode() + b"\n" + fields).hexdigest()[:16]


def keep(cursor: sqlite3.Cursor, tip: Tip, *, shape: str) -> None:
    """Write the snapshot of ``tip``."""
    cursor.execute(KEEP, (tip.book.seq, tip.hash, shape, as_json(tip.book)))


def kept(reader: Reader, *, shape: str) -> Tip:
    """The snapshot that stands, or the empty book if there is none that this program can read."""
    found = reader.row("SELECT hash, payload FROM book WHERE shape = ?", (shape,))
    if found is None:
        return Tip(Book())
    try:
        return Tip(msgspec.json.decode(found[1], type=Book), found[0])
    except msgspec.DecodeError:  # damaged: the events tell the same, and the next snapshot takes its place
        return Tip(Book())
