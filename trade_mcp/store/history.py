"""History: events read back by kind: what was refused, what raised an alarm, when trading stopped."""

from collections import Counter
from datetime import datetime
from typing import Any

from trade_mcp.domain import events as e
from trade_mcp.store.engine import Reader
from trade_mcp.store.text import when, whenever


def events(
    reader: Reader,
    kinds: tuple[type[e.Event], ...],
    *,
    since: datetime | None = None,
    until: int | None = None,
    last: int | None = None,
) -> list[e.Event]:
    """Events of ``kinds``, oldest first: from market time ``since`` on, up to event ``until``, the ``last`` so many."""
    tags = [str(kind.__struct_config__.tag) for kind in kinds]
    where, values = [f"kind IN ({', '.join('?' * len(tags))})"], list[Any](tags)
    if since is not None:
        where.append("at >= ?")
        values.append(when(since))
    if until is not None:
        where.append("seq <= ?")
        values.append(until)
    sql = f"SELECT payload FROM events WHERE {' AND '.join(where)} ORDER BY seq DESC"
    if last is not None:
        sql += " LIMIT ?"
        values.append(last)
    return [e.decode(payload) for (payload,) in reversed(reader.rows(sql, values))]


def since(
    reader: Reader, kinds: tuple[type[e.Event], ...], *, after: int, earliest: datetime | None = None, most: int = 500
) -> list[tuple[int, e.Event]]:
    """The next events of ``kinds`` after event ``after``, with their numbers, oldest first.

    None from before market time ``earliest``.
    """
    tags = [str(kind.__struct_config__.tag) for kind in kinds]
    sql = (
        f"SELECT seq, payload FROM events WHERE kind IN ({', '.join('?' * len(tags))}) AND seq > ?"
        " AND (? IS NULL OR at >= ?) ORDER BY seq LIMIT ?"
    )
    begin = whenever(earliest)
    return [(seq, e.decode(payload)) for seq, payload in reader.rows(sql, (*tags, after, begin, begin, most))]


def refused(
    reader: Reader, *, since: datetime | None = None, until: int | None = None, last: int | None = None
) -> list[e.OrderRefused]:
    """Requests the gate said no to, oldest first."""
    found = events(reader, (e.OrderRefused,), since=since, until=until, last=last)
    return [event for event in found if isinstance(event, e.OrderRefused)]


def refusals_by_rule(reader: Reader, *, since: datetime | None = None) -> dict[str, int]:
    """How often each rule said no, the busiest first."""
    return dict(Counter(rule for event in refused(reader, since=since) for rule, _ in event.rules).most_common())


def placed(
    reader: Reader, *, since: datetime | None = None, before: datetime | None = None, until: int | None = None
) -> list[tuple[str, str, int]]:
    """How many orders there are by source and status: those decided from market time ``since`` on, and ``before``."""
    sql = (
        "SELECT source, status, count(*) FROM orders WHERE (? IS NULL OR at >= ?) AND (? IS NULL OR at < ?)"
        " AND (? IS NULL OR placed <= ?) GROUP BY source, status ORDER BY source, status"
    )
    start, end = whenever(since), whenever(before)
    rows = reader.rows(sql, (start, start, end, end, until, until))
    return [(source, status, count) for source, status, count in rows]
