"""Candles: OHLCV bars as arrays, oldest first; gaps stay gaps."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from trade_mcp.domain.market import timeframe_delta

Floats = NDArray[np.float64]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


class Candles(Struct, frozen=True):
    """Closed bars of one symbol: ``open_ms`` (int64, ms UTC of each bar's open) and float64 arrays of equal length."""

    symbol: str
    timeframe: str
    open_ms: NDArray[np.int64]
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    def __len__(self) -> int:
        return len(self.open_ms)

    def each(self, of: Callable[[NDArray], NDArray]) -> "Candles":
        """The same candles with ``of`` applied to every array."""
        return Candles(
            self.symbol,
            self.timeframe,
            of(self.open_ms),
            of(self.open),
            of(self.high),
            of(self.low),
            of(self.close),
            of(self.volume),
        )

    def last(self, count: int) -> "Candles":
        """The newest ``count`` bars (all, if there are fewer)."""
        start = max(0, len(self) - count)
        return self.each(lambda array: array[start:])

    @property
    def step(self) -> timedelta:
        return timeframe_delta(self.timeframe)

    @property
    def last_close_at(self) -> datetime:
        """When the newest bar closed (aware UTC). Raises IndexError without bars."""
        return at_ms(int(self.open_ms[-1])) + self.step

    @property
    def gap_bars(self) -> int:
        """How many bars are missing between the first and the last."""
        if len(self) < 2:
            return 0
        step_ms = int(self.step.total_seconds() * 1000)
        return int((self.open_ms[-1] - self.open_ms[0]) // step_ms) + 1 - len(self)


def at_ms(ms: int) -> datetime:
    """Aware UTC datetime of ``ms`` milliseconds since 1970."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def ms_of(at: datetime) -> int:
    """Whole milliseconds since 1970 of an aware datetime, rounded down: a candle is not seen before its close."""
    return (at - EPOCH) // MILLISECOND
