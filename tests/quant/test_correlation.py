"""Correlations are those of the days symbols have in common, pulled to their mean by Ledoit and Wolf; else unknown."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trade_mcp.quant.candles import Candles, ms_of
from trade_mcp.quant.correlation import DAYS, LEAST, correlations, shrunk

START = datetime(2024, 1, 1, tzinfo=UTC)


def daily(symbol: str, returns: np.ndarray, *, skip: int = 0, holes: tuple[int, ...] = ()) -> Candles:
    days = [n for n in range(skip, len(returns)) if n not in holes]
    close = 100 * np.exp(np.cumsum(returns))[days]
    opened = np.array([ms_of(START + timedelta(days=n)) for n in days])
    return Candles(symbol, "1d", opened, close, close, close, close, np.ones(len(days)))


def noise(seed: int, days: int = 200) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.02, days)


def naive(returns: np.ndarray) -> float:
    """The weight as the paper writes it, sum by sum."""
    days, count = returns.shape
    x = (returns - returns.mean(axis=0)) / returns.std(axis=0)
    s = [[float(np.mean(x[:, i] * x[:, j])) for j in range(count)] for i in range(count)]
    mean = 2 * sum(s[i][j] for i in range(count) for j in range(i + 1, count)) / (count * (count - 1))
    target = [[1.0 if i == j else mean for j in range(count)] for i in range(count)]

    def pi(i: int, j: int) -> float:
        return float(np.mean((x[:, i] * x[:, j] - s[i][j]) ** 2))

    def theta(i: int, j: int) -> float:
        return float(np.mean((x[:, i] ** 2 - s[i][i]) * (x[:, i] * x[:, j] - s[i][j])))

    each = range(count)
    phi = sum(pi(i, j) for i in each for j in each)
    rho = sum(pi(i, i) for i in each) + mean / 2 * sum(theta(i, j) + theta(j, i) for i in each for j in each if i != j)
    gamma = sum((target[i][j] - s[i][j]) ** 2 for i in each for j in each)
    return max(0.0, min(1.0, (phi - rho) / gamma / days))


@pytest.mark.parametrize("seed", range(4))
def test_the_weight_is_the_one_of_the_paper(seed: int) -> None:
    chance = np.random.default_rng(seed)
    market = chance.normal(0, 0.02, 90)
    returns = np.column_stack([beta * market + chance.normal(0, 0.02, 90) for beta in (0.0, 0.5, 1.0, 2.0)])
    matrix, weight = shrunk(returns)
    assert weight == pytest.approx(naive(returns))
    assert 0 < weight < 1
    sample = np.corrcoef(returns.T)
    mean = (sample.sum() - 4) / 12
    assert matrix[0, 3] == pytest.approx(weight * mean + (1 - weight) * sample[0, 3])


def test_what_moves_alike_is_one_and_what_does_not_is_near_nothing() -> None:
    market = noise(1)
    found = correlations(
        {"A": daily("A", market), "B": daily("B", 2 * market), "C": daily("C", noise(2)), "D": daily("D", noise(3))}
    )
    assert found.days == DAYS
    assert found.pairs["A", "B"] > 0.9
    assert abs(found.pairs["C", "D"]) < 0.3


def test_two_symbols_are_taken_as_they_are() -> None:
    a, b = noise(1), noise(1) + noise(2)
    found = correlations({"A": daily("A", a), "B": daily("B", b)})
    assert found.shrinkage == 0
    assert found.pairs["A", "B"] == pytest.approx(np.corrcoef(a[-DAYS:], b[-DAYS:])[0, 1])


def test_the_young_the_flat_and_the_alone_are_unknown() -> None:
    old = daily("A", noise(1))
    young = daily("B", noise(2), skip=200 - LEAST)  # one return too few
    flat = daily("C", np.zeros(200))
    assert correlations({"A": old, "B": young}).pairs == {}
    assert correlations({"A": old, "C": flat}).pairs == {}
    assert correlations({"A": old}).pairs == {}
    assert correlations({}).pairs == {}


def test_only_common_days_count_and_a_long_hole_makes_no_return() -> None:
    a = daily("A", noise(1), holes=tuple(range(150, 160)))
    found = correlations({"A": a, "B": daily("B", noise(1))})
    assert found.days == DAYS
    assert found.pairs["A", "B"] == pytest.approx(1.0)  # the jump over the hole is not held against one day


@given(st.integers(2, 6), st.integers(0, 10_000))
def test_a_shrunk_matrix_is_one_of_correlations(count: int, seed: int) -> None:
    chance = np.random.default_rng(seed)
    returns = chance.normal(0, 1, (LEAST, 1)) * chance.random(count) + chance.normal(0, 1, (LEAST, count))
    matrix, weight = shrunk(returns)
    assert 0 <= weight <= 1
    assert np.allclose(np.diag(matrix), 1) and np.allclose(matrix, matrix.T) and (abs(matrix) <= 1 + 1e-9).all()
    assert np.linalg.eigvalsh(matrix).min() > -1e-9
