"""Buy and hold: the baseline that every other strategy has to beat."""

from typing import ClassVar

import numpy as np
from msgspec import Struct

from trade_mcp.quant.candles import Candles, Floats
from trade_mcp.strategies.protocol import warming_up


class BuyAndHold(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """+1 always: the loop buys whenever it holds nothing, at any bar, and never sells by itself.

    The desk's exits hold for it like for every other: after its stop it buys again at the next bar, so give it a wide
    one. Reports compare with buying and holding by themselves; switch this on to trade it.
    """

    name: ClassVar[str] = "buy_and_hold"
    standing: ClassVar[bool] = True  # its opinion counts at every bar, not only when it begins
    wrong_when: ClassVar[str] = "prices fall for long: it is there to be compared with"

    @property
    def lookback(self) -> int:
        """The newest bar alone."""
        return 1

    def strengths(self, candles: Candles) -> Floats:
        """+1 for every candle."""
        return np.ones(len(candles))

    def explain(self, candles: Candles) -> str:
        return "always long" if len(candles) else warming_up(candles, self.lookback)
