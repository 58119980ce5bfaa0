"""Replay feed: real candles from files, as if they were happening. Gaps stay gaps."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from hashlib import blake2b
from itertools import pairwise
from math import ceil, log10
from pathlib import Path

import numpy as np

from trade_mcp.domain.errors import BadInput, CandleFileError, NoPrice
from trade_mcp.domain.market import TIMEFRAMES, Bar, Quote, timeframe_delta
from trade_mcp.feeds.candle_files import READERS, read_candles, unreadable
from trade_mcp.feeds.closed import FIELDS, aggregate, buildable, check_request, closed, joined
from trade_mcp.feeds.exact import bars_of, quote_of
from trade_mcp.feeds.filenames import Label, label_of
from trade_mcp.feeds.lookup import nearest_names, unknown_symbol
from trade_mcp.feeds.recorded import Recorded
from trade_mcp.quant.candles import Candles, Floats, at_ms

MISSING = 0.1  # of its bars; a market that lacks more of them closes at night
SIGNIFICANT = 8  # digits of a price that a tick may take


class ReplayFeed(Recorded):
    """Candles of files at market time.

    ``timeframe`` is the finest that every symbol can show. ``start`` is when every symbol has ``warmup`` bars (and so
    many of each timeframe as ``warmups`` say); ``end`` is the last close of all: the quote of a symbol whose candles
    end earlier stays and grows overdue, as it does in a gap.
    """

    name = "replay"
    synthetic = False

    def __init__(
        self,
        candles: Mapping[str, Candles],
        *,
        timeframe: str | None = None,
        warmup: int = 0,
        warmups: Mapping[str, int] | None = None,
        start: datetime | None = None,
        spread: Decimal = Decimal("0.0002"),
    ):
        self._base = dict(candles)
        self._spread = spread
        self._ticks = {symbol: _tick(base.close) for symbol, base in candles.items()}
        self._coarser: dict[tuple[str, str], Candles] = {}
        self.symbols = tuple(candles)
        shared = [name for name in TIMEFRAMES if all(name in buildable(base.timeframe) for base in candles.values())]
        self.timeframe = shared[0]
        for name in (timeframe or self.timeframe, *(warmups or ())):
            timeframe_delta(name)
            if name not in shared:
                raise BadInput(
                    f"{name} candles cannot be built from these files", hint=f"one of {', '.join(shared)} can"
                )
        self.identity = _identity(candles)
        self.continuous = all(base.gap_bars <= MISSING * len(base) for base in candles.values())
        self.end: datetime | None = max(base.last_close_at for base in candles.values())
        desk = {timeframe or self.timeframe: warmup}
        self.start = max(self._begin(*each, asked=start) for each in (*desk.items(), *(warmups or {}).items()))

    def candles(self, symbol: str, timeframe: str, *, now: datetime, limit: int) -> Candles:
        """See ``ports.Feed``. A coarser bar shows after its own end, built from the finer bars that exist."""
        base = self._of(symbol)
        check_request(symbol, base.timeframe, timeframe=timeframe, limit=limit)
        return closed(self._built(symbol, timeframe), now=now, limit=limit)

    def quote(self, symbol: str, *, now: datetime) -> Quote:
        """See ``ports.Feed``: made from the last closed bar, due again one bar later; in a gap it grows overdue."""
        last = closed(self._of(symbol), now=now, limit=1)
        if not len(last):
            first = _first_close_at(self._of(symbol))
            raise NoPrice(
                f"{symbol} has no price at {now:%Y-%m-%d %H:%M} UTC",
                hint=f"its first candle closes {first:%Y-%m-%d %H:%M}",
            )
        return quote_of(
            symbol,
            float(last.close[0]),
            at=last.last_close_at,
            step=last.step,
            spread=self._spread,
            tick=self._ticks[symbol],
            synthetic=False,
        )

    def bars(self, symbol: str, *, after: datetime, until: datetime) -> Sequence[Bar]:
        """See ``ports.Feed``."""
        base = self._of(symbol)
        seen, stop = (len(closed(base, now=at, limit=len(base))) for at in (after, until))
        return bars_of(base.each(lambda array: array[seen : max(seen, stop)]))

    def _of(self, symbol: str) -> Candles:
        if symbol not in self._base:
            raise unknown_symbol(symbol, self.symbols)
        return self._base[symbol]

    def _built(self, symbol: str, timeframe: str) -> Candles:
        key = (symbol, timeframe)
        if key not in self._coarser:
            self._coarser[key] = aggregate(self._base[symbol], timeframe)
        return self._coarser[key]

    def _begin(self, timeframe: str, warmup: int, *, asked: datetime | None) -> datetime:
        bars = {symbol: self._built(symbol, timeframe) for symbol in self.symbols}
        opening = min(_first_close_at(base) for base in self._base.values())
        assert self.end is not None
        if asked is not None:
            if not opening <= asked < self.end:
                raise BadInput(
                    f"replay cannot start at {asked:%Y-%m-%d %H:%M} UTC",
                    hint=f"the candles reach from {opening:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M}",
                )
            return asked
        for symbol, series in bars.items():
            if len(series) <= warmup:
                raise BadInput(
                    f"{symbol} has {len(series)} candles of {timeframe}; the longest lookback needs more than {warmup}",
                    hint="take more candles or a finer timeframe, or set [feed] start",
                )
        return max(_first_close_at(series, max(1, warmup)) for series in bars.values())


def replay_feed(
    paths: Iterable[Path | str],
    *,
    symbols: Mapping[str, str] | None = None,
    timeframe: str | None = None,
    warmup: int = 0,
    warmups: Mapping[str, int] | None = None,
    start: datetime | None = None,
    spread: Decimal = Decimal("0.0002"),
) -> ReplayFeed:
    """The candles of ``paths`` (files, or folders of them) as a feed.

    ``symbols`` says, by file name, what a name does not say: ``{"prices.csv": "BTC/USDT 5m"}``. ``timeframe`` is the
    desk's (None: the feed's own), ``warmup`` the longest lookback in bars of it, ``warmups`` those in bars of
    other timeframes. Raises CandleFileError, BadInput.
    """
    files = _files(paths)
    said = dict(symbols or {})
    labels = {file: _label(file, said) for file in files}
    if said:
        name = min(said)
        raise BadInput(
            f"[feed] symbols names {name!r}, which is none of the files",
            hint=f"they are {', '.join(nearest_names(name, [file.name for file in files]) or [files[0].name])}",
        )
    by_symbol: dict[str, list[Path]] = {}
    for file, label in labels.items():
        by_symbol.setdefault(label.symbol, []).append(file)
    candles = {symbol: _joined([(file, labels[file]) for file in its]) for symbol, its in by_symbol.items()}
    return ReplayFeed(candles, timeframe=timeframe, warmup=warmup, warmups=warmups, start=start, spread=spread)


def _files(paths: Iterable[Path | str]) -> list[Path]:
    """Every candle file meant by ``paths``, each once."""
    files: dict[Path, Path] = {}
    for path in map(Path, paths):
        try:
            folder = path.is_dir()
            inside = sorted(each for each in path.iterdir() if each.suffix.lower() in READERS) if folder else [path]
        except OSError as error:
            raise unreadable(path, error) from None
        if not inside:
            raise CandleFileError(f"{path}: there are no candle files in this folder", hint=f"*{', *'.join(READERS)}")
        for file in inside:
            files.setdefault(file.resolve(), file)
    if not files:
        raise BadInput("replay needs candle files", hint="--data FILE, more than once for several symbols")
    return list(files.values())


def _label(file: Path, said: dict[str, str]) -> Label:
    """What ``file`` holds; takes what it uses out of ``said``."""
    text = said.pop(file.name, None)
    if text is None:
        return label_of(file)
    symbol, _, timeframe = text.partition(" ")
    timeframe_delta(timeframe)
    return Label(symbol, timeframe)


def _joined(files: Sequence[tuple[Path, Label]]) -> Candles:
    """The candles of one symbol's files, one after the other. Raises CandleFileError if they overlap."""
    timeframes = {label.timeframe: file for file, label in files}
    if len(timeframes) > 1:
        these = " and ".join(f"{timeframe} ({file.name})" for timeframe, file in timeframes.items())
        raise CandleFileError(f"{files[0][1].symbol} comes as {these}", hint="name the files of one timeframe only")
    read = sorted(((read_candles(*each), each[0]) for each in files), key=lambda pair: int(pair[0].open_ms[0]))
    for (before, earlier), (after, later) in pairwise(read):
        if after.open_ms[0] <= before.open_ms[-1]:
            raise CandleFileError(
                f"{later} begins {at_ms(int(after.open_ms[0])):%Y-%m-%d %H:%M},"
                f" before {earlier} ends ({before.last_close_at:%Y-%m-%d %H:%M})",
                hint="leave one of them out, or cut one",
            )
    return read[0][0] if len(read) == 1 else joined([candles for candles, _ in read])


