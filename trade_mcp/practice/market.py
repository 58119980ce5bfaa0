"""Market: what can be read of prices at a moment, made from a feed. Nothing is kept, so a restart changes nothing.

A feed has bars and a quote; the public trades and the depth between them are made: four trades a bar (open, the two
extremes, close) and a ladder of levels around the quote that holds what may fill orders.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec import Struct

from trade_mcp.domain.errors import FeedError
from trade_mcp.domain.instrument import ZERO, Instrument
from trade_mcp.domain.market import TIMEFRAMES, Bar, Quote, timeframe_delta
from trade_mcp.domain.matching import Friction, Now
from trade_mcp.feeds.closed import buildable
from trade_mcp.feeds.exact import exact
from trade_mcp.ports import Feed
from trade_mcp.practice.errors import ApiError
from trade_mcp.quant.candles import at_ms, ms_of

DAY = timedelta(days=1)
LEVELS = 1000  # of a side of the book
NEAR = 20  # levels that differ in size; deeper ones are alike


class Print(Struct, frozen=True):
    """A public trade."""

    number: int
    price: Decimal
    size: Decimal
    at: datetime
    seller_takes: bool


class Day(Struct, frozen=True):
    """The 24 hours before a moment."""

    open: Decimal
    high: Decimal
    low: Decimal
    last: Decimal
    volume: Decimal
    turnover: Decimal
    bars: int
    before: Decimal  # the last price before those hours


class Market:
    """Prices of one feed. Every method takes the market time it is asked at."""

    def __init__(self, feed: Feed, instruments: dict[str, Instrument], friction: Friction):
        self.feed, self.instruments, self.friction = feed, instruments, friction
        self.step = timeframe_delta(feed.timeframe)
        self.timeframes = buildable(feed.timeframe)
        self._days: dict[str, tuple[datetime, Day]] = {}

    def now(self, symbol: str, at: datetime) -> tuple[Now, datetime]:
        """The quote with the volume of the last bar, and that bar's close. Raises FeedError without a price."""
        quote, last = self.quote(symbol, at), self.last_bar(symbol, at)
        return Now(quote, ZERO if last is None else last.volume), at if last is None else last.close_at

    def quote(self, symbol: str, at: datetime) -> Quote:
        """Bid and ask on the ticks of the exchange, at least one apart."""
        quote, of = self.feed.quote(symbol, now=at), self.instruments[symbol]
        bid = max(of.price_down(quote.bid), of.tick)
        return Quote(symbol, bid, max(of.price_up(quote.ask), bid + of.tick), at=quote.at, due_at=quote.due_at)

    def last_bar(self, symbol: str, at: datetime) -> Bar | None:
        """The newest closed bar, though it be old: in a gap the price stays."""
        candles = self.feed.candles(symbol, self.feed.timeframe, now=at, limit=1)
        if not len(candles):
            return None
        closed = candles.last_close_at
        return self.feed.bars(symbol, after=closed - timedelta(milliseconds=1), until=closed)[-1]

    def last_price(self, symbol: str, at: datetime) -> Decimal:
        last = self.last_bar(symbol, at)
        return self.quote(symbol, at).mid if last is None else last.close

    def average(self, symbol: str, at: datetime, minutes: int = 5) -> Decimal:
        """Volume-weighted price of the last minutes' bars; the last price if there are none."""
        bars = self.feed.bars(symbol, after=at - timedelta(minutes=minutes), until=at)
        volume = sum((bar.volume for bar in bars), ZERO)
        if not volume:
            return self.last_price(symbol, at)
        return sum(((bar.high + bar.low + bar.close) / 3 * bar.volume for bar in bars), ZERO) / volume

    def klines(
        self, symbol: str, interval: str, at: datetime, *, start: datetime | None, end: datetime | None, limit: int
    ) -> list[Bar]:
        """Bars opened in ``start``..``end``, the newest or from ``start`` the oldest; the last may be in the making."""
        if interval not in TIMEFRAMES or interval not in self.timeframes:
            raise ApiError(-1120, "Invalid interval.")
        step = timeframe_delta(interval)
        until = at if end is None else min(at, end + step)
        if start is not None:
            first = -(-ms_of(start) // (step // timedelta(milliseconds=1)))
            until = min(until, at_ms(first * (step // timedelta(milliseconds=1))) + limit * step)
        candles = self.feed.candles(symbol, interval, now=until, limit=limit)
        columns = (candles.open, candles.high, candles.low, candles.close, candles.volume)
        rows = zip(candles.open_ms.tolist(), *(column.tolist() for column in columns), strict=True)
        bars = [Bar(symbol, at_ms(ms), at_ms(ms) + step, *map(exact, numbers)) for ms, *numbers in rows]
        forming = self.forming(symbol, interval, at)
        if forming is not None and (end is None or forming.open_at <= end):
            bars.append(forming)
        return [bar for bar in bars if start is None or bar.open_at >= start][-limit if start is None else 0 :][:limit]

    def forming(self, symbol: str, interval: str, at: datetime) -> Bar | None:
        """The bar that is not closed yet, from the finest bars closed so far and the last price; None without one."""
        step = timeframe_delta(interval)
        opened = at_ms(ms_of(at) // (step // timedelta(milliseconds=1)) * (step // timedelta(milliseconds=1)))
        last = self.last_bar(symbol, at)
        if last is None:
            return None
        parts = self.feed.bars(symbol, after=opened, until=at)
        if not parts:
            return Bar(symbol, opened, opened + step, last.close, last.close, last.close, last.close, ZERO)
        high, low = max(bar.high for bar in parts), min(bar.low for bar in parts)
        volume = sum((bar.volume for bar in parts), ZERO)
        return Bar(symbol, opened, opened + step, parts[0].open, high, low, parts[-1].close, volume)

    def day(self, symbol: str, at: datetime) -> Day:
        """The last 24 hours. Raises FeedError without a price."""
        last = self.last_bar(symbol, at)
        if last is None:
            self.feed.quote(symbol, now=at)  # says why there is no price
            raise FeedError(f"{symbol} has no bars yet")
        known = self._days.get(symbol)
        if known is None or known[0] != last.close_at:
            known = self._days[symbol] = last.close_at, self._day(symbol, at, last)
        return known[1]

    def _day(self, symbol: str, at: datetime, last: Bar) -> Day:
        count = DAY // self.step
        candles = self.feed.candles(symbol, self.feed.timeframe, now=at, limit=count + 1)
        inside = candles.open_ms >= ms_of(at - DAY)
        if not inside.any():
            return Day(last.close, last.close, last.close, last.close, ZERO, ZERO, 0, last.close)
        of = self.instruments[symbol]
        volumes, closes = candles.volume[inside], candles.close[inside]
        turnover = float((volumes * (candles.high[inside] + candles.low[inside] + closes) / 3).sum())
        before = candles.close[~inside]
        opening = exact(float(candles.open[inside][0]))
        return Day(
            opening,
            exact(float(candles.high[inside].max())),
            exact(float(candles.low[inside].min())),
            last.close,
            of.round_size(float(volumes.sum())),
            exact(round(turnover, 8)),
            int(inside.sum()),
            exact(float(before[-1])) if len(before) else opening,
        )

    def prints(self, symbol: str, at: datetime, *, bars: int) -> list[Print]:
        """The public trades of the newest ``bars`` bars, oldest first."""
        newest = self.feed.candles(symbol, self.feed.timeframe, now=at, limit=bars)
        if not len(newest):
            return []
        first = at_ms(int(newest.open_ms[0]))
        return [each for bar in self.feed.bars(symbol, after=first, until=at) for each in self.prints_of(bar)]

    def prints_of(self, bar: Bar) -> list[Print]:
        """Four trades: open, the extreme that is nearer first, close. They share the bar's volume."""
        of, length = self.instruments[bar.symbol], bar.close_at - bar.open_at
        rises = bar.close >= bar.open
        path = (bar.open, bar.low, bar.high, bar.close) if rises else (bar.open, bar.high, bar.low, bar.close)
        quarter = max(of.round_size(bar.volume / 4), of.lot)
        sizes = (quarter, quarter, quarter, max(of.round_size(bar.volume) - 3 * quarter, of.lot))
        number = 4 * (ms_of(bar.open_at) // (length // timedelta(milliseconds=1)))
        before = (bar.open, *path[:-1])
        return [
            Print(number + i, path[i], sizes[i], bar.open_at + length * (2 * i + 1) / 8, path[i] < before[i])
            for i in range(4)
        ]

    def book_id(self, at: datetime) -> int:
        """The number of the book's state: there is a new one every second."""
        return ms_of(at) // 1000

    def depth(
        self, symbol: str, at: datetime, limit: int
    ) -> tuple[int, list[tuple[Decimal, Decimal]], list[tuple[Decimal, Decimal]]]:
        """Number of the state, bids and asks, best first. All levels of a side hold what a bar may fill."""
        limit, of = min(limit, LEVELS), self.instruments[symbol]
        now, _ = self.now(symbol, at)
        room = max(now.volume * self.friction.participation, of.lot * NEAR)
        number = self.book_id(at)
        sizes = self._sizes(of, room, number, limit)
        bids = [(now.quote.bid - i * of.tick, size) for i, size in enumerate(sizes) if now.quote.bid > i * of.tick]
        return number, bids, [(now.quote.ask + i * of.tick, size) for i, size in enumerate(sizes)]

    def _sizes(self, of: Instrument, room: Decimal, number: int, limit: int) -> Sequence[Decimal]:
        """Half of the room near the best price, in uneven parts; the rest far from it."""
        weights = [1 + (number * 7 + i * 13) % 11 for i in range(NEAR)]
        near = [max(of.round_size(room / 2 * weight / sum(weights)), of.lot) for weight in weights]
        far = max(of.round_size(room / 2 / (LEVELS - NEAR)), of.lot)
        return [*near, *[far] * (limit - NEAR)][:limit]
