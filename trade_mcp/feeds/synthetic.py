"""Synthetic feed: made-up markets that need no file and no network, the same for everyone with the same seed."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from trade_mcp.domain.errors import BadInput, NoPrice
from trade_mcp.domain.market import Bar, Quote
from trade_mcp.feeds import recipe
from trade_mcp.feeds.closed import aggregate, check_request, joined, step_ms
from trade_mcp.feeds.exact import bars_of, quote_of
from trade_mcp.feeds.lookup import unknown_symbol
from trade_mcp.feeds.recorded import Recorded
from trade_mcp.quant.candles import Candles, at_ms, ms_of

SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")
START = datetime(2025, 1, 1, tzinfo=UTC)
HISTORY = datetime(2017, 1, 1, tzinfo=UTC)  # the first candle
LOOKBACK = timedelta(days=365)  # that lies before any start
TICK = Decimal(1).scaleb(-recipe.TICK_DECIMALS)
BLOCK_MS = recipe.BLOCK * recipe.MINUTE_MS


class SyntheticFeed(Recorded):
    """Seeded prices of several correlated symbols, one-minute bars and everything built from them, without end."""

    name = "synthetic"
    synthetic = True
    continuous = True
    timeframe = "1m"
    end: datetime | None = None

    def __init__(self, symbols: tuple[str, ...], *, seed: int, start: datetime, spread: Decimal):
        self.symbols, self.start = symbols, start
        self.identity = f"synthetic:seed={seed}:{','.join(symbols)}:recipe={recipe.VERSION}"
        self._seed, self._spread = seed, spread
        # Bounded: a market that runs for years keeps only what is being looked at.
        self._weather = lru_cache(maxsize=8)(lambda block: recipe.weather(seed, block))
        self._minutes = lru_cache(maxsize=6 * len(symbols))(self._make_minutes)
        self._coarser = lru_cache(maxsize=64 * len(symbols))(self._make_coarser)

    def candles(self, symbol: str, timeframe: str, *, now: datetime, limit: int) -> Candles:
        """See ``ports.Feed``."""
        self._known(symbol)
        check_request(symbol, self.timeframe, timeframe=timeframe, limit=limit)
        step = step_ms(timeframe)
        stop = max(ms_of(now), ms_of(HISTORY)) // step  # bar numbers since 1970
        return self._span(symbol, timeframe, max(stop - limit, ms_of(HISTORY) // step), stop)

    def quote(self, symbol: str, *, now: datetime) -> Quote:
        """See ``ports.Feed``: made from the last closed one-minute bar."""
        self._known(symbol)
        number = ms_of(now) // recipe.MINUTE_MS - 1
        if number * recipe.MINUTE_MS < ms_of(HISTORY):
            raise NoPrice(f"{symbol} has no price at {now:%Y-%m-%d %H:%M}", hint=f"synthetic prices begin {HISTORY:%Y}")
        block, minute = divmod(number, recipe.BLOCK)
        return quote_of(
            symbol,
            float(self._minutes(symbol, block).close[minute]),
            at=at_ms((number + 1) * recipe.MINUTE_MS),
            step=timedelta(minutes=1),
            spread=self._spread,
            tick=TICK,
            synthetic=True,
        )

    def bars(self, symbol: str, *, after: datetime, until: datetime) -> Sequence[Bar]:
        """See ``ports.Feed``."""
        self._known(symbol)
        start, stop = (max(ms_of(at), ms_of(HISTORY)) // recipe.MINUTE_MS for at in (after, until))
        return bars_of(self._span(symbol, self.timeframe, start, max(start, stop)))

    def _known(self, symbol: str) -> None:
        if symbol not in self.symbols:
            raise unknown_symbol(symbol, self.symbols)

    def _span(self, symbol: str, timeframe: str, start: int, stop: int) -> Candles:
        """Bars number ``start`` (included) to ``stop`` (not), counted since 1970 in steps of ``timeframe``."""
        per_block = BLOCK_MS // step_ms(timeframe)
        blocks = range(start // per_block, max(start, stop - 1) // per_block + 1)
        parts = [_cut(self._coarser(symbol, timeframe, block), start, stop, block * per_block) for block in blocks]
        return parts[0] if len(parts) == 1 else joined(parts)

    def _make_minutes(self, symbol: str, block: int) -> Candles:
        return recipe.minutes(self._seed, symbol, block, market=self._weather(block))

    def _make_coarser(self, symbol: str, timeframe: str, block: int) -> Candles:
        return aggregate(self._minutes(symbol, block), timeframe)


def _cut(candles: Candles, start: int, stop: int, first: int) -> Candles:
    """Bars number ``start`` to ``stop`` of ``candles``, whose own begin at number ``first``."""
    cut = slice(max(start - first, 0), max(stop - first, 0))
    return candles.each(lambda array: array[cut])


def synthetic_feed(
    symbols: Sequence[str] = SYMBOLS,
    *,
    seed: int = 7,
    start: datetime | None = None,
    spread: Decimal = Decimal("0.0002"),
) -> SyntheticFeed:
    """The synthetic market of ``symbols``; ``start`` None is 2025-01-01. Raises BadInput."""
    for symbol in symbols:
        base, _, quote = symbol.partition("/")
        if not (base and quote):
            raise BadInput(f"{symbol!r} is not a symbol", hint="write it as BTC/USDT")
    if not symbols:
        raise BadInput("no symbols for the synthetic feed", hint=f"for example {', '.join(SYMBOLS)}")
    start = start or START
    if start < HISTORY + LOOKBACK:
        raise BadInput(
            f"synthetic prices cannot start at {start:%Y-%m-%d}",
            hint=f"{HISTORY + LOOKBACK:%Y-%m-%d} or later: strategies look back",
        )
    return SyntheticFeed(tuple(dict.fromkeys(symbols)), seed=seed, start=start, spread=spread)
