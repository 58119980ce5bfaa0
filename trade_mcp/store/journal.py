"""Journal: the events behind an order and its trade, as they stand in the chain."""

from datetime import datetime

from msgspec import Struct

from trade_mcp.domain import events as e
from trade_mcp.store.engine import Reader
from trade_mcp.store.text import whenever

COLUMNS = "seq, at, order_id, policy, code, hash, payload"
ABOUT_SYMBOL = ("exits_changed", "peak_raised", "owner_changed", "dust_booked", "alarm")


class Entry(Struct, frozen=True):
    """One event with its place in the chain: which limits were in force, which code wrote it, its hash."""

    seq: int
    at: datetime
    order_id: str
    policy: str
    code: str
    hash: str
    event: e.AnyEvent


def of_orders(reader: Reader, order_ids: set[str]) -> list[Entry]:
    """Every event about these orders, oldest first."""
    marks = ", ".join("?" * len(order_ids))
    return _entries(reader, f"order_id IN ({marks}) ORDER BY seq", tuple(sorted(order_ids)))


def of_symbol(reader: Reader, symbol: str, *, first: int, last: int) -> list[Entry]:
    """What happened to the position in ``symbol`` between two events, oldest first: levels, peaks, owner, alarms."""
    marks = ", ".join("?" * len(ABOUT_SYMBOL))
    where = f"seq BETWEEN ? AND ? AND kind IN ({marks}) AND json_extract(payload, '$.symbol') = ? ORDER BY seq"
    return _entries(reader, where, (first, last, *ABOUT_SYMBOL, symbol))


def of_kinds(reader: Reader, kinds: tuple[str, ...], *, since: datetime | None, until: int) -> list[Entry]:
    """Events of ``kinds`` from market time ``since`` on, up to event ``until``, oldest first."""
    marks = ", ".join("?" * len(kinds))
    where = f"kind IN ({marks}) AND at >= ? AND seq <= ? ORDER BY seq"
    return _entries(reader, where, (*kinds, whenever(since) or "", until))


def _entries(reader: Reader, where: str, values: tuple[str | int, ...]) -> list[Entry]:
    rows = reader.rows(f"SELECT {COLUMNS} FROM events WHERE {where}", values)
    return [
        Entry(seq, datetime.fromisoformat(at), order_id, policy, code, hash, e.decode(payload))
        for seq, at, order_id, policy, code, hash, payload in rows
    ]
