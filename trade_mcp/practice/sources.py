"""Sources: what is new on each market stream since it was last asked.

Binance's rates: tickers and average prices once a second, books every 100 or 1000 ms, candles every two seconds and at
once when they close, trades and best prices as they come. A second is over when it has passed in real time or in market
time: at a thousand times the speed nobody wants to be told once in a quarter of an hour.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from trade_mcp.domain.errors import FeedError
from trade_mcp.domain.instrument import ZERO
from trade_mcp.domain.market import Bar, timeframe_delta
from trade_mcp.practice import market_events as say
from trade_mcp.practice.exchange import Exchange
from trade_mcp.practice.listing import Pair
from trade_mcp.practice.market import LEVELS
from trade_mcp.practice.market_events import Levels, Payload
from trade_mcp.practice.streams import Stream
from trade_mcp.quant.candles import MILLISECOND, at_ms, ms_of

FORMING_APART_S = 0.25  # a long candle in the making is much to add up
MOST_AT_ONCE = 1000  # trades or candles, however far the market has moved on
type Ladder = tuple[int, Levels, Levels]
type Make = Callable[[Pair, Exchange, datetime], Payload]
TICKERS: dict[str, Make] = {"miniTicker": say.mini_ticker, "ticker": say.ticker, "avgPrice": say.average_price}


class Pace:
    """Once in so many seconds, real or market time, whichever is over first; at least ``apart_s`` real ones apart."""

    def __init__(self, every_s: float, apart_s: float = 0.0):
        self._every_s, self._apart_s = every_s, apart_s
        self._last: tuple[float, datetime] | None = None

    def due(self, at: datetime, now_s: float) -> bool:
        if self._last is not None:
            real_s, market = now_s - self._last[0], at - self._last[1]
            early = real_s < self._every_s and market < timedelta(seconds=self._every_s)
            if early or real_s < self._apart_s:
                return False
        self._last = now_s, at
        return True


class Ladders:
    """The books of all symbols, each made once for every state."""

    def __init__(self, exchange: Exchange):
        self._exchange = exchange
        self._made: dict[str, Ladder] = {}

    def at(self, symbol: str, at: datetime) -> Ladder:
        """Number of the state, bids and asks, best first. Raises FeedError."""
        market, at = self._exchange.market, self._exchange.time.book_at(at)
        made = self._made.get(symbol)
        if made is None or made[0] != market.book_id(at):
            number, bids, asks = market.depth(symbol, at, LEVELS)
            made = self._made[symbol] = number, dict(bids), dict(asks)
        return made


class Source:
    """One market stream of one pair while somebody listens."""

    def __init__(self, stream: Stream, pair: Pair, exchange: Exchange, ladders: Ladders, at: datetime):
        self.stream, self.pair, self.exchange, self.ladders = stream, pair, exchange, ladders
        self.pace = Pace(stream.every_s)
        self.begin(at)

    def begin(self, at: datetime) -> None:
        """Somebody listens from market time ``at`` on."""

    def greeting(self, at: datetime) -> list[Any]:
        """What somebody new is told first, where news may be long in coming. Raises FeedError without a price."""
        return []

    def news(self, at: datetime, now_s: float) -> list[Any]:
        """What to say at market time ``at``, real second ``now_s``. Raises FeedError without a price."""
        raise NotImplementedError


class Tickers(Source):
    """The same kind of thing every second, changed or not."""

    def news(self, at: datetime, now_s: float) -> list[Any]:
        make = TICKERS[self.stream.kind]
        return [make(self.pair, self.exchange, at)] if self.pace.due(at, now_s) else []


class Trades(Source):
    """The public trades of every bar that has closed."""

    def begin(self, at: datetime) -> None:
        self._until = at

    def news(self, at: datetime, now_s: float) -> list[Any]:
        if at <= self._until:
            return []
        market, make = self.exchange.market, say.trade if self.stream.kind == "trade" else say.agg_trade
        bars = market.feed.bars(self.pair.symbol, after=self._until, until=at)
        self._until = at
        prints = [each for bar in bars[-MOST_AT_ONCE // 4 :] for each in market.prints_of(bar)]
        return [make(each, self.pair, self.exchange, at) for each in prints]


class Klines(Source):
    """Every bar when it has closed, and the one in the making."""

    def begin(self, at: datetime) -> None:
        self.pace = Pace(self.stream.every_s, FORMING_APART_S)
        self._opened: datetime | None = None

    def news(self, at: datetime, now_s: float) -> list[Any]:
        market, symbol, interval = self.exchange.market, self.pair.symbol, self.stream.interval
        closed = self._closed(at)
        if not self.pace.due(at, now_s) and not closed:
            return []
        forming = market.forming(symbol, interval, at)
        bars = closed if forming is None else [*closed, forming]
        return [say.kline(bar, interval, self.pair, self.exchange, at) for bar in bars]

    def _closed(self, at: datetime) -> list[Bar]:
        """The bars that have closed since last asked."""
        step = timeframe_delta(self.stream.interval)
        known, opened = self._opened, at_ms(ms_of(at) // (step // MILLISECOND) * (step // MILLISECOND))
        self._opened = opened
        if known is None or opened <= known:
            return []
        count, market = min((opened - known) // step, MOST_AT_ONCE), self.exchange.market
        first, end = opened - count * step, opened - MILLISECOND
        return market.klines(self.pair.symbol, self.stream.interval, at, start=first, end=end, limit=count)


class BookTop(Source):
    """Best bid and ask, or the best levels of each side, when the book has changed."""

    def begin(self, at: datetime) -> None:
        self._told = 0

    def greeting(self, at: datetime) -> list[Any]:
        number, bids, asks = self.ladders.at(self.pair.symbol, at)
        if self.stream.levels:
            return [say.partial_depth(number, bids, asks, self.stream.levels)]
        return [say.book_ticker(number, bids, asks, self.pair)]

    def news(self, at: datetime, now_s: float) -> list[Any]:
        number, _, _ = self.ladders.at(self.pair.symbol, at)
        if number <= self._told or not self.pace.due(at, now_s):
            return []
        self._told = number
        return self.greeting(at)


class BookChanges(Source):
    """What has changed in the book. Applied to a snapshot of GET depth it gives the later ones: the numbers are those
    of the snapshots, and each event begins with the update after the one before."""

    def begin(self, at: datetime) -> None:
        self._bids: Levels = {}
        self._asks: Levels = {}
        self._seen: Ladder | None = None
        with suppress(FeedError):
            self._seen = self.ladders.at(self.pair.symbol, at)
            self._first = self._seen[0] + 1

    def news(self, at: datetime, now_s: float) -> list[Any]:
        new, old = self.ladders.at(self.pair.symbol, at), self._seen
        if old is None:
            self.begin(at)
        elif new[0] > old[0]:
            self._seen = new
            self._bids |= _changes(old[1], new[1])
            self._asks |= _changes(old[2], new[2])
        if old is None or self._first > new[0] or not self.pace.due(at, now_s):
            return []
        first, bids, asks = self._first, self._bids, self._asks
        self._first, self._bids, self._asks = new[0] + 1, {}, {}
        return [say.depth_update((first, new[0]), bids, asks, self.pair, self.exchange, at)]


class AllTickers:
    """The tickers of every pair in one message."""

    def __init__(self, stream: Stream, exchange: Exchange):
        self.stream, self._exchange, self._pace = stream, exchange, Pace(stream.every_s)

    def greeting(self, at: datetime) -> list[Any]:
        return []

    def news(self, at: datetime, now_s: float) -> list[Any]:
        if not self._pace.due(at, now_s):
            return []
        make = TICKERS[self.stream.kind]
        return [[make(pair, self._exchange, at) for pair in self._exchange.listing.pairs.values()]]


KINDS: dict[str, type[Source]] = {
    "miniTicker": Tickers,
    "ticker": Tickers,
    "avgPrice": Tickers,
    "trade": Trades,
    "aggTrade": Trades,
    "kline": Klines,
    "bookTicker": BookTop,
    "depth": BookChanges,
}


def open_source(stream: Stream, exchange: Exchange, ladders: Ladders, at: datetime) -> Source | AllTickers | None:
    """The source of a stream; None for a pair that does not trade here: its stream says nothing. Raises FeedError."""
    if stream.id is None:
        return AllTickers(stream, exchange)
    pair = exchange.listing.pairs.get(stream.id)
    if pair is None:
        return None
    kind = BookTop if stream.levels else KINDS[stream.kind]
    return kind(stream, pair, exchange, ladders, at)


def _changes(old: Levels, new: Levels) -> Levels:
    """Levels of ``new`` that differ, and those that are gone with size 0."""
    gone = {price: ZERO for price in old if price not in new}
    return {price: size for price, size in new.items() if old.get(price) != size} | gone
