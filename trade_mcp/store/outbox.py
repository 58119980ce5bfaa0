"""Outbox: messages wait here until a channel has taken them, so that none is lost and a dead channel stops nothing.

A crash between the sending and its mark sends a message once more, with the same message id.
"""

from datetime import datetime, timedelta

import msgspec
from msgspec import Struct

from trade_mcp.ports import Message
from trade_mcp.store.engine import Engine, Reader
from trade_mcp.store.projections import insert
from trade_mcp.store.text import when

ADD = insert("outbox", "channel, message_id, subject, payload, state, attempts, made_at, next_at, error")
DUE = (
    "SELECT id, channel, attempts, payload FROM outbox WHERE state = 'queued' AND next_at <= ? AND channel = ?"
    " ORDER BY id LIMIT 1"
)
STATE = (
    "SELECT channel, sum(state = 'queued'), sum(state = 'failed'), max(id) FROM outbox"
    " GROUP BY channel ORDER BY channel"
)
SOONEST, LATEST = timedelta(seconds=10), timedelta(hours=1)  # between two tries
PATIENCE = timedelta(days=3)  # then it counts as failed


class Due(Struct, frozen=True):
    """One message to be sent now."""

    id: int
    channel: str
    attempts: int
    message: Message


class ChannelState(Struct, frozen=True):
    """What waits at one channel, what failed for good, and why the newest could not be sent."""

    channel: str
    queued: int
    failed: int
    error: str


def put(engine: Engine, message: Message, channels: tuple[str, ...], *, now: datetime) -> None:
    """Keep ``message`` for every channel, in one transaction."""
    payload, at = msgspec.json.encode(message).decode(), when(now)
    with engine.transaction() as cursor:
        cursor.executemany(
            ADD,
            [(channel, message.id, message.subject, payload, "queued", 0, at, at, "") for channel in channels],
        )


def due(reader: Reader, channel: str, *, now: datetime) -> Due | None:
    """The oldest message that ``channel`` should try now."""
    found = reader.row(DUE, (when(now), channel))
    if found is None:
        return None
    number, name, attempts, payload = found
    return Due(number, name, attempts, msgspec.json.decode(payload, type=Message))


def sent(engine: Engine, one: Due) -> None:
    """It was taken."""
    with engine.transaction() as cursor:
        cursor.execute("UPDATE outbox SET state = 'sent', payload = '', error = '' WHERE id = ?", (one.id,))


def not_sent(engine: Engine, one: Due, error: str, *, retry: bool, now: datetime) -> bool:
    """It was not taken: tried again later and later, or failed for good. Whether it will be tried again."""
    wait = min(SOONEST * 2 ** min(one.attempts, 10), LATEST)
    with engine.transaction() as cursor:
        (made_at,) = cursor.execute("SELECT made_at FROM outbox WHERE id = ?", (one.id,)).fetchone()
        again = retry and now - datetime.fromisoformat(made_at) < PATIENCE
        cursor.execute(
            "UPDATE outbox SET attempts = attempts + 1, error = ?, next_at = ?, state = ? WHERE id = ?",
            (error[:300], when(now + wait), "queued" if again else "failed", one.id),
        )
    return again


def states(reader: Reader) -> list[ChannelState]:
    """Every channel that ever had a message."""
    found = []
    for channel, queued, failed, newest in reader.rows(STATE):
        (error,) = reader.row("SELECT error FROM outbox WHERE id = ?", (newest,)) or ("",)
        found.append(ChannelState(channel, queued, failed, error))
    return found


def drop_old(engine: Engine, *, before: datetime) -> int:
    """Forget what was sent or failed before real time ``before``; how many."""
    with engine.transaction() as cursor:
        cursor.execute("DELETE FROM outbox WHERE state != 'queued' AND made_at < ?", (when(before),))
        return cursor.rowcount
