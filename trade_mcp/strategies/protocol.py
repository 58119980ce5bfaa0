"""Strategy: what every strategy is. Its fields are its parameters, with their bounds; candles in, strengths out."""

import math
from typing import Protocol

from trade_mcp.quant.candles import Candles, Floats


class Strategy(Protocol):
    """A frozen msgspec Struct with ``kw_only`` and ``forbid_unknown_fields``; register it in ``STRATEGIES``.

    Two laws hold, and the tests try them on every registered one: no strength depends on a later candle, and none
    depends on a candle more than ``lookback`` bars back.
    """

    @property
    def name(self) -> str: ...

    @property
    def wrong_when(self) -> str:
        """The market it loses in, for the page about it. A class attribute, like ``name``."""
        ...

    @property
    def lookback(self) -> int:
        """Bars needed for one strength: the newest of ``lookback`` candles has one."""
        ...

    def strengths(self, candles: Candles) -> Floats:
        """One value per candle in -1..1, negative means flat; NaN for the first ``lookback - 1``."""
        ...

    def explain(self, candles: Candles) -> str:
        """One sentence with the numbers behind the newest strength."""
        ...


def warming_up(candles: Candles, lookback: int) -> str:
    """What ``explain`` says before there are enough candles."""
    return f"warming up: {len(candles)} of the {lookback} bars it needs"


def price_text(price: float) -> str:
    """A price with six significant digits, never as a power of ten.

    >>> price_text(64210.123), price_text(0.000012345678)
    ('64,210.1', '0.0000123457')
    """
    places = 5 - math.floor(math.log10(abs(price))) if price else 0
    return f"{price:,.{max(0, places)}f}"


def bars_text(count: int) -> str:
    """A number of bars in words."""
    return "1 bar" if count == 1 else f"{count} bars"
