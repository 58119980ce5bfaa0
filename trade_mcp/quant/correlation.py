"""Correlation of daily returns, shrunk: ninety days of noise look like structure until they are pulled to the mean."""

from collections.abc import Mapping

import numpy as np
from msgspec import Struct

from trade_mcp.quant.candles import Candles, Floats

DAYS = 90
LEAST = 60  # daily returns that all of the symbols have; a symbol with fewer is left out: its correlation is unknown
NOTHING = 1e-12
DAY_MS = 86_400_000
GAP_MS = 5 * DAY_MS  # between two closes that make a return: a long weekend, and no more


class Shrunk(Struct, frozen=True):
    """``pairs`` of symbols, in order of their names, in -1..1; made of ``days`` returns, pulled by ``shrinkage``."""

    pairs: dict[tuple[str, str], float]
    days: int
    shrinkage: float  # 0: as observed, 1: all the same


def correlations(daily: Mapping[str, Candles]) -> Shrunk:
    """The correlations of the symbols of ``daily`` (one-day candles) over their last `DAYS` common returns."""
    returns = {symbol: found for symbol in sorted(daily) if len(found := _returns(daily[symbol])) >= LEAST}
    names = list(returns)
    if len(names) < 2:
        return Shrunk({}, 0, 0.0)
    common = sorted(set.intersection(*(set(found) for found in returns.values())))[-DAYS:]
    if len(common) < LEAST:
        return Shrunk({}, len(common), 0.0)
    table = np.array([[returns[name][day] for name in names] for day in common])
    moving = table.std(axis=0) > 0
    names, table = [name for name, moves in zip(names, moving, strict=True) if moves], table[:, moving]
    if len(names) < 2:
        return Shrunk({}, len(common), 0.0)
    matrix, shrinkage = shrunk(table)
    pairs = {(a, b): float(matrix[i, j]) for i, a in enumerate(names) for j, b in enumerate(names) if i < j}
    return Shrunk(pairs, len(common), shrinkage)


def shrunk(returns: Floats) -> tuple[Floats, float]:
    """The correlation matrix of ``returns`` (rows: days, columns: symbols) and how far it was pulled to its mean.

    Ledoit and Wolf, "Honey, I Shrunk the Sample Covariance Matrix" (2004), on returns of unit variance: the target has
    the mean correlation everywhere, the weight is the one of least expected squared error.
    """
    days = len(returns)
    x = (returns - returns.mean(axis=0)) / returns.std(axis=0)
    sample: Floats = x.T @ x / days
    count = len(sample)
    mean = (sample.sum() - count) / (count * (count - 1))
    target = np.full_like(sample, mean)
    np.fill_diagonal(target, 1.0)
    distance = float(((sample - target) ** 2).sum())
    if distance < NOTHING:  # two symbols have one correlation, which is the mean
        return sample, 0.0
    errors = (x**2).T @ (x**2) / days - sample**2  # variance of each entry
    beside = (x**3).T @ x / days - sample
    np.fill_diagonal(beside, 0.0)
    together = float(np.trace(errors)) + mean * float(beside.sum())  # covariance of sample and target
    weight = min(max((float(errors.sum()) - together) / distance / days, 0.0), 1.0)
    return weight * target + (1 - weight) * sample, weight


def _returns(daily: Candles) -> dict[int, float]:
    """Log returns by the day (number since 1970) they ended; a hole makes none."""
    close, opened = np.asarray(daily.close), np.asarray(daily.open_ms)
    if len(close) < 2 or not (close > 0).all():
        return {}
    near = np.diff(opened) <= GAP_MS
    return dict(zip((opened[1:][near] // DAY_MS).tolist(), np.diff(np.log(close))[near].tolist(), strict=True))
