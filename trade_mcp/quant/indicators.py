"""Indicators: smoothed lines over prices, one value per bar, NaN while warming up.

TA-Lib is imported on first use: importing it loads pandas and polars where they are installed.
"""

from collections.abc import Callable
from functools import cache
from types import ModuleType

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from trade_mcp.quant.candles import Candles, Floats


@cache
def _talib() -> ModuleType:
    import talib

    return talib


def ema(values: Floats, period: int) -> Floats:
    """Exponential moving average, alpha 2 / (period + 1), seeded with the first value; no warm-up.

    TA-Lib seeds with a mean of ``period`` values instead, so it is given ``period - 1`` copies of the first value
    ahead. It works on the distance from that value: a price that never moves is then its own average exactly.

    >>> ema(np.array([1.0, 2.0, 4.0]), 3)
    array([1.  , 1.5 , 2.75])
    """
    if not len(values):
        return np.empty(0)
    moved = np.zeros(len(values) + period - 1)
    np.subtract(values, values[0], out=moved[period - 1 :])
    smoothed: Floats = _talib().EMA(moved, period)[period - 1 :]
    smoothed += values[0]
    return smoothed


def rsi(close: Floats, period: int) -> Floats:
    """Relative strength index in 0..100 after Wilder; NaN for the first ``period`` bars.

    50 where the last ``period`` changes are all zero (TA-Lib says 0 there, which would read as oversold).
    """
    if not len(close):
        return np.empty(0)
    # TA-Lib takes sums below 1e-14 for zero; relative prices keep coins worth 1e-12 above it.
    index: Floats = _talib().RSI(close / close[0], period)
    bar = np.arange(len(close))
    moved = np.diff(close, prepend=close[0]) != 0
    still = bar - np.maximum.accumulate(np.where(moved, bar, 0)) >= period
    index[still] = 50.0
    return index


def atr(candles: Candles, period: int) -> Floats:
    """Average true range in the quote currency after Wilder; NaN for the first ``period`` bars."""
    smoothed: Floats = _talib().ATR(candles.high, candles.low, candles.close, period)
    return smoothed


def z_score(values: Floats, period: int) -> Floats:
    """How many (population) standard deviations each value is above the mean of ``period`` values up to it; NaN before.

    0 where they do not differ. It counts in distances from the newest of them: a price that never moves has no noise.

    >>> z_score(np.array([1.0, 1.0, 4.0]), 3).round(3)
    array([  nan,   nan, 1.414])
    """
    score = np.full(len(values), np.nan)
    if len(values) < period:
        return score
    below = sliding_window_view(values, period) - values[period - 1 :, None]
    mean = below.sum(axis=1) / period
    variance = np.einsum("ij,ij->i", below, below) / period - mean * mean
    deviation = np.sqrt(np.maximum(variance, 0.0))
    score[period - 1 :] = np.divide(-mean, deviation, out=np.zeros(len(mean)), where=deviation > 0)
    return score


def highest(values: Floats, period: int) -> Floats:
    """The highest of the ``period`` values before each, itself not counted; NaN where there are fewer.

    >>> highest(np.array([1.0, 3.0, 2.0, 5.0]), 2)
    array([nan, nan,  3.,  3.])
    """
    return _before(_talib().MAX, values, period)


def lowest(values: Floats, period: int) -> Floats:
    """The lowest of the ``period`` values before each, itself not counted; NaN where there are fewer."""
    return _before(_talib().MIN, values, period)


def _before(of: Callable[[Floats, int], Floats], values: Floats, period: int) -> Floats:
    found = np.full(len(values), np.nan)
    if len(values) > period:
        found[1:] = of(values, period)[:-1]
    return found


def last_sign(signs: Floats, bars: int) -> Floats:
    """The newest value other than 0 among the last ``bars`` values, itself counted; 0 if there is none.

    >>> last_sign(np.array([1.0, 0.0, 0.0, -1.0]), 2)
    array([ 1.,  1.,  0., -1.])
    """
    place = np.arange(len(signs))
    newest = np.maximum.accumulate(np.where(signs != 0, place, -1)) if len(signs) else place
    return np.where((newest >= 0) & (place - newest < bars), signs[newest], 0.0) if len(signs) else np.empty(0)


def bars_since_change(state: NDArray[np.bool_]) -> int | None:
    """How many bars ago ``state`` became what it is on the newest bar (0: on that bar); None: it never changed.

    >>> bars_since_change(np.array([False, True, True]))
    1
    """
    changes = np.flatnonzero(state[1:] != state[:-1])
    return len(state) - 2 - int(changes[-1]) if len(changes) else None
