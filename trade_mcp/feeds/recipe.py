"""Recipe: how synthetic prices are made. A pure function of (seed, symbol, block), so any block can be made alone.

A block is sixteen days of one-minute bars. What happens inside (regimes that the whole market shares, common and own
shocks) is drawn from a generator seeded with the block's number; where it begins and ends is fixed by *anchors*, noise
of several wavelengths, so blocks meet without anybody having made those in between, and prices never run away.
"""

from collections.abc import Iterable
from math import sqrt
from zlib import crc32

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from trade_mcp.feeds.closed import frozen
from trade_mcp.quant.candles import Candles, Floats

VERSION = 1  # part of the feed's identity: other prices, other number
MINUTE_MS = 60_000
BLOCK = 16 * 24 * 60  # minutes
TICK_DECIMALS = 2
LOT_DECIMALS = 5

LEVELS = {"BTC": 60_000.0, "ETH": 3_000.0, "SOL": 150.0}  # other coins: one drawn from the name, 20..500
TRADED = 400_000.0  # quote currency per quiet minute

# Per minute, as fractions of the price, by regime: trend up, trend down, range, volatile.
DRIFT = np.array([7.0e-5, -7.0e-5, 0.0, 0.0])
VOLATILITY = np.array([5.0e-4, 5.5e-4, 4.0e-4, 1.1e-3])
RANGE = 2
SEGMENT = (60, 421)  # minutes one regime lasts
REVERSION = 20  # minutes in which a range forgets a shock

OWN_SHOCK = 0.6  # of the common one
ANCHORS = ((1, 0.05), (8, 0.12), (64, 0.2))  # (wavelength in blocks, log amplitude)
OWN_ANCHOR = 0.5  # of the common one


class Weather(Struct, frozen=True):
    """What all symbols share in one block, per minute: volatility, drift, whether in a range, and the common shock."""

    volatility: Floats
    drift: Floats
    in_range: NDArray[np.bool_]
    shock: Floats


def weather(seed: int, block: int) -> Weather:
    """The market of ``block``."""
    draw = _generator(seed, "weather", block)
    count = BLOCK // SEGMENT[0]
    lengths = draw.integers(*SEGMENT, size=count)
    regimes = np.cumsum(draw.integers(1, len(DRIFT), size=count)) % len(DRIFT)  # never the same twice in a row
    strength = draw.uniform(0.6, 1.4, size=count)
    volatility = np.repeat(VOLATILITY[regimes] * strength, lengths)[:BLOCK]
    in_range = np.repeat(regimes == RANGE, lengths)[:BLOCK]
    shock = _shocks(draw, volatility, in_range)
    return Weather(volatility, np.repeat(DRIFT[regimes] * strength, lengths)[:BLOCK], in_range, shock)


def minutes(seed: int, symbol: str, block: int, *, market: Weather) -> Candles:
    """All one-minute candles of ``symbol`` in ``block``, in the ``market`` of that block."""
    draw = _generator(seed, symbol, block)
    beta = 0.9 + 0.5 * _share(symbol, "beta")
    returns = beta * (market.drift + market.shock + OWN_SHOCK * _shocks(draw, market.volatility, market.in_range))
    begin, end = _anchor(seed, symbol, block), _anchor(seed, symbol, block + 1)
    path = begin + np.cumsum(returns + (end - begin - returns.sum()) / BLOCK)
    path[-1] = end  # exactly where the next block begins, whatever the sum lost
    level = _level(symbol)
    price = np.round(level * np.exp(np.concatenate(([begin], path))), TICK_DECIMALS)
    opening, closing = price[:-1], price[1:]
    wick = beta * sqrt(1 + OWN_SHOCK**2) * market.volatility / 2
    up, down = np.abs(draw.standard_normal((2, BLOCK)))
    lively = market.volatility / VOLATILITY.min() * (0.4 + np.abs(returns) / (beta * market.volatility))
    volume = TRADED / level * lively * np.exp(0.4 * draw.standard_normal(BLOCK))
    return frozen(
        Candles(
            symbol,
            "1m",
            (np.arange(BLOCK, dtype=np.int64) + block * BLOCK) * MINUTE_MS,
            opening,
            np.round(np.maximum(opening, closing) * (1 + wick * up), TICK_DECIMALS),
            np.round(np.minimum(opening, closing) * (1 - wick * down), TICK_DECIMALS),
            closing,
            np.round(volume, LOT_DECIMALS),
        )
    )


def _shocks(draw: np.random.Generator, volatility: Floats, in_range: NDArray[np.bool_]) -> Floats:
    """Log returns; in a range each is undone over the next REVERSION minutes."""
    normal = draw.standard_normal(BLOCK)
    total = np.concatenate((np.zeros(REVERSION + 1), np.cumsum(normal)))
    undone = (total[REVERSION:-1] - total[: -REVERSION - 1]) / REVERSION
    return volatility * np.where(in_range, normal - undone, normal)


def _anchor(seed: int, symbol: str, block: int) -> float:
    """Log price, relative to the symbol's level, at the start of ``block``."""
    total = 0.0
    for length, amplitude in ANCHORS:
        node, along = divmod(block, length)
        for name, share in (("market", 1.0), (symbol, OWN_ANCHOR)):
            left, right = (_generator(seed, f"{name} anchor {length}", at).standard_normal() for at in (node, node + 1))
            total += share * amplitude * (left + (right - left) * along / length)
    return total


def _level(symbol: str) -> float:
    base = symbol.partition("/")[0]
    return LEVELS.get(base) or round(20 * 25 ** _share(base, "level"), TICK_DECIMALS)


def _share(name: str, what: str) -> float:
    """A number in 0..1 that belongs to ``name``."""
    return crc32(f"{what} of {name}".encode()) / 2**32


def _generator(seed: int, name: str, number: int) -> np.random.Generator:
    words: Iterable[int] = (seed, crc32(name.encode()), number)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(tuple(words))))
