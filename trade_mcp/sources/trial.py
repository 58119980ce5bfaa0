"""Trial: does a strategy keep the laws: its shape, the same answer twice, nothing from the future, nothing beyond its
lookback, in good time.
"""

import time
from collections.abc import Callable

import numpy as np
from msgspec import Struct, structs

from trade_mcp.domain.errors import TradeError
from trade_mcp.quant.candles import Candles
from trade_mcp.strategies.protocol import Strategy

SLOW_MS = 100.0  # for one symbol; the loop asks for every one of them at every bar
PRICES = ("open", "high", "low", "close")
TRIES = 20  # places where the candles are cut, or their future replaced


class Check(Struct, frozen=True):
    """One law, whether it holds, what was seen, and what to do."""

    name: str
    passed: bool
    seen: str
    hint: str = ""


def trial(strategy: Strategy) -> list[Check]:
    """Every check, in order; after the first that the strategy cannot answer at all, no more."""
    candles = walk(3 * strategy.lookback + 200)
    checks: list[Check] = []
    for law in (_shape, _repeats, _look_ahead, _truncation, _reason, _time):
        try:
            checks.append(law(strategy, candles))
        except TradeError as error:
            checks.append(Check(law.__name__.strip("_"), False, error.message, "mend the strategy's code"))
            break
    return checks


def walk(count: int, *, seed: int = 7) -> Candles:
    """Made candles: a random walk of 5-minute bars."""
    chance = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(chance.normal(0, 0.004, count)))
    open_ = np.concatenate([[100.0], close[:-1]])
    reach = np.abs(chance.normal(0, 0.002, (2, count)))
    high, low = np.maximum(open_, close) * (1 + reach[0]), np.minimum(open_, close) * (1 - reach[1])
    open_ms = 1_700_000_100_000 + 300_000 * np.arange(count, dtype=np.int64)
    return Candles("MADE/UP", "5m", open_ms, open_, high, low, close, chance.uniform(1, 100, count))


def _shape(strategy: Strategy, candles: Candles) -> Check:
    found = strategy.strengths(candles)
    known = found[strategy.lookback - 1 :]
    early = int(np.count_nonzero(~np.isnan(found[: strategy.lookback - 1])))
    if np.isnan(known).any():
        seen = (
            f"{int(np.isnan(known).sum())} of {len(known)} strengths are NaN though there are {strategy.lookback} bars"
        )
        return Check("shape", False, seen, "answer a number from the lookback-th candle on; 0 is no opinion")
    if early:
        return Check("shape", False, f"{early} strengths before its lookback", "NaN for the first lookback - 1 candles")
    return Check("shape", True, f"{len(found)} strengths from {known.min():+.2f} to {known.max():+.2f}")


def _repeats(strategy: Strategy, candles: Candles) -> Check:
    first = strategy.strengths(candles)
    strategy.strengths(candles.last(strategy.lookback))
    changed = int(np.count_nonzero(~_same(strategy.strengths(candles), first)))
    if changed:
        seen = f"{changed} of {len(first)} strengths differ when the same candles are shown again"
        return Check("repeats", False, seen, "keep nothing between two calls, and draw nothing at random")
    return Check("repeats", True, "the same candles, the same strengths")


def _look_ahead(strategy: Strategy, candles: Candles) -> Check:
    before = strategy.strengths(candles)
    for number, keep in enumerate(np.linspace(strategy.lookback, len(candles) - 1, TRIES).astype(int)):
        noise = walk(len(candles), seed=number)
        after = strategy.strengths(_mixed(candles, noise, int(keep), scale=(1.2, 0.8)[number % 2]))  # a jump up, down
        changed = np.flatnonzero(~_same(after[:keep], before[:keep]))
        if len(changed):
            seen = f"the strength of candle {changed[0] + 1} changed with the candles after number {keep}"
            return Check("look_ahead", False, seen, "use nothing of a candle that comes later")
    return Check("look_ahead", True, "later candles change nothing earlier")


def _truncation(strategy: Strategy, candles: Candles) -> Check:
    whole = strategy.strengths(candles)
    starts = range(1, len(candles) - strategy.lookback, max(1, len(candles) // TRIES))
    differ = tried = 0
    for start in starts:
        cut = strategy.strengths(candles.each(lambda array, start=start: array[start:]))  # type: ignore[misc]
        tail = slice(strategy.lookback - 1, None)
        same = _same(cut[tail], whole[start:][tail]) | np.isclose(cut[tail], whole[start:][tail], atol=1e-6)
        differ, tried = differ + int(np.count_nonzero(~same)), tried + len(same)
    if differ > 0.001 * tried:  # a tie of two averages may fall to either side in the last digit
        seen = (
            f"{differ} of {tried} strengths change when candles beyond its lookback of {strategy.lookback} are cut off"
        )
        return Check("truncation", False, seen, "declare a longer lookback")
    return Check("truncation", True, f"nothing beyond {strategy.lookback} bars matters")


def _reason(strategy: Strategy, candles: Candles) -> Check:
    said = strategy.explain(candles)
    return Check("reason", bool(said), said or "it says nothing", "" if said else "explain() answers one sentence")


def _time(strategy: Strategy, candles: Candles) -> Check:
    newest = candles.last(strategy.lookback + 1)
    took = min(_took_ms(lambda: strategy.strengths(newest)) for _ in range(3))
    hint = "" if took < SLOW_MS else "the loop asks at every bar, for every symbol: use arrays instead of a Python loop"
    return Check("time", took < SLOW_MS, f"{took:.1f} ms for {len(newest)} candles", hint)


def _took_ms(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return (time.perf_counter() - began) * 1000


def _same(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    same: np.ndarray = (a == b) | (np.isnan(a) & np.isnan(b))
    return same


def _mixed(candles: Candles, noise: Candles, keep: int, *, scale: float) -> Candles:
    """The first ``keep`` of ``candles``, then ``noise`` that begins at ``scale`` times their last close."""
    level = scale * candles.close[keep - 1] / noise.close[keep]
    prices = {name: np.append(getattr(candles, name)[:keep], level * getattr(noise, name)[keep:]) for name in PRICES}
    return structs.replace(candles, **prices, volume=np.append(candles.volume[:keep], noise.volume[keep:]))
