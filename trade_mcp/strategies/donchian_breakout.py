"""Donchian breakout: buy a close above the highest high, leave on a close below the lowest low."""

from typing import Annotated, ClassVar

import numpy as np
from msgspec import Meta, Struct

from trade_mcp.quant.candles import Candles, Floats
from trade_mcp.quant.indicators import highest, last_sign, lowest
from trade_mcp.strategies.protocol import price_text, warming_up


class DonchianBreakout(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """+1 after a close above the highest high of the ``entry`` bars before it, -1 after one below the lowest low of
    ``exit`` bars; it holds for ``entry`` bars, then 0.
    """

    name: ClassVar[str] = "donchian_breakout"
    wrong_when: ClassVar[str] = "prices move inside a range: most breakouts then fail"

    entry: Annotated[int, Meta(ge=2, le=500, description="bars whose highest high is broken upwards")] = 20
    exit: Annotated[int, Meta(ge=2, le=500, description="bars whose lowest low is broken downwards")] = 10

    def __post_init__(self) -> None:
        if self.exit > self.entry:
            raise ValueError(f"exit ({self.exit}) must not be above entry ({self.entry})")

    @property
    def lookback(self) -> int:
        """A breakout counts for ``entry`` bars, and looks at as many before it."""
        return 2 * self.entry

    def strengths(self, candles: Candles) -> Floats:
        """One value per candle: +1, 0 or -1, NaN for the first ``lookback - 1``."""
        close = candles.close
        signs = np.where(close > highest(candles.high, self.entry), 1.0, 0.0)
        signs = np.where(close < lowest(candles.low, self.exit), -1.0, signs)
        strength = last_sign(signs, self.entry)
        strength[: self.lookback - 1] = np.nan
        return strength

    def explain(self, candles: Candles) -> str:
        """For example 'the close 64,210.1 is between the low of 10 bars 63,800 and the high of 20 bars 64,500'."""
        if len(candles) < self.lookback:
            return warming_up(candles, self.lookback)
        seen = candles.last(self.entry + 1)
        high, low, close = highest(seen.high, self.entry)[-1], lowest(seen.low, self.exit)[-1], seen.close[-1]
        where = "above" if close > high else "below" if close < low else "inside"
        return (
            f"the close {price_text(close)} is {where} the channel: low of {self.exit} bars {price_text(low)}, "
            f"high of {self.entry} bars {price_text(high)}"
        )
