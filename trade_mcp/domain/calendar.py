"""Calendar: spans of time in which a venue is open or entries rest, and when a day and a week begin. Pure; all UTC."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from operator import attrgetter

from msgspec import Struct

DAY, WEEK = timedelta(days=1), timedelta(weeks=1)
_start = attrgetter("start")


class Span(Struct, frozen=True, gc=False):
    """From ``start`` (included) to ``end`` (not)."""

    start: datetime
    end: datetime


class Days(Struct, frozen=True, gc=False):
    """Where ``now`` lies: when its day and its week began, and when the next ones do."""

    day: datetime
    next_day: datetime
    week: datetime
    next_week: datetime


def within(spans: Sequence[Span], at: datetime) -> Span | None:
    """The span that ``at`` lies in; ``spans`` are in order and apart."""
    number = bisect_right(spans, at, key=_start) - 1
    return spans[number] if number >= 0 and at < spans[number].end else None


def next_start(spans: Sequence[Span], at: datetime) -> datetime | None:
    """When the first span after ``at`` begins; None if none is known."""
    number = bisect_right(spans, at, key=_start)
    return spans[number].start if number < len(spans) else None


def utc_days(now: datetime) -> Days:
    """Days from midnight to midnight, weeks from Monday, in UTC: of what trades around the clock.

    >>> utc_days(datetime(2024, 3, 10, 15, tzinfo=UTC)).week
    datetime.datetime(2024, 3, 4, 0, 0, tzinfo=datetime.timezone.utc)
    """
    day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    week = day - timedelta(days=day.weekday())
    return Days(day, day + DAY, week, week + WEEK)


def session_days(sessions: Sequence[Span], now: datetime) -> Days:
    """Days from one session's open to the next one's, weeks from the first session of each: of what trades in sessions.

    ``sessions`` reach at least two weeks back and ahead.
    """
    number = bisect_right(sessions, now, key=_start) - 1
    monday = utc_days(sessions[number].start).week
    first = bisect_right(sessions, monday, key=_start)
    following = bisect_right(sessions, monday + WEEK, key=_start)
    return Days(sessions[number].start, sessions[number + 1].start, sessions[first].start, sessions[following].start)


def merged(spans: Sequence[Span]) -> tuple[Span, ...]:
    """The same time in spans that are in order and apart."""
    found: list[Span] = []
    for span in sorted(spans, key=_start):
        if found and span.start <= found[-1].end:
            found[-1] = Span(found[-1].start, max(found[-1].end, span.end))
        else:
            found.append(span)
    return tuple(found)
