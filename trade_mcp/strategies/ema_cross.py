"""EMA cross: follow the trend while the fast average is above the slow one."""

from typing import Annotated, ClassVar

import numpy as np
from msgspec import Meta, Struct

from trade_mcp.quant.candles import Candles, Floats
from trade_mcp.quant.indicators import bars_since_change, ema
from trade_mcp.strategies.protocol import bars_text, price_text, warming_up


class EmaCross(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """+1 while EMA(fast) of the closes is above EMA(slow), else -1."""

    name: ClassVar[str] = "ema_cross"
    wrong_when: ClassVar[str] = "the market goes sideways: it crosses often, and each cross costs fees"

    fast: Annotated[int, Meta(ge=2, le=499, description="bars of the fast average")] = 12
    slow: Annotated[int, Meta(ge=3, le=500, description="bars of the slow average")] = 26

    def __post_init__(self) -> None:
        if self.fast >= self.slow:
            raise ValueError(f"fast ({self.fast}) must be below slow ({self.slow})")

    @property
    def lookback(self) -> int:
        """Bars until the seed weighs less than 3e-7 in the slow average: 200 for slow = 26."""
        return -(-200 * self.slow // 26)

    def strengths(self, candles: Candles) -> Floats:
        """One value per candle: +1 or -1, NaN for the first ``lookback - 1``."""
        close = candles.close
        state = np.where(ema(close, self.fast) > ema(close, self.slow), 1.0, -1.0)
        state[: self.lookback - 1] = np.nan
        return state

    def explain(self, candles: Candles) -> str:
        """For example 'EMA(12) 64,210.1 is above EMA(26) 63,990.4, crossed 3 bars ago'."""
        if len(candles) < self.lookback:
            return warming_up(candles, self.lookback)
        fast, slow = ema(candles.close, self.fast), ema(candles.close, self.slow)
        where = "above" if fast[-1] > slow[-1] else "below" if fast[-1] < slow[-1] else "equal to"
        crossed = bars_since_change(fast > slow)
        when = "not crossed in the bars it sees" if crossed is None else f"crossed {bars_text(crossed)} ago"
        return f"EMA({self.fast}) {price_text(fast[-1])} is {where} EMA({self.slow}) {price_text(slow[-1])}, {when}"
