"""Span: the stretch of market time that is asked about: a day, a week, 36h, or from one date to another."""

from datetime import UTC, date, datetime, timedelta

from msgspec import Struct

from trade_mcp.domain.errors import BadInput
from trade_mcp.domain.market import period

NAMED = {"day": timedelta(days=1), "week": timedelta(weeks=1), "month": timedelta(days=30)}
ALL = "all"
MOMENT = "a date (2023-01-31) or a time with its zone (2023-01-31T12:00Z)"
HINT = "for example day, week, month, 36h, 7d, 4w or all"


class Asked(Struct, frozen=True):
    """What somebody asked for. Without an end it ends now; without length and start it begins with the ledger."""

    length: timedelta | None = None
    start: datetime | None = None
    end: datetime | None = None


EVER = Asked()


class Span(Struct, frozen=True):
    """The stretch itself, from ``start`` (included) to ``end`` (not included, where it was asked for).

    ``start`` and ``end`` are None while the ledger is empty. ``whole``: it reaches back to the ledger's beginning.
    """

    start: datetime | None
    end: datetime | None
    whole: bool
    ends: bool  # whether the end was asked for; else it is the newest the ledger knows

    def __contains__(self, at: datetime) -> bool:
        return (self.whole or (self.start is not None and at >= self.start)) and not (
            self.ends and self.end is not None and at >= self.end
        )


def span_of(asked_: Asked, *, begun: datetime | None, reached: datetime | None) -> Span:
    """What ``asked_`` means on a ledger that began at ``begun`` and knows the market until ``reached``."""
    end = asked_.end or reached
    start = asked_.start
    if asked_.length is not None and end is not None:
        start = end - asked_.length
    whole = start is None or begun is None or start <= begun
    return Span(begun if whole else start, end, whole, asked_.end is not None)


def asked(period_: str | None = None, *, start: str | None = None, end: str | None = None) -> Asked:
    """What the words mean. Raises BadInput.

    >>> asked("week").length.days, asked(start="2023-01-31").start.isoformat()
    (7, '2023-01-31T00:00:00+00:00')
    """
    begin, last = _moment("from", start), _moment("to", end)
    length = _length(period_)
    if begin is not None and length is not None:
        raise BadInput("a period and a start say the same thing twice", hint="give --period, or --from and --to")
    if begin is not None and last is not None and begin >= last:
        raise BadInput(f"from {start} to {end} is no time at all", hint="the end is after the start")
    return Asked(length, begin, last)


def _length(text: str | None) -> timedelta | None:
    if text is None or text == ALL:
        return None
    if text in NAMED:
        return NAMED[text]
    try:
        return period(text)
    except BadInput as error:
        raise BadInput(error.message, hint=HINT) from None


def _moment(name: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text) if len(text) > 10 else date.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{name} {text!r} is not a time", hint=MOMENT) from None
    if not isinstance(at, datetime):
        return datetime(at.year, at.month, at.day, tzinfo=UTC)
    if at.tzinfo is None:
        raise BadInput(f"{name} {text} has no zone: it could mean two moments", hint=MOMENT)
    return at.astimezone(UTC)
