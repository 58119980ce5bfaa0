"""How far the price went during a trade: whole candles inside it, its own prices, and nothing made up."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal as D

import numpy as np
import pytest

from trade_mcp.domain.order import Source
from trade_mcp.quant.candles import Candles, ms_of
from trade_mcp.quant.excursions import excursion
from trade_mcp.quant.performance import Trade

START = datetime(2024, 1, 1, tzinfo=UTC)


def candles(*ranges: tuple[float, float], missing: tuple[int, ...] = ()) -> Candles:
    """One candle a minute from START, each with its low and high."""
    kept = [number for number in range(len(ranges)) if number not in missing]
    opens = np.array([ms_of(START) + number * 60_000 for number in kept], np.int64)
    low = np.array([ranges[number][0] for number in kept])
    high = np.array([ranges[number][1] for number in kept])
    return Candles("BTC/USDT", "1m", opens, low, high, low, high, np.ones(len(kept)))


def trade(opened_s: float, closed_s: float | None, *, entry: str = "100", exit: str = "101", kind: str = "") -> Trade:
    return Trade(
        symbol="BTC/USDT",
        strategy="",
        source=Source.LOOP,
        entry_id="e",
        opened=START + timedelta(seconds=opened_s),
        closed=None if closed_s is None else START + timedelta(seconds=closed_s),
        exit_kind=kind,
        size=D(1),
        cost=D(entry),
        sold=D(1),
        proceeds=D(exit),
    )


FOUR = candles((90, 110), (98, 103), (97, 105), (80, 120))


def test_only_whole_candles_inside_the_trade_count() -> None:
    found = excursion(trade(60, 180), FOUR)
    assert found is not None
    assert (found.best, found.worst) == (pytest.approx(0.05), pytest.approx(0.03))
    assert (found.candles, found.missing) == (2, 0)
    for opened, closed in ((59.999, 180.5), (30, 239.999)):  # what began before, or ends after, is not the trade's
        assert excursion(trade(opened, closed), FOUR) == found
    late = excursion(trade(60.0004, 180), FOUR)
    assert late is not None
    assert late.candles == 1


def test_the_candle_of_a_stop_counts_by_the_exit_price_alone() -> None:
    found = excursion(trade(60, 240, exit="96", kind="stop"), FOUR)
    assert found is not None
    assert (found.best, found.worst, found.candles) == (pytest.approx(0.05), pytest.approx(0.04), 2)
    inside = excursion(trade(60, 240, exit="96", kind="model"), FOUR)
    assert inside is not None
    assert (inside.best, inside.worst) == (pytest.approx(0.2), pytest.approx(0.2))


def test_it_never_went_less_than_nothing() -> None:
    found = excursion(trade(60, 120, entry="120", exit="121"), candles((1, 1), (122, 123)))
    assert found is not None
    assert (found.best, found.worst) == (pytest.approx(3 / 120), 0.0)


def test_missing_candles_are_counted() -> None:
    found = excursion(trade(0, 240), candles(*[(99, 101)] * 4, missing=(1, 2)))
    assert found is not None
    assert (found.candles, found.missing) == (2, 2)


@pytest.mark.parametrize(
    "one",
    [
        trade(60, None),
        trade(61, 100),
        trade(600, 900),
        trade(-600, 0),
        trade(180, 240, kind="stop"),
    ],
    ids=["open", "shorter than a candle", "after the candles", "before them", "ended in its first candle"],
)
def test_without_a_candle_it_is_unknown(one: Trade) -> None:
    assert excursion(one, FOUR) is None


def test_no_candles_at_all() -> None:
    assert excursion(trade(0, 240), candles()) is None
