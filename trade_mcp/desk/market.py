"""Market: instruments and prices of now, as the desk sees them. They come from here, never from a request."""

import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from difflib import get_close_matches

from trade_mcp.domain.book import Book
from trade_mcp.domain.errors import FeedError, UnknownSymbol, VenueUnreachable
from trade_mcp.domain.instrument import Instrument
from trade_mcp.domain.market import OrderBook, Quote, timeframe_delta
from trade_mcp.ports import Clock, Feed, Venue
from trade_mcp.quant.candles import Candles
from trade_mcp.quant.indicators import atr

RANGE_PERIOD = 14
RANGE_BARS = 15 * RANGE_PERIOD + 1  # until the first bar weighs nothing in Wilder's average


class Market:
    """What trades here and for how much, at market time now."""

    def __init__(self, feed: Feed, venue: Venue, *, clock: Clock, symbols: tuple[str, ...], timeframe: str):
        self._feed, self._venue, self._clock = feed, venue, clock
        self._listed = venue.instruments()
        self._known = dict(self._listed)
        self.symbols, self.timeframe = symbols, timeframe
        self.synthetic, self.continuous = feed.synthetic, feed.continuous
        self.step = timeframe_delta(timeframe)
        self.priced = tuple(symbol for symbol in feed.symbols if symbol in self._instruments)

    @property
    def _instruments(self) -> Mapping[str, Instrument]:
        """What trades here: steps and minimums change while a desk lives. What is not listed any more stays as it
        was, and so does all where a new list cannot be read: what is held must still be sold.
        """
        with suppress(VenueUnreachable):
            listed = self._venue.instruments()
            if listed is not self._listed:
                self._known, self._listed = {**self._known, **listed}, listed
        return self._known

    def instrument(self, symbol: str) -> Instrument:
        """The instrument of ``symbol`` ("BTC/USDT"). Raises UnknownSymbol with the nearest names."""
        found = self._instruments.get(symbol)
        if found is None:
            plain = {name.replace("/", ""): name for name in self._instruments}
            asked = symbol.upper().replace("/", "").replace("-", "").replace("_", "")
            close = get_close_matches(asked, plain, n=3, cutoff=0.5)
            raise UnknownSymbol(symbol, tuple(plain[name] for name in close))
        return found

    def search(self, text: str) -> list[Instrument]:
        """Instruments whose symbol contains ``text``, letter case aside; all for an empty one."""
        return [i for symbol, i in sorted(self._instruments.items()) if text.upper() in symbol.upper()]

    def quote(self, symbol: str) -> Quote:
        """Bid and ask now. Raises UnknownSymbol, NoPrice."""
        self.instrument(symbol)
        return self._feed.quote(symbol, now=self._clock.market())

    def bid_or(self, symbol: str, otherwise: Decimal) -> Decimal:
        """The bid of now; ``otherwise`` where no price is known. Raises UnknownSymbol."""
        try:
            return self.quote(symbol).bid
        except FeedError:
            return otherwise

    def candles(self, symbol: str, timeframe: str | None = None, *, limit: int) -> Candles:
        """The newest closed bars. Raises UnknownSymbol, BadInput (timeframe)."""
        self.instrument(symbol)
        return self._feed.candles(symbol, timeframe or self.timeframe, now=self._clock.market(), limit=limit)

    def order_book(self, symbol: str, depth: int) -> OrderBook:
        """The best ``depth`` levels of each side now. Raises UnknownSymbol, NoPrice."""
        self.instrument(symbol)
        return self._feed.order_book(symbol, depth, now=self._clock.market())

    def shown(self, closed_at: datetime) -> bool:
        """Whether the bars that closed then are there, or known to be missing: an exchange shows them late."""
        now = self._clock.market()
        known = (self._feed.known_until(symbol, self.timeframe, now=now) for symbol in self.symbols)
        return all(until >= closed_at for until in known)

    def average_range(self, symbol: str) -> Decimal | None:
        """The average true range of the newest bars (quote currency per unit); None while it is not known."""
        try:
            candles = self.candles(symbol, limit=RANGE_BARS)
        except FeedError:
            return None
        found = float(atr(candles, RANGE_PERIOD)[-1]) if len(candles) else math.nan
        return Decimal(f"{found:.10g}") if found > 0 else None

    def recent(self, symbol: str, count: int) -> tuple[Decimal, ...] | None:
        """Closes of the newest bars, newest last; None when the feed has none."""
        closes = self.candles(symbol, limit=count).close
        return tuple(Decimal(repr(float(close))) for close in closes) or None

    def last_close(self, symbol: str, at: datetime) -> Decimal | None:
        """The close of the last bar before ``at``; None where it is not known."""
        try:
            closes = self._feed.candles(symbol, self.timeframe, now=at, limit=1).close
        except (FeedError, UnknownSymbol):
            return None
        return Decimal(repr(float(closes[-1]))) if len(closes) else None

    def quotes(self, symbols: Iterable[str]) -> dict[str, Quote]:
        """The quote of each symbol that has one now; one that has none is absent, never made up."""
        quotes = {}
        for symbol in symbols:
            try:
                quotes[symbol] = self.quote(symbol)
            except (FeedError, UnknownSymbol):
                continue
        return quotes

    def marks(self, symbols: Iterable[str]) -> dict[str, Decimal]:
        """The bid of each symbol that has a price now."""
        return {symbol: quote.bid for symbol, quote in self.quotes(symbols).items()}


def held(book: Book) -> set[str]:
    """Symbols whose price the book's equity depends on."""
    return set(book.positions) | {order.symbol for order in book.live()}
