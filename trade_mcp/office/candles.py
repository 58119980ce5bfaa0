"""Candles: those of a stretch of market time, from the feed; None where it has none, never made up."""

from datetime import datetime, timedelta

from trade_mcp.domain.errors import BadInput, FeedError
from trade_mcp.domain.market import TIMEFRAMES
from trade_mcp.ports import Feed
from trade_mcp.quant.candles import Candles, ms_of


def between(feed: Feed, symbol: str, timeframe: str, *, start: datetime, end: datetime) -> Candles | None:
    """The bars of ``symbol`` that closed from ``start`` (the last one at or before it included) to ``end``."""
    step = TIMEFRAMES[timeframe]
    try:
        found = feed.candles(symbol, timeframe, now=end, limit=max(1, (end - start) // step + 2))
    except (FeedError, BadInput):
        return None
    return found if len(found) and ms_of(found.last_close_at) >= ms_of(start) else None


def coarse(feed: Feed, length: timedelta, *, most: int) -> str:
    """The finest timeframe, from the feed's own on, of which ``most`` bars cover ``length``; else the coarsest."""
    names = list(TIMEFRAMES)
    fit = [name for name in names[names.index(feed.timeframe) :] if length / TIMEFRAMES[name] <= most]
    return fit[0] if fit else names[-1]
