"""One contract for feeds that need no network: nobody sees a candle before its close, and what was seen stays."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trade_mcp.domain.errors import BadInput, NoPrice, UnknownSymbol
from trade_mcp.domain.market import TIMEFRAMES
from trade_mcp.feeds import FEEDS
from trade_mcp.ports import Feed
from trade_mcp.quant.candles import Candles, ms_of

from .files import made_candles, rows_of, write_csv

WARMUP = 100
MICROSECOND = timedelta(microseconds=1)
CENT = Decimal("0.01")


def made_synthetic(folder: Path) -> Feed:
    return FEEDS["synthetic"](("BTC/USDT", "ETH/USDT"), seed=3)


def made_replay(folder: Path) -> Feed:
    made = {"BTC/USDT": "700-715,2000-2011,2013-2013", "ETH/USDT": "5-9", "DOGE/USDT": ""}
    paths = []
    for symbol, gaps in made.items():
        path = folder / f"test_{symbol.replace('/', '')}_5m.csv"
        if not path.exists():
            write_csv(path, made_candles(symbol, count=4000, gaps=gaps))
        paths.append(path)
    return FEEDS["replay"](paths, warmup=WARMUP)


MAKERS: dict[str, Callable[[Path], Feed]] = {"synthetic": made_synthetic, "replay": made_replay}


@pytest.fixture(scope="module", params=sorted(MAKERS))
def make(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Feed]:
    folder = tmp_path_factory.mktemp(request.param)
    return lambda: MAKERS[request.param](folder)


@pytest.fixture(scope="module")
def feed(make: Callable[[], Feed]) -> Feed:
    return make()


seconds = st.floats(-86_400, 14 * 86_400)
limits = st.sampled_from([1, 2, 7, 100, 1000])


def buildable(feed: Feed) -> list[str]:
    base = TIMEFRAMES[feed.timeframe]
    return [name for name, length in TIMEFRAMES.items() if length % base == timedelta(0)]


def moment(feed: Feed, offset_s: float) -> datetime:
    return feed.start + timedelta(seconds=offset_s)


@given(offset=seconds, limit=limits, draw=st.data())
@settings(max_examples=60, deadline=None)
def test_nobody_sees_a_candle_before_its_close(feed: Feed, offset: float, limit: int, draw: st.DataObject) -> None:
    now, symbol = moment(feed, offset), draw.draw(st.sampled_from(feed.symbols))
    timeframe = draw.draw(st.sampled_from(buildable(feed)))
    seen = feed.candles(symbol, timeframe, now=now, limit=limit)
    assert (seen.symbol, seen.timeframe) == (symbol, timeframe)
    assert len(seen) <= limit
    assert not len(seen) or seen.last_close_at <= now
    assert len({len(array) for array in (seen.open_ms, seen.open, seen.high, seen.low, seen.close, seen.volume)}) == 1
    assert (np.diff(seen.open_ms) > 0).all()
    assert (seen.open_ms % ms_of(datetime(1970, 1, 1, tzinfo=UTC) + seen.step) == 0).all()
    assert (seen.low > 0).all() and (seen.volume >= 0).all()
    assert (seen.low <= np.minimum(seen.open, seen.close)).all()
    assert (seen.high >= np.maximum(seen.open, seen.close)).all()
    for bar in feed.bars(symbol, after=now - timedelta(hours=1), until=now):
        assert now - timedelta(hours=1) < bar.close_at <= now
    try:
        assert feed.quote(symbol, now=now).at <= now
    except NoPrice:
        assert not len(feed.candles(symbol, feed.timeframe, now=now, limit=1))


@given(offset=seconds, later=st.floats(0, 2 * 86_400), limit=limits, draw=st.data())
@settings(max_examples=40, deadline=None)
def test_what_was_seen_stays(feed: Feed, offset: float, later: float, limit: int, draw: st.DataObject) -> None:
    now, symbol = moment(feed, offset), draw.draw(st.sampled_from(feed.symbols))
    timeframe = draw.draw(st.sampled_from(buildable(feed)))
    before = rows_of(feed.candles(symbol, timeframe, now=now, limit=limit))
    more = limit + int(later / TIMEFRAMES[feed.timeframe].total_seconds()) + 1
    after = rows_of(feed.candles(symbol, timeframe, now=now + timedelta(seconds=later), limit=more))
    if before:
        at = after.index(before[0])
        assert after[at : at + len(before)] == before


@given(offset=seconds, limit=limits)
@settings(max_examples=20, deadline=None)
def test_a_feed_started_later_shows_the_same(make: Callable[[], Feed], feed: Feed, offset: float, limit: int) -> None:
    other, now = make(), moment(feed, offset)
    assert (other.identity, other.symbols, other.start, other.end) == (
        feed.identity,
        feed.symbols,
        feed.start,
        feed.end,
    )
    for symbol in feed.symbols:
        for timeframe in (feed.timeframe, "1h"):
            mine, its = (each.candles(symbol, timeframe, now=now, limit=limit) for each in (feed, other))
            assert rows_of(mine) == rows_of(its)


@pytest.mark.parametrize("timeframe", TIMEFRAMES)
def test_every_timeframe_equals_a_plain_reference(feed: Feed, timeframe: str) -> None:
    if timeframe not in buildable(feed):
        with pytest.raises(BadInput) as error:
            feed.candles(feed.symbols[0], timeframe, now=feed.start, limit=5)
        assert feed.timeframe in error.value.message and "15m" in error.value.hint
        return
    now = feed.start + timedelta(days=4, hours=7, minutes=13)
    for symbol in feed.symbols:
        base = feed.candles(symbol, feed.timeframe, now=now, limit=8_000)
        shown = feed.candles(symbol, timeframe, now=now, limit=8_000)
        expected = [row for row in plain_reference(base, timeframe) if row[0] >= base.open_ms[0]]
        got = rows_of(shown)[-len(expected) :]
        assert expected and len(shown) >= len(expected)
        assert [row[:5] for row in got] == [row[:5] for row in expected]
        assert [row[5] for row in got] == pytest.approx([row[5] for row in expected], abs=1e-7)
        assert all(repr(round(row[5], 8)) == repr(row[5]) for row in got)  # no 0.30000000000000004


def plain_reference(base: Candles, timeframe: str) -> list[tuple[int, float, float, float, float, float]]:
    """Bars by UTC bucket, only those whose end the newest base bar has reached."""
    step = int(TIMEFRAMES[timeframe].total_seconds() * 1000)
    buckets: dict[int, list[tuple[int, float, float, float, float, float]]] = {}
    for row in rows_of(base):
        buckets.setdefault(row[0] // step * step, []).append(row)
    done = ms_of(base.last_close_at)
    return [
        (
            start,
            rows[0][1],
            max(row[2] for row in rows),
            min(row[3] for row in rows),
            rows[-1][4],
            sum(row[5] for row in rows),
        )
        for start, rows in buckets.items()
        if start + step <= done
    ]


def test_the_newest_bars_are_the_end_of_more_bars(feed: Feed) -> None:
    for timeframe in buildable(feed):
        many = rows_of(feed.candles(feed.symbols[0], timeframe, now=feed.start + timedelta(days=5), limit=500))
        for limit in (1, 3, 60):
            few = rows_of(feed.candles(feed.symbols[0], timeframe, now=feed.start + timedelta(days=5), limit=limit))
            assert few == many[-limit:]


def test_at_the_start_the_lookback_is_there(feed: Feed) -> None:
    for symbol in feed.symbols:
        assert len(feed.candles(symbol, feed.timeframe, now=feed.start, limit=WARMUP)) == WARMUP
        assert feed.quote(symbol, now=feed.start).overdue_s(feed.start) == 0


@given(offset=st.floats(0, 10 * 86_400))
@settings(max_examples=60, deadline=None)
def test_a_quote_is_the_last_closed_bar(feed: Feed, offset: float) -> None:
    now = moment(feed, offset)
    for symbol in feed.symbols:
        quote, last = feed.quote(symbol, now=now), feed.candles(symbol, feed.timeframe, now=now, limit=1)
        (bar,) = feed.bars(symbol, after=last.last_close_at - MICROSECOND, until=now)
        assert (quote.symbol, quote.at, quote.synthetic) == (symbol, last.last_close_at, feed.synthetic)
        assert quote.due_at == quote.at + TIMEFRAMES[feed.timeframe]
        assert 0 < quote.bid < quote.ask
        assert quote.ask - quote.bid <= max(CENT, bar.close * Decimal("0.0003"))
        assert abs(quote.mid - bar.close) <= (quote.ask - quote.bid) / 2 + CENT
        assert quote.bid % CENT == quote.ask % CENT == 0


@given(cuts=st.lists(st.floats(0, 86_400), min_size=2, max_size=6))
@settings(max_examples=30, deadline=None)
def test_bars_in_parts_are_the_bars_in_one(feed: Feed, cuts: list[float]) -> None:
    moments = [moment(feed, cut) for cut in sorted(cuts)]
    for symbol in feed.symbols:
        whole = list(feed.bars(symbol, after=moments[0], until=moments[-1]))
        parts = [bar for after, until in pairwise(moments) for bar in feed.bars(symbol, after=after, until=until)]
        assert parts == whole
        assert feed.bars(symbol, after=moments[-1], until=moments[0]) == ([] if moments[0] != moments[-1] else whole)


def test_bars_are_the_candles_exactly(feed: Feed) -> None:
    now, day = feed.start + timedelta(days=3), timedelta(days=1)
    for symbol in feed.symbols:
        bars = feed.bars(symbol, after=now - day, until=now)
        rows = rows_of(feed.candles(symbol, feed.timeframe, now=now, limit=len(bars)))
        assert len(bars) > 200
        for bar, row in zip(bars, rows, strict=True):
            assert (ms_of(bar.open_at), bar.close_at - bar.open_at) == (row[0], TIMEFRAMES[feed.timeframe])
            exact = (bar.open, bar.high, bar.low, bar.close, bar.volume)
            assert tuple(map(float, exact)) == row[1:]
            assert all(len(str(number)) < 16 for number in exact)


def test_an_unknown_symbol_names_the_nearest(feed: Feed) -> None:
    asked: list[Callable[[str], object]] = [
        lambda symbol: feed.candles(symbol, feed.timeframe, now=feed.start, limit=5),
        lambda symbol: feed.quote(symbol, now=feed.start),
        lambda symbol: feed.bars(symbol, after=feed.start, until=feed.start),
    ]
    for ask in asked:
        for wrong in ("BTCUSDT", "btc/usdt", "BTC/USD"):
            with pytest.raises(UnknownSymbol) as error:
                ask(wrong)
            assert error.value.nearest[0] == "BTC/USDT"


@pytest.mark.parametrize(
    ("timeframe", "limit", "said"), [("7m", 5, "7m"), ("1h", 0, "limit is 0"), ("1h", -3, "limit is -3")]
)
def test_what_cannot_be_asked_is_refused(feed: Feed, timeframe: str, limit: int, said: str) -> None:
    with pytest.raises(BadInput, match=said) as error:
        feed.candles(feed.symbols[0], timeframe, now=feed.start, limit=limit)
    assert error.value.hint


def test_before_the_first_bar_there_is_no_price(feed: Feed) -> None:
    long_ago = datetime(1999, 1, 1, tzinfo=UTC)
    for symbol in feed.symbols:
        assert len(feed.candles(symbol, "1h", now=long_ago, limit=5)) == 0
        assert feed.bars(symbol, after=long_ago - timedelta(days=1), until=long_ago) == []
        with pytest.raises(NoPrice):
            feed.quote(symbol, now=long_ago)


def test_nobody_can_change_what_others_see(feed: Feed) -> None:
    for timeframe in (feed.timeframe, "1h"):
        for days in (1, 9):
            seen = feed.candles(feed.symbols[0], timeframe, now=feed.start + timedelta(days=days), limit=500)
            with pytest.raises(ValueError, match="read-only"):
                seen.close[0] = 1.0
