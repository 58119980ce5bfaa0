"""Scan: every symbol's blended strength beside how much it trades, the strongest first."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from trade_mcp.desk.market import Market
from trade_mcp.desk.signals import Signals
from trade_mcp.domain.errors import TradeError
from trade_mcp.quant.candles import Candles, ms_of

DAY = timedelta(days=1)
LATE_BARS = 2  # a symbol whose newest bar closed longer ago has no signal of now


class Scanned(Struct, frozen=True):
    """One symbol. ``change`` (a fraction) and ``volume`` (quote currency) are of the last 24 h of bars."""

    symbol: str
    strength: float | None
    before: float | None
    leader: str
    change: float
    volume: float


class Scan(Struct, frozen=True):
    """What was found; ``thin`` symbols trade too little, ``unknown`` ones have no bars of now."""

    ranked: tuple[Scanned, ...]
    thin: int
    unknown: int


def scan(market: Market, signals: Signals, symbols: Sequence[str], *, least_volume: float, now: datetime) -> Scan:
    """``symbols`` by strength, then by volume. The strategies are asked only about what trades enough."""
    ranked, thin, unknown = [], 0, 0
    for symbol in symbols:
        try:
            day = _of_a_day(market, symbol, now)
            if day is None:
                unknown += 1
                continue
            volume = float((day.close * day.volume).sum())
            if volume < least_volume:
                thin += 1
                continue
            view = signals.view(symbol)
        except TradeError:
            unknown += 1
            continue
        change = float(day.close[-1] / day.open[0] - 1)
        ranked.append(Scanned(symbol, view.strength, view.before, view.leader, change, volume))
    ranked.sort(key=lambda one: (-math.inf if one.strength is None else one.strength, one.volume), reverse=True)
    return Scan(tuple(ranked), thin, unknown)


def _of_a_day(market: Market, symbol: str, now: datetime) -> Candles | None:
    """The bars of the last 24 h (one, if bars are longer); None without one of now."""
    candles = market.candles(symbol, limit=max(1, DAY // market.step))
    if not len(candles) or now - candles.last_close_at >= LATE_BARS * market.step:
        return None
    since = ms_of(now - max(DAY, LATE_BARS * market.step))
    return candles.each(lambda array: array[candles.open_ms >= since])
