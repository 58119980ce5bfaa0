"""The laws of every registered strategy, for parameters, candles, holes and cuts that nobody chose."""

from collections.abc import Callable
from typing import Any, get_args

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from strategies.made_candles import made, noise_after
from trade_mcp.domain.errors import BadConfig
from trade_mcp.quant.candles import Candles
from trade_mcp.strategies import STRATEGIES, build_strategy
from trade_mcp.strategies.protocol import Strategy

JITTER = 2e-5  # of the price: bars whose strength it changes are ties, which the last digits may decide
every_strategy = pytest.mark.parametrize("name", STRATEGIES)
by_chance = settings(max_examples=10, deadline=None)


@st.composite
def built(draw: Callable[..., Any], name: str) -> Strategy:
    """The strategy ``name`` with parameters inside their bounds, the integers small."""
    given_: dict[str, object] = {}
    for field in msgspec.structs.fields(STRATEGIES[name]):  # type: ignore[arg-type]
        kind, meta = get_args(field.type)
        if kind is int:
            given_[field.name] = draw(st.integers(meta.ge, min(meta.le, meta.ge + 30)), label=field.name)
        else:
            low, high = (meta.gt or 0.0) + 0.1, (meta.lt or meta.le) - 0.1
            given_[field.name] = draw(st.floats(low, high), label=field.name)
    try:
        return build_strategy(name, given_)
    except BadConfig:  # the parameters contradict each other
        assume(False)
        raise


@st.composite
def markets(draw: Callable[..., Any], strategy: Strategy) -> Candles:
    """A walk of a few lookbacks at some price, with up to three holes; one may be longer than the lookback."""
    count = 3 * strategy.lookback + draw(st.integers(10, 60))
    candles = made(draw(st.integers(0, 2**16)), count, scale=10.0 ** draw(st.integers(-8, 8)))
    gaps = np.zeros(count, dtype=np.int64)
    for _ in range(draw(st.integers(0, 3))):
        gaps[draw(st.integers(0, count - 1)) :] += draw(st.integers(1, 2 * strategy.lookback + 10))
    return msgspec.structs.replace(candles, open_ms=candles.open_ms + gaps * 300_000)


@every_strategy
@by_chance
@given(data=st.data())
def test_a_strength_is_known_from_the_lookback_on_and_lies_between_minus_one_and_one(
    name: str, data: st.DataObject
) -> None:
    strategy = data.draw(built(name))
    strengths = strategy.strengths(data.draw(markets(strategy)))
    assert strengths.dtype == np.float64
    assert np.isnan(strengths[: strategy.lookback - 1]).all()
    assert (np.abs(strengths[strategy.lookback - 1 :]) <= 1).all()


@every_strategy
@by_chance
@given(data=st.data())
def test_no_strength_depends_on_a_later_candle(name: str, data: st.DataObject) -> None:
    strategy = data.draw(built(name))
    candles = data.draw(markets(strategy))
    before = strategy.strengths(candles)
    for keep in data.draw(st.lists(st.integers(1, len(candles) - 1), min_size=4, max_size=4)):
        other_future = strategy.strengths(noise_after(candles, keep, seed=keep))
        np.testing.assert_array_equal(other_future[:keep], before[:keep])
        np.testing.assert_array_equal(strategy.strengths(candles.each(lambda a, n=keep: a[:n])), before[:keep])


@every_strategy
@by_chance
@given(data=st.data())
def test_no_strength_depends_on_a_candle_beyond_the_lookback(name: str, data: st.DataObject) -> None:
    strategy = data.draw(built(name))
    candles = data.draw(markets(strategy))
    whole = strategy.strengths(candles)
    for start in data.draw(st.lists(st.integers(1, len(candles) - strategy.lookback), min_size=4, max_size=4)):
        cut = strategy.strengths(candles.each(lambda array, n=start: array[n:]))
        known = np.arange(start + strategy.lookback - 1, len(candles))
        differ = known[cut[known - start] != whole[known]]
        assert len(differ) <= 0.01 * len(known)
        assert not len(differ) or ties(strategy, candles)[differ].all(), differ


def ties(strategy: Strategy, candles: Candles) -> np.ndarray:
    """Bars whose strength changes when the prices change by next to nothing."""
    whole = strategy.strengths(candles)
    found = np.zeros(len(candles), dtype=bool)
    for seed in range(6):
        factor = 1 + JITTER * np.random.default_rng(seed).standard_normal(len(candles))
        prices = {name: getattr(candles, name) * factor for name in ("open", "high", "low", "close")}
        moved = strategy.strengths(msgspec.structs.replace(candles, **prices))
        found |= (moved != whole) & ~(np.isnan(moved) & np.isnan(whole))
    return found
