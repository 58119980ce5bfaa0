"""Bollinger reversion: buy below the lower band, leave above the upper one."""

from typing import Annotated, ClassVar

import numpy as np
from msgspec import Meta, Struct

from trade_mcp.quant.candles import Candles, Floats
from trade_mcp.quant.indicators import z_score
from trade_mcp.strategies.protocol import warming_up


class BollingerReversion(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """+1 while the close is over ``width`` standard deviations below its mean, -1 while so far above, 0 between."""

    name: ClassVar[str] = "bollinger_reversion"
    wrong_when: ClassVar[str] = "a trend begins: it buys a fall that goes on"

    period: Annotated[int, Meta(ge=3, le=500, description="bars of the mean")] = 20
    width: Annotated[float, Meta(gt=0, le=10, description="standard deviations from the mean to a band")] = 2.0

    @property
    def lookback(self) -> int:
        """The bars of one mean."""
        return self.period

    def strengths(self, candles: Candles) -> Floats:
        """One value per candle: +1, 0 or -1, NaN for the first ``lookback - 1``."""
        score = z_score(candles.close, self.period)
        strength = np.where(score < -self.width, 1.0, np.where(score > self.width, -1.0, 0.0))
        strength[: self.lookback - 1] = np.nan
        return strength

    def explain(self, candles: Candles) -> str:
        """For example 'the close is 2.3 standard deviations below its mean of 20 bars; the band is 2'."""
        if len(candles) < self.lookback:
            return warming_up(candles, self.lookback)
        score = z_score(candles.last(self.period).close, self.period)[-1]
        where = "below" if score < 0 else "above"
        return (
            f"the close is {abs(score):.1f} standard deviations {where} its mean of {self.period} bars; "
            f"the band is {self.width:g}"
        )
