"""DCA: buy the same risk at fixed intervals, whatever the price (dollar cost averaging). A baseline."""

from typing import Annotated, ClassVar

import numpy as np
from msgspec import Meta, Struct

from trade_mcp.quant.candles import Candles, Floats
from trade_mcp.strategies.protocol import bars_text, warming_up


class Dca(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """+1 on every ``every``-th bar since 1970, 0 between: 288 bars of 5 minutes are a day.

    The loop buys the risk of one trade each time, also on top of what this strategy bought before, until the limits are
    reached; the position keeps one stop. It never sells by itself.
    """

    name: ClassVar[str] = "dca"
    accumulates: ClassVar[bool] = True  # the loop may add to a position of it
    wrong_when: ClassVar[str] = "prices fall for long: it buys all the way, and it is there to be compared with"

    every: Annotated[int, Meta(ge=2, le=100_000, description="bars from one purchase to the next")] = 288

    @property
    def lookback(self) -> int:
        """The newest bar alone."""
        return 1

    def strengths(self, candles: Candles) -> Floats:
        """+1 on the bars of its plan, 0 on the others."""
        return np.where(self._number(candles) % self.every == 0, 1.0, 0.0)

    def explain(self, candles: Candles) -> str:
        if not len(candles):
            return warming_up(candles, self.lookback)
        left = -int(self._number(candles)[-1]) % self.every
        return "buys at this bar" if left == 0 else f"buys every {self.every} bars, next in {bars_text(left)}"

    def _number(self, candles: Candles) -> np.ndarray:
        return candles.open_ms // int(candles.step.total_seconds() * 1000)
