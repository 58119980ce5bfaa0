"""Blend: the opinions of several strategies as one strength."""

from collections.abc import Mapping

import numpy as np

from trade_mcp.quant.candles import Floats


def blend(strengths: Mapping[str, Floats], weights: Mapping[str, float] | None = None) -> Floats:
    """Weighted mean of ``strengths`` (by strategy name, arrays of equal length in -1..1), one value per bar.

    Without ``weights`` all count the same; a strategy they do not name counts 1. NaN wherever any strategy that
    counts is still warming up: half an opinion is none. Raises ValueError for no strategy, or weights that are negative
    or all zero.

    >>> blend({"trend": np.array([np.nan, 1.0]), "reversion": np.array([0.0, 0.5])})
    array([ nan, 0.75])
    """
    shares = _shares(strengths, weights)
    mean: Floats = np.sum([share * strengths[name] for name, share in shares.items()], axis=0)
    return np.clip(mean, -1.0, 1.0)


def contributions(strengths: Mapping[str, float], weights: Mapping[str, float] | None = None) -> dict[str, float]:
    """How much of one bar's blend each strategy makes, by name; their sum is the blend."""
    return {name: share * strengths[name] for name, share in _shares(strengths, weights).items()}


def leader(strengths: Mapping[str, float], weights: Mapping[str, float] | None = None) -> str:
    """The strategy that pulls one bar's blend most towards where it points: who a trade is attributed to.

    The first of them on a tie. Raises ValueError while one that counts is still warming up (NaN).

    >>> leader({"ema_cross": 1.0, "rsi_reversion": -0.2})
    'ema_cross'
    """
    parts = contributions(strengths, weights)
    total = sum(parts.values())
    if np.isnan(total):
        raise ValueError(f"still warming up: {', '.join(name for name, part in parts.items() if np.isnan(part))}")
    direction = -1.0 if total < 0 else 1.0
    return max(parts, key=lambda name: direction * parts[name])


def _shares(strengths: Mapping[str, object], weights: Mapping[str, float] | None) -> dict[str, float]:
    counted = {name: 1.0 if weights is None else float(weights.get(name, 1.0)) for name in strengths}
    total = sum(counted.values())
    if not all(weight >= 0 for weight in counted.values()) or not 0 < total < float("inf"):
        raise ValueError(f"weights must be zero or more, and not all zero: {counted}")
    return {name: weight / total for name, weight in counted.items() if weight > 0}
