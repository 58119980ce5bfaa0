"""Baseline: what the same symbols would have made, bought in equal parts at the start of the span and held."""

from collections.abc import Iterable
from datetime import datetime

import numpy as np
from msgspec import Struct

from trade_mcp.office.candles import between, coarse
from trade_mcp.ports import Feed
from trade_mcp.quant.candles import Candles, Floats, ms_of
from trade_mcp.quant.returns import Curve, max_drawdown

POINTS = 500  # of the line that is drawn
NO_CANDLES = "there are no candles from the start of the period"


class Baseline(Struct, frozen=True):
    """Buy and hold, before costs. ``growth`` and ``max_drawdown`` are fractions; None with the reason in ``unknown``.

    ``without`` are symbols that have no candles from the start on. ``line`` is what 1 became.
    """

    symbols: tuple[str, ...]
    without: tuple[str, ...]
    growth: float | None
    max_drawdown: float | None
    line: Curve
    unknown: str = ""


def no_baseline(why: str, *, without: tuple[str, ...] = ()) -> Baseline:
    return Baseline((), without, None, None, _line(np.empty(0, np.int64), np.empty(0)), why)


def hold(feed: Feed, symbols: Iterable[str], *, start: datetime, end: datetime) -> Baseline:
    """Equal parts of ``symbols`` bought at ``start`` and held to ``end``."""
    timeframe = coarse(feed, end - start, most=POINTS)
    first, last = ms_of(start), ms_of(end)
    at_ms = np.linspace(first, last, POINTS).astype(np.int64)
    lines, without = {}, []
    for symbol in symbols:
        candles = between(feed, symbol, timeframe, start=start, end=end)
        became = None if candles is None else _became(candles, at_ms)
        if became is None:
            without.append(symbol)
        else:
            lines[symbol] = became
    if not lines:
        return no_baseline(NO_CANDLES, without=tuple(without))
    index = np.mean(list(lines.values()), axis=0)
    line = _line(at_ms, index)
    return Baseline(tuple(lines), tuple(without), float(index[-1] - 1), max_drawdown(line), line)


def _became(candles: Candles, at_ms: np.ndarray) -> Floats | None:
    """What 1 put into ``candles`` at the first of ``at_ms`` was worth at each; None without a price by then."""
    closes_ms = candles.open_ms + round(candles.step.total_seconds() * 1000)
    place = np.searchsorted(closes_ms, at_ms, side="right") - 1
    return None if place[0] < 0 else candles.close[place] / candles.close[place[0]]


def _line(at_ms: np.ndarray, index: Floats) -> Curve:
    return Curve(at_ms, index, np.zeros(len(index)))
