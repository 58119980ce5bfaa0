"""Time: the exchange's two clocks. Account time signs, stamps orders and never leaves the real clock (but for the fault
that sets it off); market time drives prices, as fast as it is told.

At speed 1 they show the same: candles of years ago are shown as if they closed today, moved by whole days, so that the
bars of every timeframe keep their places.
"""

import math
from collections.abc import Callable
from datetime import datetime, timedelta

from msgspec import Struct, structs

from trade_mcp.quant.candles import at_ms, ms_of

DAY = timedelta(days=1)
BOOK_STEP_S = 0.1  # real seconds between two states of a book, at least


class Anchor(Struct, frozen=True):
    """Market time was ``market`` at real time ``real`` and goes ``speed`` times as fast; shown ``shift`` later."""

    market: datetime
    real: datetime
    speed: float
    shift: timedelta

    def at(self, real: datetime) -> datetime:
        return self.market + max(real - self.real, timedelta()) * self.speed


class ExchangeTime:
    """Both clocks of one exchange; ``end`` is where the prices end."""

    def __init__(self, anchor: Anchor, *, real: Callable[[], datetime], end: datetime | None):
        self.anchor, self._real, self._end = anchor, real, end

    def real(self) -> datetime:
        return self._real()

    def account_ms(self, offset_s: float = 0.0) -> int:
        """What the exchange says the time is, in milliseconds."""
        return ms_of(self._real() + timedelta(seconds=offset_s))

    def market(self) -> datetime:
        """Market time: what a feed is asked with."""
        now = self.anchor.at(self._real())
        return now if self._end is None else min(now, self._end)

    @property
    def ended(self) -> bool:
        return self._end is not None and self.market() >= self._end

    def book_at(self, market: datetime) -> datetime:
        """The market time of the order book that is shown at ``market``: books change every second, or ten times in a
        real second if the market is that fast, so that who follows their changes sees every state."""
        step_ms = 1000 * max(1, math.ceil(self.anchor.speed * BOOK_STEP_S))
        return at_ms(ms_of(market) // step_ms * step_ms)

    def shown_ms(self, market: datetime) -> int:
        """A market time as clients see it."""
        return ms_of(market + self.anchor.shift)

    @property
    def shift_ms(self) -> int:
        return self.anchor.shift // timedelta(milliseconds=1)

    def set_speed(self, speed: float) -> None:
        """From now on market time goes ``speed`` times as fast; 0 stops it."""
        self.anchor = structs.replace(self.anchor, market=self.market(), real=self._real(), speed=speed)

    def move_on(self, seconds: float) -> None:
        """Let ``seconds`` of market time pass at once."""
        later = self.market() + timedelta(seconds=seconds)
        self.anchor = structs.replace(self.anchor, market=later, real=self._real())


def first_anchor(
    feed_start: datetime, *, endless: bool, start: datetime | None, speed: float, real: datetime
) -> Anchor:
    """Where a new exchange begins: endless prices now; recorded ones at ``start``, or at the first moment of the feed
    with the present time of day, shown as today."""
    if start is None and endless:
        return Anchor(real, real, speed, timedelta())
    if start is None:
        start = feed_start + (real - feed_start) % DAY
    return Anchor(start, real, speed, (real - start) // DAY * DAY)
