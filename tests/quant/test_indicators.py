"""Indicators against the plain definition, bar by bar, and without TA-Lib until they are used."""

import subprocess
import sys

import numpy as np
import pytest
import talib  # noqa: F401  its first import is slow where pandas is installed: not in a test that is timed
from hypothesis import given
from hypothesis import strategies as st

from trade_mcp.quant.candles import Candles
from trade_mcp.quant.indicators import atr, bars_since_change, ema, rsi

prices = st.lists(st.floats(0.01, 1e6), min_size=1, max_size=300).map(np.array)


@given(prices, st.integers(2, 60))
def test_ema_is_the_recursion_seeded_with_the_first_value(values: np.ndarray, period: int) -> None:
    alpha, expected = 2 / (period + 1), [values[0]]
    for value in values[1:]:
        expected.append(expected[-1] + alpha * (value - expected[-1]))
    np.testing.assert_allclose(ema(values, period), expected, rtol=1e-9, atol=1e-9)


@given(st.floats(1e-12, 1e12), st.integers(2, 500), st.integers(0, 600))
def test_the_ema_of_a_constant_is_that_constant_exactly(price: float, period: int, count: int) -> None:
    np.testing.assert_array_equal(ema(np.full(count, price), period), np.full(count, price))


@given(prices, st.integers(2, 30))
def test_rsi_is_wilders(values: np.ndarray, period: int) -> None:
    index = rsi(values, period)
    assert np.isnan(index[:period]).all()
    changes = np.diff(values)
    if len(changes) < period:
        return
    up, down = np.clip(changes[:period], 0, None).mean(), -np.clip(changes[:period], None, 0).mean()
    for bar in range(period, len(values)):
        if bar > period:
            change = changes[bar - 1]
            up = (up * (period - 1) + max(change, 0)) / period
            down = (down * (period - 1) + max(-change, 0)) / period
        if not changes[bar - period : bar].any():
            assert index[bar] == 50
        elif (up + down) / values[0] > 1e-9:
            assert index[bar] == pytest.approx(100 * up / (up + down), abs=1e-4)


@pytest.mark.parametrize("price", [0.0000000000017, 1.0, 3e7])
def test_rsi_does_not_depend_on_the_unit_of_the_price(price: float) -> None:
    walk = np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.01, 300)))
    np.testing.assert_allclose(rsi(walk * price, 14)[14:], rsi(walk, 14)[14:], rtol=1e-6)


def test_atr_is_the_wilder_mean_of_true_ranges() -> None:
    rng = np.random.default_rng(2)
    close = 100 + np.cumsum(rng.normal(0, 1, 50))
    high, low = close + rng.uniform(0, 1, 50), close - rng.uniform(0, 1, 50)
    candles = Candles("BTC/USDT", "5m", np.arange(50) * 300_000, close, high, low, close, close)
    true = np.maximum(high[1:], close[:-1]) - np.minimum(low[1:], close[:-1])
    expected = true[:14].mean()
    for value in true[14:]:
        expected = (expected * 13 + value) / 14
    ranges = atr(candles, 14)
    assert np.isnan(ranges[:14]).all()
    assert ranges[-1] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("state", "bars"), [([False, True], 0), ([True, False, False, False], 2), ([True, True], None), ([True], None)]
)
def test_bars_since_change(state: list[bool], bars: int | None) -> None:
    assert bars_since_change(np.array(state)) == bars


def test_talib_is_imported_on_first_use_only() -> None:
    code = (
        "import sys, numpy as np, trade_mcp.strategies, trade_mcp.quant.indicators as i;"
        "assert 'talib' not in sys.modules; i.ema(np.ones(3), 2); assert 'talib' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
