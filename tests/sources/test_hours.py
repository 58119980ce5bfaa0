"""Sessions, half-days and holidays as the exchange has them; quiet hours by the clocks of their zone."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trade_mcp.domain.calendar import Span, merged, next_start, utc_days, within
from trade_mcp.domain.errors import BadConfig
from trade_mcp.sources.hours import TradingHours

SPY = "SPY/USD"
NEW_YORK = TradingHours([SPY], stocks=[SPY], exchange="XNYS")
ALWAYS = TradingHours(["BTC/USDT"])


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def session_of(day: str, hours: TradingHours = NEW_YORK) -> list[tuple[str, str]]:
    spans = hours.sessions(SPY, at(f"{day} 12:00"))
    assert spans is not None
    wanted = date.fromisoformat(day)
    return [(f"{s.start:%H:%M}", f"{s.end:%H:%M}") for s in spans if s.start.date() == wanted]


@pytest.mark.parametrize(
    ("day", "sessions"),
    [
        ("2024-03-08", [("14:30", "21:00")]),  # the last day of winter time
        ("2024-03-11", [("13:30", "20:00")]),  # the first of summer time
        ("2024-11-01", [("13:30", "20:00")]),
        ("2024-11-04", [("14:30", "21:00")]),
        ("2024-07-04", []),  # a holiday
        ("2024-07-03", [("13:30", "17:00")]),  # half a day
        ("2024-11-29", [("14:30", "18:00")]),
        ("2024-03-09", []),  # a Saturday
    ],
)
def test_new_york_trades_when_it_does(day: str, sessions: list[tuple[str, str]]) -> None:
    assert session_of(day) == sessions


def test_hong_kong_closes_at_noon_for_an_hour() -> None:
    hours = TradingHours([SPY], stocks=[SPY], exchange="XHKG")
    assert session_of("2024-03-11", hours) == [("01:30", "04:00"), ("05:00", "08:00")]
    monday = hours.days(at("2024-03-11 06:00"))
    assert (monday.day, monday.next_day) == (at("2024-03-11 01:30"), at("2024-03-12 01:30"))


def test_the_next_session_is_known_over_a_long_weekend() -> None:
    spans = NEW_YORK.sessions(SPY, at("2024-03-29 15:00"))  # Good Friday
    assert spans is not None
    assert within(spans, at("2024-03-29 15:00")) is None
    assert next_start(spans, at("2024-03-29 15:00")) == at("2024-04-01 13:30")


def test_crypto_trades_always_even_beside_stocks() -> None:
    both = TradingHours([SPY, "BTC/USDT"], stocks=[SPY])
    assert both.sessions("BTC/USDT", at("2024-07-04 15:00")) is None
    assert both.days(at("2024-07-04 15:00")).day == at("2024-07-04 00:00")


def test_the_day_of_a_stock_begins_with_its_session_and_lasts_over_the_weekend() -> None:
    friday = NEW_YORK.days(at("2024-03-08 15:00"))
    assert friday == NEW_YORK.days(at("2024-03-10 15:00"))
    assert (friday.day, friday.next_day) == (at("2024-03-08 14:30"), at("2024-03-11 13:30"))
    assert (friday.week, friday.next_week) == (at("2024-03-04 14:30"), at("2024-03-11 13:30"))
    assert NEW_YORK.days(at("2024-03-11 13:29")) == friday
    assert NEW_YORK.days(at("2024-03-11 13:30")).week == at("2024-03-11 13:30")


@pytest.mark.parametrize(
    ("now", "quiet"),
    [
        ("2024-03-30 20:59", False),  # 21:59 in Berlin, winter time
        ("2024-03-30 21:00", True),
        ("2024-03-31 03:59", True),  # the clocks went forward at 01:00: the night is an hour shorter
        ("2024-03-31 04:00", False),
        ("2024-10-26 20:00", True),
        ("2024-10-27 04:59", True),  # and back: an hour longer
        ("2024-10-27 05:00", False),
    ],
)
def test_quiet_hours_follow_the_clocks_of_their_zone(now: str, quiet: bool) -> None:
    spans = ALWAYS.quiet(("22:00-06:00 Europe/Berlin",), at(now))
    assert (within(spans, at(now)) is not None) is quiet


def test_quiet_hours_without_a_zone_are_utc_and_may_touch() -> None:
    spans = ALWAYS.quiet(("06:00-07:00", "22:00-06:00"), at("2024-03-31 12:00"))
    assert within(spans, at("2024-03-31 06:30")) == Span(at("2024-03-30 22:00"), at("2024-03-31 07:00"))


def test_a_zone_or_an_exchange_nobody_knows_is_refused() -> None:
    with pytest.raises(BadConfig, match="names the zone 'Mars/Phobos'"):
        ALWAYS.check(("22:00-06:00 Mars/Phobos",), at("2024-01-01 00:00"))
    with pytest.raises(BadConfig) as error:
        TradingHours([SPY], stocks=[SPY], exchange="XNYZ").check((), at("2024-01-01 00:00"))
    assert "XNY" in error.value.hint


@given(st.floats(0, 4e9).map(lambda second: datetime.fromtimestamp(second, UTC)))
def test_every_moment_lies_in_its_day_and_its_week(now: datetime) -> None:
    days = utc_days(now)
    assert days.week <= days.day <= now < days.next_day <= days.next_week
    assert days.next_day - days.day == timedelta(days=1) and days.week.weekday() == 0


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 9)), max_size=6), st.integers(0, 60))
def test_merged_spans_cover_the_same_time(pairs: list[tuple[int, int]], minute: int) -> None:
    start = at("2024-01-01 00:00")
    spans = [Span(start + timedelta(minutes=a), start + timedelta(minutes=a + length)) for a, length in pairs]
    now = start + timedelta(minutes=minute)
    assert (within(merged(spans), now) is not None) == any(span.start <= now < span.end for span in spans)
