"""Candles made from a seed, and the same ones with another future."""

import numpy as np

from trade_mcp.quant.candles import Candles

START_MS = 1_700_000_000_000 - 1_700_000_000_000 % 300_000


def made(seed: int, count: int, *, scale: float = 50_000.0) -> Candles:
    """A seeded random walk of ``count`` five-minute bars, with one hole of 20 bars in the middle."""
    rng = np.random.default_rng(seed)
    close = scale * np.exp(np.cumsum(rng.normal(0, 0.004, count)))
    open_ = np.concatenate([[scale], close[:-1]])[:count]
    wick = 1 + np.abs(rng.normal(0, 0.001, count))
    bar = np.arange(count, dtype=np.int64)
    bar[count // 2 :] += 20
    high, low = np.maximum(open_, close) * wick, np.minimum(open_, close) / wick
    return Candles("BTC/USDT", "5m", START_MS + bar * 300_000, open_, high, low, close, rng.lognormal(2, 0.7, count))


def noise_after(candles: Candles, keep: int, seed: int) -> Candles:
    """``candles`` with everything after the first ``keep`` bars replaced by another walk."""
    other = made(seed, len(candles) - keep, scale=float(candles.close[keep - 1]) * 3)
    pairs = zip(
        (candles.open, candles.high, candles.low, candles.close, candles.volume),
        (other.open, other.high, other.low, other.close, other.volume),
        strict=True,
    )
    arrays = [np.concatenate([ours[:keep], theirs]) for ours, theirs in pairs]
    return Candles(candles.symbol, candles.timeframe, candles.open_ms, *arrays)
