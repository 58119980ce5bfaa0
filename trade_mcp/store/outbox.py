"""Outbox: messages wait here until a channel has taken them, so that none is lost and a dead channel stops nothing.

Whoever hands a message over claims it first: no other does so meanwhile. A crash between the sending and its mark sends
a message once more when the claim has run out, with the same message id.
"""

import sqlite3
from datetime import datetime, timedelta

import msgspec
from msgspec import Struct, structs

from trade_mcp.ports import Message
from trade_mcp.store.engine import Engine, Reader
from trade_mcp.store.projections import insert
from trade_mcp.store.text import when, whenever

ADD = insert("outbox", "channel, message_id, severity, subject, payload, state, attempts, made_at, next_at, error")
# The least tried first: one that no server survives keeps none behind it.
WAITING = "SELECT id FROM outbox WHERE state = 'queued' AND next_at <= ? AND channel = ? ORDER BY attempts, id LIMIT 1"
CLAIM = (
    f"UPDATE outbox SET attempts = attempts + 1, next_at = ? WHERE id = ({WAITING})"
    " RETURNING id, channel, attempts, made_at, payload"
)
SENT = "UPDATE outbox SET state = 'sent', payload = '', error = '' WHERE id = ?"
NOT_SENT = "UPDATE outbox SET state = ?, next_at = coalesce(?, next_at), error = ?, payload = ? WHERE id = ?"
STATES = (
    "SELECT channel, sum(state = 'queued'), sum(state = 'failed'), min(CASE state WHEN 'queued' THEN made_at END)"
    " FROM outbox GROUP BY channel ORDER BY channel"
)
ERROR = "SELECT error FROM outbox WHERE channel = ? AND error != '' ORDER BY state DESC, next_at DESC LIMIT 1"
ALERTS = (
    "SELECT count(DISTINCT message_id) FROM outbox WHERE made_at >= ? AND severity != ''"
    " AND (severity = 'critical') = ?"
)
CLAIMED = timedelta(minutes=2)  # longer than a channel may take
SOONEST, LATEST = timedelta(seconds=10), timedelta(minutes=15)  # between two tries
PATIENCE = timedelta(days=7)  # then it counts as failed
LONGEST = 300  # characters of an error


class Claimed(Struct, frozen=True):
    """One message to be handed over now, for the ``attempts``-th time."""

    id: int
    channel: str
    attempts: int
    made_at: datetime
    message: Message


class ChannelState(Struct, frozen=True):
    """What waits at one channel and since when, how many failed for good, and why what was not sent was not."""

    channel: str
    queued: int
    failed: int
    error: str
    since: datetime | None = None


def put(engine: Engine, message: Message, channels: tuple[str, ...], *, now: datetime) -> None:
    """Keep ``message`` for every channel, in one transaction."""
    with engine.transaction() as cursor:
        add(cursor, message, channels, now=now)


def add(cursor: sqlite3.Cursor, message: Message, channels: tuple[str, ...], *, now: datetime) -> None:
    """Keep ``message`` for every channel, with whatever else the transaction of ``cursor`` does."""
    payload, at = msgspec.json.encode(message).decode(), when(now)
    said = (message.id, message.severity, message.subject, payload)
    cursor.executemany(ADD, [(channel, *said, "queued", 0, at, at, "") for channel in channels])


def waits(reader: Reader, channel: str, *, now: datetime) -> bool:
    """Whether ``channel`` has a message to try now."""
    return reader.row(WAITING, (when(now), channel)) is not None


def claim(engine: Engine, channel: str, *, now: datetime) -> Claimed | None:
    """The message that ``channel`` should try now; for a while nobody else gets it."""
    with engine.transaction() as cursor:
        found = cursor.execute(CLAIM, (when(now + CLAIMED), when(now), channel)).fetchone()
    if found is None:
        return None
    number, name, attempts, made_at, payload = found
    message = msgspec.json.decode(payload, type=Message)
    return Claimed(number, name, attempts, datetime.fromisoformat(made_at), message)


def sent(engine: Engine, one: Claimed) -> None:
    """It was taken."""
    with engine.transaction() as cursor:
        cursor.execute(SENT, (one.id,))


def not_sent(engine: Engine, one: Claimed, error: str, *, left: tuple[str, ...], again: datetime | None) -> None:
    """It was not taken, or not by those ``left``: tried ``again`` at that real time, or failed for good."""
    payload = msgspec.json.encode(structs.replace(one.message, to=left or one.message.to)).decode()
    state = "failed" if again is None else "queued"
    with engine.transaction() as cursor:
        cursor.execute(NOT_SENT, (state, whenever(again), error[:LONGEST], payload, one.id))


def pause(attempts: int) -> timedelta:
    """How long to wait after so many tries in vain."""
    return min(SOONEST * (1 << min(attempts - 1, 10)), LATEST)


def alerts_since(cursor: sqlite3.Cursor, since: datetime, *, critical: bool) -> int:
    """How many alerts, critical ones or others, were put here since real time ``since``."""
    return int(cursor.execute(ALERTS, (when(since), critical)).fetchone()[0])


def states(reader: Reader) -> list[ChannelState]:
    """Every channel that ever had a message."""
    found = []
    for channel, queued, failed, oldest in reader.rows(STATES):
        (error,) = reader.row(ERROR, (channel,)) or ("",)
        since = None if oldest is None else datetime.fromisoformat(oldest)
        found.append(ChannelState(channel, queued, failed, error, since))
    return found


def drop_old(engine: Engine, *, before: datetime) -> int:
    """Forget what was sent or failed before real time ``before``; how many."""
    with engine.transaction() as cursor:
        cursor.execute("DELETE FROM outbox WHERE state != 'queued' AND made_at < ?", (when(before),))
        return cursor.rowcount
