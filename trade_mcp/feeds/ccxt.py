"""Prices of an exchange, live, through ccxt: candles, quotes and order books. Public; no key is needed.

Every request goes through `venues/exchange.py` and its budget. What cannot be had is said (FeedError), never made up.
"""

import contextlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from trade_mcp.domain.errors import BadConfig, FeedError, NoPrice, VenueRejected, VenueUnreachable
from trade_mcp.domain.instrument import Instrument
from trade_mcp.domain.market import TIMEFRAMES, Bar, OrderBook, Quote
from trade_mcp.feeds.ccxt_candles import PAGE, Series
from trade_mcp.feeds.ccxt_prices import Prices
from trade_mcp.feeds.ccxt_stream import Stream
from trade_mcp.feeds.closed import aggregate, buildable, check_request, closed, step_ms
from trade_mcp.feeds.exact import bars_of
from trade_mcp.feeds.lookup import nearest_names, unknown_symbol
from trade_mcp.feeds.sound import sound_side
from trade_mcp.quant.candles import Candles, at_ms, ms_of
from trade_mcp.venues import ccxt_reports
from trade_mcp.venues.exchange import Exchange
from trade_mcp.venues.exchange_budget import Purpose

DUE_S = 5.0  # real seconds in which an exchange says a new price, or the old one again
COMPARE_EVERY_S = 3600.0
BY_BOOK = frozenset({"bybit", "coinbase"})  # tickers say no bid and ask there, or no time, or the last trade's
TIMELESS = frozenset({"kraken"})  # tickers say no time there: the market's time is real time
MARGIN_S = 2.0  # after a candle's close, for the last trades and for clocks that differ