def _first_close_at(candles: Candles, count: int = 1) -> datetime:
    """When the first ``count`` bars were closed."""
    return candles.each(lambda array: array[:count]).last_close_at


def _identity(candles: Mapping[str, Candles]) -> str:
    """Bound to the prices themselves: the same candles are the same feed, however the files are named or cut."""
    digest = blake2b(digest_size=8)
    names = []
    for symbol, base in sorted(candles.items()):
        names.append(f"{symbol} {base.timeframe}")
        digest.update(names[-1].encode())
        for name in FIELDS:
            digest.update(getattr(base, name).data)
    return f"replay:{','.join(names)}:{digest.hexdigest()}"


def _tick(prices: Floats) -> Decimal:
    """The price step: the decimals that nearly all of a sample need; at most eight digits of a usual price."""
    sample = prices[:: max(1, len(prices) // 1000)]
    coarsest = max(0, ceil(-log10(float(prices.min()))) + 2)  # a hundred ticks to the lowest price
    finest = max(coarsest, ceil(SIGNIFICANT - 1 - log10(float(np.median(sample)))))
    for decimals in range(coarsest, finest):
        if np.mean(np.isclose(np.round(sample, decimals), sample, rtol=1e-13, atol=0)) > 0.95:
            return Decimal(1).scaleb(-decimals)
    return Decimal(1).scaleb(-finest)
