"""What the market says: quotes and single bars, exact, each with its time."""

from datetime import datetime, timedelta
from decimal import Decimal

from msgspec import Struct

from trade_mcp.domain.errors import BadInput

TIMEFRAMES: dict[str, timedelta] = {
    "1m": timedelta(minutes=1),
    "3m": timedelta(minutes=3),
    "5m": timedelta(minutes=5),
    "15m": timedelta(minutes=15),
    "30m": timedelta(minutes=30),
    "1h": timedelta(hours=1),
    "2h": timedelta(hours=2),
    "4h": timedelta(hours=4),
    "6h": timedelta(hours=6),
    "12h": timedelta(hours=12),
    "1d": timedelta(days=1),
}


def timeframe_delta(timeframe: str) -> timedelta:
    """Length of one bar of ``timeframe``, for example ``"5m"``. Raises BadInput for an unknown one."""
    if timeframe not in TIMEFRAMES:
        raise BadInput(f"unknown timeframe {timeframe!r}", hint=f"one of {', '.join(TIMEFRAMES)}")
    return TIMEFRAMES[timeframe]


class Quote(Struct, frozen=True, gc=False):
    """Bid and ask with the market time they were made, and when the feed's next price is due.

    Age counts from ``due_at``: a five-minute bar is not stale after 300 s.
    """

    symbol: str
    bid: Decimal
    ask: Decimal
    at: datetime
    due_at: datetime
    synthetic: bool = False

    @property
    def mid(self) -> Decimal:
        return (self.bid + self.ask) / 2

    def overdue_s(self, now: datetime) -> float:
        """Seconds the next price is overdue at market time ``now``; 0 while it is not."""
        return (now - self.due_at).total_seconds() if now > self.due_at else 0.0


class OrderBook(Struct, frozen=True, gc=False):
    """Resting orders of a market, (price, size) per level, best first, as of ``at`` (market time)."""

    symbol: str
    bids: tuple[tuple[Decimal, Decimal], ...]
    asks: tuple[tuple[Decimal, Decimal], ...]
    at: datetime


class Bar(Struct, frozen=True, gc=False):
    """One closed OHLCV bar with exact numbers; ``open_at`` <= trades < ``close_at`` (market time)."""

    symbol: str
    open_at: datetime
    close_at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


PERIODS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


def period(text: str) -> timedelta:
    """The length of time that ``text`` says: a whole number of minutes, hours, days or weeks (m, h, d, w).

    >>> period("7d")
    datetime.timedelta(days=7)
    """
    count, unit = text[:-1], text[-1:]
    if unit not in PERIODS or not count.isascii() or not count.isdigit() or not 0 < int(count[:7]) <= 100_000:
        raise BadInput(f"{text!r} is not a period", hint="for example 24h, 7d or 4w")
    return int(count) * PERIODS[unit]
