"""Gauges: numbers about the ledger that a monitor asks for every few seconds. One query each."""

from datetime import datetime

from trade_mcp.store.engine import MEMORY, Engine, Reader

PROTECTED = """
SELECT booked.at, (
    SELECT stopped.at FROM orders JOIN events AS stopped
        ON stopped.order_id = orders.order_id AND stopped.kind = 'order_working' AND stopped.seq > fills.seq
    WHERE orders.parent = fills.order_id AND orders.role = 'stop' ORDER BY stopped.seq LIMIT 1)
FROM fills JOIN events AS booked ON booked.seq = fills.seq
WHERE fills.role = 'entry' ORDER BY fills.seq DESC LIMIT ?
"""


def to_protected_s(reader: Reader, *, last: int) -> list[float]:
    """Seconds of market time from the booking of an entry's fill to its resting stop, newest first.

    Of the ``last`` fills; those that never had a stop of their own (sold at once, or covered already) are left out.
    """
    pairs = [(booked, stopped) for booked, stopped in reader.rows(PROTECTED, (last,)) if stopped is not None]
    return [
        (datetime.fromisoformat(stopped) - datetime.fromisoformat(booked)).total_seconds() for booked, stopped in pairs
    ]


def file_bytes(engine: Engine) -> int:
    """The size of the ledger on the disk, with what is not checkpointed yet; 0 in memory."""
    if engine.path == MEMORY:
        return 0
    files = (engine.path, engine.path.with_name(f"{engine.path.name}-wal"))
    return sum(file.stat().st_size for file in files if file.exists())
