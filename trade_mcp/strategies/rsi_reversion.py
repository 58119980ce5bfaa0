"""RSI reversion: buy what fell too far too fast, leave what rose too far."""

from typing import Annotated, ClassVar

import numpy as np
from msgspec import Meta, Struct

from trade_mcp.quant.candles import Candles, Floats
from trade_mcp.quant.indicators import bars_since_change, rsi
from trade_mcp.strategies.protocol import bars_text, warming_up


class RsiReversion(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """+1 while RSI(period) of the closes is below ``oversold``, -1 while it is above ``overbought``, 0 between."""

    name: ClassVar[str] = "rsi_reversion"
    wrong_when: ClassVar[str] = "a trend is strong: it stays oversold while prices go on falling"

    period: Annotated[int, Meta(ge=2, le=200, description="bars of the RSI")] = 14
    oversold: Annotated[float, Meta(gt=0, lt=100, description="RSI below which it buys")] = 30.0
    overbought: Annotated[float, Meta(gt=0, lt=100, description="RSI above which it leaves")] = 70.0

    def __post_init__(self) -> None:
        if self.oversold >= self.overbought:
            raise ValueError(f"oversold ({self.oversold:g}) must be below overbought ({self.overbought:g})")

    @property
    def lookback(self) -> int:
        """Bars until the seed weighs less than 4e-7 in Wilder's averages: 211 for period = 14."""
        return 15 * self.period + 1

    def strengths(self, candles: Candles) -> Floats:
        """One value per candle: +1, 0 or -1, NaN for the first ``lookback - 1``."""
        index = rsi(candles.close, self.period)
        strength = np.where(index < self.oversold, 1.0, np.where(index > self.overbought, -1.0, 0.0))
        strength[: self.lookback - 1] = np.nan
        return strength

    def explain(self, candles: Candles) -> str:
        """For example 'RSI(14) 27.3 is below 30 for 2 bars'."""
        if len(candles) < self.lookback:
            return warming_up(candles, self.lookback)
        index = rsi(candles.close, self.period)[self.period :]
        newest = index[-1]
        if newest < self.oversold:
            where, outside = f"below {self.oversold:g}", index < self.oversold
        elif newest > self.overbought:
            where, outside = f"above {self.overbought:g}", index > self.overbought
        else:
            return f"RSI({self.period}) {newest:.1f} is between {self.oversold:g} and {self.overbought:g}"
        entered = bars_since_change(outside)
        bars = len(index) if entered is None else entered + 1
        return f"RSI({self.period}) {newest:.1f} is {where} for {bars_text(bars)}"
