"""Closed: which bars may be seen at a market time, and coarser bars built from finer ones."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from trade_mcp.domain.errors import BadInput
from trade_mcp.domain.market import TIMEFRAMES, timeframe_delta
from trade_mcp.quant.candles import Candles, ms_of

FIELDS = ("open_ms", "open", "high", "low", "close", "volume")
VOLUME_DECIMALS = 8  # a sum of volumes shows no digits that no exchange has


def step_ms(timeframe: str) -> int:
    """Milliseconds of one bar. Raises BadInput for an unknown timeframe."""
    return timeframe_delta(timeframe) // timedelta(milliseconds=1)


def buildable(base: str) -> tuple[str, ...]:
    """Every timeframe whose buckets ``base`` bars fill exactly.

    >>> buildable("4h")
    ('4h', '12h', '1d')
    """
    finer = TIMEFRAMES[base]
    return tuple(name for name, length in TIMEFRAMES.items() if not length % finer)


def check_request(symbol: str, base: str, *, timeframe: str, limit: int) -> None:
    """Raises BadInput if ``timeframe`` cannot be built from ``base`` bars, or ``limit`` is no count."""
    timeframe_delta(timeframe)
    possible = buildable(base)
    if timeframe not in possible:
        raise BadInput(
            f"{symbol} comes as {base} candles: {timeframe} cannot be built from them",
            hint=f"one of {', '.join(possible)}",
        )
    if limit < 1:
        raise BadInput(f"limit is {limit}; at least one candle must be asked for", hint="limit=100 is a good start")


def closed(candles: Candles, *, now: datetime, limit: int) -> Candles:
    """The newest ``limit`` of ``candles`` that closed at or before ``now``: a view, no copy."""
    stop = int(np.searchsorted(candles.open_ms, ms_of(now) - step_ms(candles.timeframe), side="right"))
    start = max(0, stop - limit)
    return candles.each(lambda array: array[start:stop])


def aggregate(candles: Candles, timeframe: str) -> Candles:
    """``candles`` as bars of the coarser ``timeframe``, in buckets aligned to UTC midnight.

    A bucket in which bars are missing is built from those that exist; one without any is a gap. The last bucket may
    still lack its end: whoever shows it waits until the bucket's own end (``closed`` does).
    """
    if timeframe == candles.timeframe:
        return candles
    step = step_ms(timeframe)
    bucket = candles.open_ms // step
    first = np.flatnonzero(np.diff(bucket, prepend=bucket[0] - 1))
    last = np.append(first[1:], len(bucket)) - 1
    return frozen(
        Candles(
            candles.symbol,
            timeframe,
            bucket[first] * step,
            candles.open[first],
            np.maximum.reduceat(candles.high, first),
            np.minimum.reduceat(candles.low, first),
            candles.close[last],
            np.round(np.add.reduceat(candles.volume, first), VOLUME_DECIMALS),
        )
    )


def joined(parts: Sequence[Candles]) -> Candles:
    """``parts`` of one symbol and timeframe, one after the other."""
    columns = (np.concatenate([getattr(part, name) for part in parts]) for name in FIELDS)
    return frozen(Candles(parts[0].symbol, parts[0].timeframe, *columns))


def frozen(candles: Candles) -> Candles:
    """The same candles, their arrays read-only: views of them are handed out to everyone."""
    for name in FIELDS:
        getattr(candles, name).flags.writeable = False
    return candles
