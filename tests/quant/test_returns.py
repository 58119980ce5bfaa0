"""Curves of equity and the ratios made of them: by hand, by ffn, and never out of nothing."""

import math

import ffn
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trade_mcp.quant.returns import (
    DAY_MS,
    HOUR_MS,
    YEAR_DAYS,
    Curve,
    calmar,
    grid,
    max_drawdown,
    return_measures,
    sharpe,
    sortino,
    step_returns,
)


def curve(*equity: float, flow: tuple[float, ...] = (), step_ms: int = DAY_MS) -> Curve:
    values = np.array(equity, float)
    came = np.array(flow, float) if flow else np.zeros(len(values))
    return Curve(np.arange(len(values), dtype=np.int64) * step_ms, values, came)


@pytest.mark.parametrize(
    ("equity", "flow", "deepest"),
    [
        ((), (), 0.0),
        ((100,), (), 0.0),
        ((100, 80, 120, 90), (), 0.25),
        ((100, 50), (0, -50), 0.0),
        ((100, 150, 135), (0, 50, 0), 0.1),
        ((100, 90, 190), (0, 0, 100), 0.1),
        ((0,), (), 0.0),
    ],
)
def test_drawdown_is_from_the_peak_and_net_of_flows(
    equity: tuple[float, ...], flow: tuple[float, ...], deepest: float
) -> None:
    assert max_drawdown(curve(*equity, flow=flow)) == pytest.approx(deepest)


def test_growth_leaves_out_what_came_by_other_hands() -> None:
    assert curve(100, 210, 231, flow=(0, 100, 0)).growth == pytest.approx([1.0, 1.1, 1.21])
    assert len(curve().growth) == 0
    assert np.isnan(curve(100, 0, 50).growth[-1])


def test_steps_hold_the_last_value_between_the_marks() -> None:
    marked = Curve(np.array([0, HOUR_MS // 2, 3 * HOUR_MS], np.int64), np.array([100.0, 110.0, 121.0]), np.zeros(3))
    assert step_returns(marked, HOUR_MS, 4 * HOUR_MS) == pytest.approx([0.1, 0.0, 0.1, 0.0])


def test_hours_for_a_short_and_days_for_a_long_or_coarse_curve() -> None:
    assert grid(curve(1, 2, 3, step_ms=60_000), 7 * DAY_MS)[0] == "hourly returns"
    assert grid(curve(1, 2, 3, step_ms=60_000), 60 * DAY_MS)[0] == "daily returns"
    assert grid(curve(1, 2, 3, step_ms=4 * HOUR_MS), 2 * DAY_MS)[0] == "daily returns"


# 36 returns: +2 % thirty times, -1 % six times. Mean 0.015; the squares about it sum to 30 * 0.005^2 + 6 * 0.025^2
# = 0.0045, over 35, its root is 0.01133893. Below zero: 6 * 0.0001 over 36, its root is 0.00408248.
HAND = np.array([0.02] * 30 + [-0.01] * 6)


def test_ratios_worked_by_hand() -> None:
    found = sharpe(HAND, 1.0, of="returns")
    assert found.value == pytest.approx(0.015 / 0.01133893, rel=1e-6)
    assert found.sample == 36
    assert sortino(HAND, 1.0, of="returns").value == pytest.approx(0.015 / 0.00408248, rel=1e-6)
    assert sharpe(HAND, 4.0, of="returns").value == pytest.approx(2 * 0.015 / 0.01133893, rel=1e-6)
    # From 100 over 120 and 90 to 108 in half a year: growth 1.08^2 - 1 = 0.1664 a year, the worst fall a quarter.
    half = Curve(
        np.array([0, DAY_MS, 2 * DAY_MS, 182.625 * DAY_MS], np.int64), np.array([100.0, 120, 90, 108]), np.zeros(4)
    )
    found = calmar(half, int(182.625 * DAY_MS))
    assert found.value == pytest.approx(0.1664 / 0.25)
    assert (found.sample, found.of) == (182, "days")


@given(st.integers(0, 2**32 - 1), st.integers(40, 400))
def test_ratios_agree_with_ffn(seed: int, days: int) -> None:
    random = np.random.default_rng(seed)
    prices = 100 * np.cumprod(1 + random.normal(0.001, 0.02, days))
    series = pd.Series(prices, index=pd.date_range("2023-01-01", periods=days, freq="D"))
    ours = curve(*prices)
    until = (days - 1) * DAY_MS
    returns = step_returns(ours, DAY_MS, until)
    theirs = series.pct_change().dropna()
    assert returns == pytest.approx(theirs.to_numpy())
    assert sharpe(returns, YEAR_DAYS, of="").value == pytest.approx(ffn.calc_sharpe(theirs, nperiods=YEAR_DAYS))
    assert sortino(returns, YEAR_DAYS, of="").value == pytest.approx(ffn.calc_sortino_ratio(theirs, nperiods=YEAR_DAYS))
    assert max_drawdown(ours) == pytest.approx(-ffn.calc_max_drawdown(series))
    assert calmar(ours, until).value == pytest.approx(ffn.calc_calmar_ratio(series))


@pytest.mark.parametrize(
    ("made", "until", "missing"),
    [
        (curve(), 0, ("not enough hourly returns: 0 of 30",) * 2 + ("not enough days: 0 of 30",)),
        (curve(100), 2 * DAY_MS, ("equity did not move", "equity never fell", "not enough days: 2 of 30")),
        (curve(100), 90 * DAY_MS, ("equity did not move", "equity never fell", "equity never fell")),
        (curve(100, 0), 90 * DAY_MS, ("not enough daily returns: 1 of 30",) * 2 + ("equity was lost",)),
    ],
)
def test_what_is_not_known_says_why(made: Curve, until: int, missing: tuple[str, ...]) -> None:
    found = return_measures(made, until)
    assert [measure.value for measure in found.values()] == [None] * 3
    assert tuple(measure.missing for measure in found.values()) == missing


@given(st.lists(st.integers(-10, 1_000_000), max_size=80), st.integers(0, 400))
def test_no_curve_gives_a_number_that_is_none(equity: list[int], days: int) -> None:
    for measure in return_measures(curve(*equity), days * DAY_MS).values():
        assert measure.value is None or math.isfinite(measure.value)
        assert (measure.value is None) == bool(measure.missing)
