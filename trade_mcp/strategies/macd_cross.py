"""MACD cross: follow the trend while the MACD line is above its signal line."""

from typing import Annotated, ClassVar

import numpy as np
from msgspec import Meta, Struct

from trade_mcp.quant.candles import Candles, Floats
from trade_mcp.quant.indicators import bars_since_change, ema
from trade_mcp.strategies.protocol import bars_text, warming_up


class MacdCross(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """+1 while EMA(fast) - EMA(slow) is above its own EMA(signal), else -1."""

    name: ClassVar[str] = "macd_cross"
    wrong_when: ClassVar[str] = "the market goes sideways: it crosses often, and each cross costs fees"

    fast: Annotated[int, Meta(ge=2, le=499, description="bars of the fast average")] = 12
    slow: Annotated[int, Meta(ge=3, le=500, description="bars of the slow average")] = 26
    signal: Annotated[int, Meta(ge=2, le=200, description="bars of the average of their difference")] = 9

    def __post_init__(self) -> None:
        if self.fast >= self.slow:
            raise ValueError(f"fast ({self.fast}) must be below slow ({self.slow})")

    @property
    def lookback(self) -> int:
        """Bars until the seeds of both averages weigh next to nothing: 270 for 26 and 9."""
        return -(-200 * (self.slow + self.signal) // 26)

    def strengths(self, candles: Candles) -> Floats:
        """One value per candle: +1 or -1, NaN for the first ``lookback - 1``."""
        state = np.where(self._above(candles) > 0, 1.0, -1.0)
        state[: self.lookback - 1] = np.nan
        return state

    def explain(self, candles: Candles) -> str:
        """For example 'MACD(12, 26) is above its signal(9) by 0.04 % of the price, crossed 3 bars ago'."""
        if len(candles) < self.lookback:
            return warming_up(candles, self.lookback)
        above = self._above(candles)
        crossed = bars_since_change(above > 0)
        when = "not crossed in the bars it sees" if crossed is None else f"crossed {bars_text(crossed)} ago"
        where = "above" if above[-1] > 0 else "below"
        by = f"{abs(above[-1]) / candles.close[-1]:.2%} of the price"
        return f"MACD({self.fast}, {self.slow}) is {where} its signal({self.signal}) by {by}, {when}"

    def _above(self, candles: Candles) -> Floats:
        line = ema(candles.close, self.fast) - ema(candles.close, self.slow)
        return line - ema(line, self.signal)
