"""Excursions: how far the price went for and against a trade before its exit (MFE, MAE), from the candles meanwhile.

Only whole candles inside the trade count, and its own prices: what a candle holds from before the entry or after the
exit is not the trade's. So the figures are never too large; in the candle of a stop or target they may be too small.
"""

from datetime import timedelta

import numpy as np
from msgspec import Struct

from trade_mcp.quant.candles import Candles, ms_of
from trade_mcp.quant.performance import Trade


class Excursion(Struct, frozen=True, gc=False):
    """``best`` and ``worst`` as fractions of the entry price, 0 or more: as far up, and as far down, as it went."""

    best: float
    worst: float
    candles: int
    missing: int  # candles that should lie between and are not there


def excursion(trade: Trade, candles: Candles) -> Excursion | None:
    """How far the price went during a closed ``trade``; None when no candle of ``candles`` lies inside it."""
    if trade.closed is None or trade.entry is None or trade.exit is None:
        return None
    step = round(candles.step / timedelta(milliseconds=1))
    opens = ms_of(trade.opened) + bool(trade.opened.microsecond % 1000)  # rounded up: no candle from before it
    ends = ms_of(trade.closed)
    first = int(np.searchsorted(candles.open_ms, opens, side="left"))
    stop = int(np.searchsorted(candles.open_ms, ends - step, side="right"))
    if trade.rested and stop > first and int(candles.open_ms[stop - 1]) + step == ends:
        stop -= 1  # the exit lies somewhere inside this candle
        ends -= step
    if stop <= first:
        return None
    expected = ends // step - -(-opens // step)
    entry, left = float(trade.entry), float(trade.exit)
    high = max(float(candles.high[first:stop].max()), left)
    low = min(float(candles.low[first:stop].min()), left)
    return Excursion(
        best=max(0.0, high / entry - 1),
        worst=max(0.0, 1 - low / entry),
        candles=stop - first,
        missing=max(0, expected - (stop - first)),
    )
