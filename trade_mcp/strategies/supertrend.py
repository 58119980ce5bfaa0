"""Supertrend: follow the trend while the close is on the upper side of a band that trails by the ATR.

The band is recursive: where it stands depends on all bars before. So that no strength depends on more than ``lookback``
bars, time is cut into blocks, and each block is computed from the beginning of the one before it.
"""

from functools import cache
from types import ModuleType
from typing import Annotated, ClassVar

import numpy as np
from msgspec import Meta, Struct

from trade_mcp.quant.candles import Candles, Floats
from trade_mcp.quant.indicators import bars_since_change
from trade_mcp.strategies.protocol import bars_text, warming_up


@cache
def _library() -> ModuleType:
    import pandas_ta_classic  # loads pandas: only for those who use it

    return pandas_ta_classic  # type: ignore[no-any-return]


class Supertrend(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """+1 while the supertrend points up, -1 while it points down, 0 until it has turned once in the bars it sees."""

    name: ClassVar[str] = "supertrend"
    wrong_when: ClassVar[str] = "the market goes sideways with wide bars: it turns at the worst moments"

    period: Annotated[int, Meta(ge=2, le=100, description="bars of the ATR")] = 10
    multiplier: Annotated[float, Meta(gt=0, le=20, description="ATRs between the middle of a bar and the band")] = 3.0

    @property
    def block(self) -> int:
        """Bars of a block: enough for the ATR to forget its first bar."""
        return 12 * self.period

    @property
    def lookback(self) -> int:
        """Two blocks of 12 periods: in one of them the ATR forgets its first bar."""
        return 2 * self.block

    def strengths(self, candles: Candles) -> Floats:
        """One value per candle: +1, -1, or 0 while unknown (also after a hole); NaN for the first ``lookback - 1``."""
        strength = np.full(len(candles), np.nan)
        if len(candles) < self.lookback:
            return strength
        step_ms = int(candles.step.total_seconds() * 1000)
        blocks = candles.open_ms // (step_ms * self.block)
        first = self.lookback - 1
        for block in np.unique(blocks[first:]):
            begin, start, end = np.searchsorted(blocks, (block - 1, block, block + 1))
            part = candles.each(lambda array, begin=begin, end=end: array[begin:end])  # type: ignore[misc]
            start = max(start, first)
            strength[start:end] = self._direction(part)[start - begin :]
        return strength

    def explain(self, candles: Candles) -> str:
        """For example 'Supertrend(10, 3) points up, turned 3 bars ago'."""
        if len(candles) < self.lookback:
            return warming_up(candles, self.lookback)
        direction = self.strengths(candles)[self.lookback - 1 :]
        name, newest = f"Supertrend({self.period}, {self.multiplier:g})", direction[-1]
        if not newest:
            return f"{name} is unknown: it has not turned in the bars it sees"
        turned = bars_since_change(direction == newest)
        when = "" if turned is None else f", turned {bars_text(turned)} ago"
        return f"{name} points {'up' if newest > 0 else 'down'}{when}"

    def _direction(self, candles: Candles) -> Floats:
        """+1 or -1 from the first turn among ``candles`` on, 0 before it: the library says "up" until it knows."""
        import pandas as pd

        if len(candles) <= self.period + 1:
            return np.zeros(len(candles))
        high, low, close = (pd.Series(array) for array in (candles.high, candles.low, candles.close))
        found = _library().supertrend(high, low, close, length=self.period, multiplier=self.multiplier, talib=False)
        column = next(name for name in found.columns if name.startswith("SUPERTd"))
        direction = found[column].to_numpy(dtype=np.float64, copy=True)
        turns = np.flatnonzero(np.diff(direction))
        direction[: turns[0] + 1 if len(turns) else len(direction)] = 0.0
        return direction  # type: ignore[no-any-return]
