"""Several opinions become one strength; a risk becomes a size."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trade_mcp.domain.errors import BadInput
from trade_mcp.quant.blend import blend, contributions, leader
from trade_mcp.quant.sizing import fixed_risk

NAN = float("nan")
strength = st.floats(-1, 1)
opinions = st.dictionaries(st.sampled_from("abcdef"), strength, min_size=1)


def test_strategies_count_the_same_unless_weights_say_otherwise() -> None:
    strengths = {"a": np.array([1.0, -1.0]), "b": np.array([0.0, 1.0])}
    np.testing.assert_allclose(blend(strengths), [0.5, 0.0])
    np.testing.assert_allclose(blend(strengths, {"a": 3.0}), [0.75, -0.5])
    np.testing.assert_allclose(blend(strengths, {"a": 0.0, "b": 2.0}), [0.0, 1.0])


def test_the_blend_waits_for_everyone_who_counts() -> None:
    strengths = {"a": np.array([NAN, NAN, 1.0]), "b": np.array([NAN, 1.0, 1.0])}
    np.testing.assert_array_equal(blend(strengths), [NAN, NAN, 1.0])
    np.testing.assert_array_equal(blend(strengths, {"a": 0.0}), [NAN, 1.0, 1.0])


@given(opinions)
def test_a_blend_is_the_sum_of_its_contributions_and_stays_in_range(given_strengths: dict[str, float]) -> None:
    whole = blend({name: np.array([value]) for name, value in given_strengths.items()})[0]
    assert -1 <= whole <= 1
    assert sum(contributions(given_strengths).values()) == pytest.approx(whole)
    first = leader(given_strengths)
    best = max(given_strengths.values()) if whole >= 0 else min(given_strengths.values())
    assert given_strengths[first] == pytest.approx(best)


def test_a_trade_is_attributed_to_who_pulled_most() -> None:
    assert leader({"a": 0.5, "b": 1.0}) == "b"
    assert leader({"a": 0.5, "b": 1.0}, {"a": 3.0}) == "a"
    assert leader({"a": -1.0, "b": 0.2}) == "a"
    with pytest.raises(ValueError, match="still warming up: b"):
        leader({"a": 1.0, "b": NAN})


@pytest.mark.parametrize("weights", [{"a": 0.0}, {"a": -1.0}, {"a": NAN}, {"a": float("inf")}])
def test_weights_that_make_no_sense_are_refused(weights: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="weights must be"):
        blend({"a": np.array([1.0])}, weights)
    with pytest.raises(ValueError, match="weights must be"):
        blend({})


@given(st.floats(1, 1e9), st.floats(0, 1), st.floats(1e-6, 1e6), st.floats(0.01, 0.99))
def test_the_stop_loses_exactly_the_risk(equity: float, risk: float, entry: float, distance: float) -> None:
    stop = entry * (1 - distance)
    size = fixed_risk(equity, risk, entry=entry, stop=stop)
    assert size * (entry - stop) == pytest.approx(equity * risk)


@pytest.mark.parametrize(
    ("entry", "stop"), [(100, 100), (100, 101), (100, 0), (100, -5), (NAN, 5), (100, NAN), (float("inf"), 5)]
)
def test_a_stop_that_is_not_below_the_entry_is_refused(entry: float, stop: float) -> None:
    with pytest.raises(BadInput, match="below the entry"):
        fixed_risk(1_000, 0.01, entry=entry, stop=stop)


def test_a_risk_that_is_not_a_fraction_is_refused_and_no_equity_buys_nothing() -> None:
    with pytest.raises(BadInput, match="not a fraction"):
        fixed_risk(1_000, 15, entry=100, stop=98)
    assert fixed_risk(-5, 0.01, entry=100, stop=98) == 0
