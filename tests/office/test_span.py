"""Spans of market time: what people write, and what it means on a ledger."""

from datetime import UTC, datetime, timedelta

import pytest

from trade_mcp.domain.errors import BadInput
from trade_mcp.office.span import Asked, asked, span_of

BEGUN = datetime(2023, 3, 1, tzinfo=UTC)
NOW = datetime(2023, 3, 9, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "hours"), [("90m", 1.5), ("24h", 24), ("7d", 168), ("2w", 336), ("day", 24), ("week", 168), ("month", 720)]
)
def test_lengths(text: str, hours: float) -> None:
    assert asked(text) == Asked(timedelta(hours=hours))


@pytest.mark.parametrize("text", ["", "d", "7", "-7d", "1.5d", "7 d", "7days", "0d", "9" * 30 + "d", "٣d", "year"])
def test_what_is_not_a_period_is_refused_with_examples(text: str) -> None:
    with pytest.raises(BadInput, match="not a period") as refused:
        asked(text)
    assert "week" in refused.value.hint


@pytest.mark.parametrize(
    ("period", "start", "end", "said"),
    [
        ("7d", "2023-03-01", None, "twice"),
        (None, "2023-03-02", "2023-03-02", "no time at all"),
        (None, "yesterday", None, "not a time"),
        (None, "2023-03-01T12:00", None, "no zone"),
    ],
)
def test_what_contradicts_itself_or_could_mean_two_moments(
    period: str | None, start: str | None, end: str | None, said: str
) -> None:
    with pytest.raises(BadInput, match=said):
        asked(period, start=start, end=end)


def test_a_length_ends_where_the_ledger_has_come_to() -> None:
    span = span_of(asked("day"), begun=BEGUN, reached=NOW)
    assert (span.start, span.end, span.whole) == (NOW - timedelta(days=1), NOW, False)
    assert NOW in span
    assert NOW - timedelta(days=2) not in span


def test_more_than_there_is_begins_with_the_ledger() -> None:
    span = span_of(asked("month"), begun=BEGUN, reached=NOW)
    assert (span.start, span.whole) == (BEGUN, True)


def test_dates_take_the_first_day_and_leave_the_last() -> None:
    span = span_of(asked(start="2023-03-02", end="2023-03-04"), begun=BEGUN, reached=NOW)
    assert datetime(2023, 3, 2, tzinfo=UTC) in span
    assert datetime(2023, 3, 4, tzinfo=UTC) not in span
    span = span_of(asked("day", end="2023-03-04"), begun=BEGUN, reached=NOW)
    assert (span.start, span.end) == (datetime(2023, 3, 3, tzinfo=UTC), datetime(2023, 3, 4, tzinfo=UTC))


def test_an_empty_ledger_has_no_span_yet() -> None:
    span = span_of(asked("day"), begun=None, reached=None)
    assert (span.start, span.end) == (None, None)