class CcxtFeed:
    """The market of one exchange. ``symbols`` may be asked for, those of ``streamed`` are listened to.

    ``speed`` is market seconds per real second: 1, but for a practice exchange whose market has a time of its own
    (``own_time``). Safe for threads.
    """

    name = "ccxt"
    synthetic = False
    end: datetime | None = None
    continuous = True

    def __init__(
        self, exchange: Exchange, symbols: Sequence[str], *, streamed: Sequence[str], speed: float, own_time: bool
    ):
        self._exchange, self._streamed, self._speed = exchange, tuple(streamed), speed
        self._own_time = own_time and exchange.name not in TIMELESS
        self.symbols, self.exchange = tuple(symbols), exchange.name
        self.identity = identity(exchange, own_time=own_time)
        self._native = tuple(name for name in TIMEFRAMES if name in (exchange.reads.timeframes or {}))
        if not self._native:
            raise BadConfig(f"{exchange.name} has no candles that this desk knows", hint="another desk.exchange has")
        self.timeframe = self._native[0]
        spot = exchange.reads.features.get("spot") or {}
        self.page = int((spot.get("fetchOHLCV") or {}).get("limit") or PAGE)  # candles that it gives at once
        self._series: dict[tuple[str, str], Series] = {}
        self._prices = Prices(self._tickers, self._book, boot=exchange.clock.boot)
        self._stream: Stream | None = None
        self._compare_at = 0.0
        self._compare_clocks()
        self._began = (exchange.clock.boot(), self._market_time() if self._own_time else exchange.clock.real())

    @property
    def start(self) -> datetime:
        """See ``ports.Feed``: now."""
        boot, market = self._began
        return market + timedelta(seconds=(self._exchange.clock.boot() - boot) * self._speed)

    @property
    def trouble(self) -> str:
        """See ``ports.Feed``: the stream is gone, and why."""
        if self._stream is None or not self._stream.trouble:
            return ""
        return f"{self._exchange.name}: {self._stream.trouble}"

    def listen(self) -> None:
        """From now on the streamed symbols are listened to, if the exchange has a stream of bid and ask."""
        self._stream = Stream(
            self._exchange.name,
            self._streamed,
            client=self._exchange.stream_client,
            listens=self._prices.listens,
            heard=self._prices.heard,
            look=self._look,
            boot=self._exchange.clock.boot,
        )
        self._prices.stopped = self._stream.distrust
        self._stream.start()

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
        self._exchange.close()

    def candles(self, symbol: str, timeframe: str, *, now: datetime, limit: int) -> Candles:
        """See ``ports.Feed``. A timeframe that the exchange does not have is built from finer candles."""
        self._known(symbol)
        check_request(symbol, self.timeframe, timeframe=timeframe, limit=limit)
        if timeframe in self._native:
            return self._of(symbol, timeframe).newest(now, limit)
        base = [name for name in self._native if timeframe in buildable(name)][-1]
        series, step = self._of(symbol, base), step_ms(timeframe)
        known = series.known_until(now)
        first = at_ms((ms_of(known) // step - limit) * step)
        finer = series.between(first, known, now=now)
        return closed(aggregate(finer, timeframe), now=known, limit=limit) if len(finer) else finer

    def quote(self, symbol: str, *, now: datetime) -> Quote:
        """See ``ports.Feed``. Its time is the exchange's word, else when it last moved."""
        self._known(symbol)
        seen = self._prices.now(symbol)
        at = now - timedelta(seconds=(self._exchange.clock.boot() - seen.moved) * self._speed)
        if seen.made_ms is not None:
            at = min(at_ms(seen.made_ms + self._offset_ms), now)
        return Quote(symbol, seen.bid, seen.ask, at=at, due_at=at + timedelta(seconds=DUE_S * self._speed))

    def bars(self, symbol: str, *, after: datetime, until: datetime) -> Sequence[Bar]:
        """See ``ports.Feed``."""
        self._known(symbol)
        if until <= after:
            return []
        return bars_of(self._of(symbol, self.timeframe).between(after, until, now=until))

    def instruments(self) -> Mapping[str, Instrument]:
        """See ``ports.Feed``."""
        reads = self._exchange.reads
        return ccxt_reports.instruments(self._exchange.markets().spot, reads.precisionMode, {})

    def known_until(self, symbol: str, timeframe: str, *, now: datetime) -> datetime:
        """See ``ports.Feed``."""
        self._known(symbol)
        base = [name for name in self._native if timeframe in buildable(name)][-1]
        return self._of(symbol, base).known_until(now)

    def order_book(self, symbol: str, depth: int, *, now: datetime) -> OrderBook:
        """See ``ports.Feed``."""
        self._known(symbol)
        said = self._book(symbol)
        bids, asks = (sound_side(said.get(side) or ()) for side in ("bids", "asks"))
        if not bids or not asks or bids[0][0] > asks[0][0]:
            raise NoPrice(f"{symbol} has no order book that can be now", hint="ask again in a moment")
        made = said.get("timestamp")
        at = now if made is None else min(at_ms(int(made) + self._offset_ms), now)
        return OrderBook(symbol, bids[:depth], asks[:depth], at)

    def _market_time(self) -> datetime:
        """What the exchange's own market shows as its time. Raises FeedError."""
        made = self._prices.now(self._streamed[0]).made_ms
        if made is None:
            raise FeedError(f"{self._exchange.name} does not say of when its prices are", hint="set feed.speed = 1")
        return at_ms(made)

    def rows(self, symbol: str, timeframe: str, since_ms: int, limit: int) -> Sequence[Sequence[Any]]:
        """Candles as the exchange shows them, the forming one with them; nothing is kept. Raises FeedError."""
        rows: list[list[Any]] = self._call(
            "fetch_ohlcv", symbol, timeframe, since_ms, limit, doing="asking for candles"
        )
        return rows

    def settled(self) -> datetime:
        """Bars that closed by then are final, as far as the clock can say. Raises FeedError."""
        now = self._market_time() if self._own_time else self._exchange.clock.real()
        return now - self._margin

    @property
    def _margin(self) -> timedelta:
        return timedelta(seconds=MARGIN_S * self._speed, milliseconds=max(0, self._offset_ms))

    @property
    def _offset_ms(self) -> int:
        """Our clock minus the exchange's. A market with a time of its own has that one, and ours follows it."""
        return 0 if self._own_time else self._exchange.offset_ms

    def _known(self, symbol: str) -> None:
        if symbol not in self.symbols:
            raise unknown_symbol(symbol, self.symbols)

    def _of(self, symbol: str, timeframe: str) -> Series:
        if (symbol, timeframe) not in self._series:
            fetch = partial(self.rows, symbol, timeframe)
            boot = self._exchange.clock.boot
            series = Series(symbol, timeframe, fetch, margin=self._margin, boot=boot, page=self.page)
            self._series.setdefault((symbol, timeframe), series)
        return self._series[symbol, timeframe]

    def _tickers(self, symbols: tuple[str, ...]) -> Mapping[str, Mapping[str, Any]]:
        """Tickers of all ``symbols`` in one request, where there is one; those that are refused are left out."""
        together = self._exchange.reads.has.get("fetchTickers") and self.exchange not in BY_BOOK
        try:
            found: Mapping[str, Mapping[str, Any]] = (
                self._call("fetch_tickers", list(symbols), doing="asking for prices")
                if together
                else {symbol: self._ticker(symbol) for symbol in symbols}
            )
        except FeedError as error:
            if len(symbols) == 1 or not isinstance(error.__cause__, VenueRejected):
                raise
            found = {}
            for symbol in symbols:
                with contextlib.suppress(FeedError):
                    found |= self._tickers((symbol,))
        self._compare_clocks()
        return found

    def _ticker(self, symbol: str) -> Mapping[str, Any]:
        if self.exchange not in BY_BOOK:
            return dict(self._call("fetch_ticker", symbol, doing="asking for a price"))
        book = self._book(symbol, 1)
        best = {side: book[f"{side}s"][0] for side in ("bid", "ask") if book.get(f"{side}s")}
        prices = {side: level[0] for side, level in best.items()}
        return {**prices, **{f"{side}Volume": level[1] for side, level in best.items()}, "timestamp": book["timestamp"]}

    def _compare_clocks(self) -> None:
        """At start and every hour, after an answer that came: how far our clock is from the exchange's."""
        now = self._exchange.clock.boot()
        if not self._own_time and now >= self._compare_at:
            self._compare_at = now + COMPARE_EVERY_S
            with contextlib.suppress(VenueUnreachable):
                self._exchange.measure_clock()

    def _book(self, symbol: str, levels: int | None = None) -> Mapping[str, Any]:
        """The order book as the exchange says it, best first: ccxt sorts the exact texts of prices as texts."""
        said = self._call("fetch_order_book", symbol, levels, doing="asking for the order book")
        with contextlib.suppress(TypeError, ValueError):  # what is no number there is refused by who reads it
            said["bids"] = sorted(said["bids"], key=lambda level: float(level[0]), reverse=True)
            said["asks"] = sorted(said["asks"], key=lambda level: float(level[0]))
        return dict(said)

    def _call(self, method: str, *given: Any, doing: str) -> Any:
        return self._exchange.call(Purpose.PRICES, method, *given, doing=doing)

    def _look(self) -> None:
        for symbol in self._streamed:
            with contextlib.suppress(FeedError):
                self._prices.now(symbol)


def ccxt_feed(
    exchange: Exchange, symbols: Sequence[str], *, speed: float = 1.0, own_time: bool = False, listen: bool = False
) -> CcxtFeed:
    """The market of ``exchange``; ``symbols`` are the desk's, and all of their quote currency can be asked for.

    ``listen`` to its stream until the feed is closed.

    Raises BadConfig for a symbol that does not trade there; VenueUnreachable while nobody knows what does.
    """
    markets = {market["symbol"]: market for market in exchange.markets().spot}
    trading = [symbol for symbol, market in markets.items() if market.get("active") is not False]
    for symbol in symbols:
        if symbol not in trading:
            if symbol in markets:
                raise BadConfig(f"{symbol} does not trade at {exchange.name} now", hint="take it out of desk.symbols")
            near = ", ".join(nearest_names(symbol, trading))
            hint = f"did you mean {near}?" if near else "symbols are written as BTC/USDT"
            raise BadConfig(f"{symbol} is no spot market at {exchange.name}", hint=hint)
    quotes = {symbol.partition("/")[2] for symbol in symbols}
    others = sorted(symbol for symbol in trading if symbol.partition("/")[2] in quotes and symbol not in symbols)
    feed = CcxtFeed(exchange, (*symbols, *others), streamed=symbols, speed=speed, own_time=own_time)
    if listen:
        feed.listen()
    return feed


def identity(exchange: Exchange, *, own_time: bool) -> str:
    """What a ledger on these prices is bound to: those of a sandbox or a practice exchange are others."""
    return f"ccxt:{exchange.name}{'-practice' if own_time else '-sandbox' if exchange.sandbox else ''}"
