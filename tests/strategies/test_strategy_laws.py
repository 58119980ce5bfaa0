"""The laws of every registered strategy: nothing from the future, nothing from beyond its lookback."""

import numpy as np
import pytest
from msgspec import structs

from strategies.made_candles import made, noise_after
from trade_mcp.domain.errors import BadConfig
from trade_mcp.quant.candles import Candles
from trade_mcp.quant.indicators import ema, rsi
from trade_mcp.strategies import STRATEGIES, build_strategy, parameters_of
from trade_mcp.strategies.protocol import Strategy

VARIANTS = [
    *((name, {}) for name in STRATEGIES),
    ("ema_cross", {"fast": 5, "slow": 13}),
    ("ema_cross", {"fast": 50, "slow": 100}),
    ("macd_cross", {"fast": 5, "slow": 10, "signal": 4}),
    ("bollinger_reversion", {"period": 40, "width": 1.5}),
    ("donchian_breakout", {"entry": 55, "exit": 20}),
    ("supertrend", {"period": 7, "multiplier": 2.0}),
    ("dca", {"every": 7}),
    ("rsi_reversion", {"period": 5, "oversold": 20.0, "overbought": 80.0}),
]
BASELINES = ("buy_and_hold", "dca")  # they ask for an entry whatever the price does
every_variant = pytest.mark.parametrize(("name", "parameters"), VARIANTS)


def on_the_edge(strategy: Strategy, candles: Candles) -> np.ndarray:
    """Bars where a strategy's numbers tie, so that the last digits of the seed may decide."""
    close = candles.close
    if strategy.name == "ema_cross":
        fast, slow = ema(close, strategy.fast), ema(close, strategy.slow)  # type: ignore[attr-defined]
        return np.abs(fast - slow) < 1e-6 * close
    if strategy.name == "macd_cross":
        return np.abs(strategy._above(candles)) < 1e-6 * close  # type: ignore[attr-defined]
    if strategy.name != "rsi_reversion":
        return np.zeros(len(close), dtype=bool)
    index = rsi(close, strategy.period)  # type: ignore[attr-defined]
    levels = (strategy.oversold, strategy.overbought)  # type: ignore[attr-defined]
    return np.min([np.abs(index - level) for level in levels], axis=0) < 1e-3


def check_no_look_ahead(strategy: Strategy, candles: Candles) -> None:
    before = strategy.strengths(candles)
    for keep in (1, strategy.lookback - 1, strategy.lookback, len(candles) // 2, len(candles) - 1):
        changed = strategy.strengths(noise_after(candles, keep, seed=keep))
        np.testing.assert_array_equal(changed[:keep], before[:keep])
        np.testing.assert_array_equal(strategy.strengths(candles.each(lambda a, n=keep: a[:n])), before[:keep])


def check_truncation(strategy: Strategy, candles: Candles) -> None:
    whole, ties = strategy.strengths(candles), on_the_edge(strategy, candles)
    assert ties[strategy.lookback :].mean() < 0.01
    for start in range(1, len(candles) - strategy.lookback, max(1, len(candles) // 40)):
        cut = strategy.strengths(candles.each(lambda array, n=start: array[n:]))
        sure = ~ties[start:]
        sure[: strategy.lookback - 1] = False
        np.testing.assert_array_equal(cut[sure], whole[start:][sure])


@every_variant
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_later_candles_change_nothing_earlier(name: str, parameters: dict[str, object], seed: int) -> None:
    check_no_look_ahead(build_strategy(name, parameters), made(seed, 2_000))


@every_variant
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_candles_beyond_the_lookback_change_nothing_later(name: str, parameters: dict, seed: int) -> None:
    check_truncation(build_strategy(name, parameters), made(seed, 3_000))


@every_variant
def test_both_laws_hold_on_the_real_market_with_its_gaps(name: str, parameters: dict, real: Candles) -> None:
    if name == "supertrend":  # its library walks bar by bar
        real = real.each(lambda array: array[:3_000])
    assert real.gap_bars > 0
    strategy = build_strategy(name, parameters)
    check_no_look_ahead(strategy, real)
    check_truncation(strategy, real)


@every_variant
def test_the_newest_of_lookback_candles_has_a_strength_and_none_before(name: str, parameters: dict) -> None:
    strategy = build_strategy(name, parameters)
    strengths = strategy.strengths(made(7, strategy.lookback))
    assert np.isnan(strengths[:-1]).all()
    assert -1 <= strengths[-1] <= 1


@every_variant
@pytest.mark.parametrize("count", [0, 1, 2, 13, 14, 15, 64])
def test_too_few_candles_are_all_nan_and_say_so(name: str, parameters: dict, count: int) -> None:
    strategy = build_strategy(name, parameters)
    count = min(count, strategy.lookback - 1)
    candles = made(1, count)
    strengths = strategy.strengths(candles)
    assert len(strengths) == count
    assert np.isnan(strengths).all()
    assert strategy.explain(candles) == f"warming up: {count} of the {strategy.lookback} bars it needs"


@every_variant
@pytest.mark.parametrize("price", [64_210.1, 0.1, 1.23e-9])
def test_a_price_that_never_moves_never_asks_for_an_entry(name: str, parameters: dict, price: float) -> None:
    strategy = build_strategy(name, parameters)
    still = made(1, 3_000).each(lambda array: array if array.dtype == np.int64 else np.full(len(array), price))
    strengths = strategy.strengths(still)[strategy.lookback - 1 :]
    if name not in BASELINES:
        assert set(strengths) <= {0.0, -1.0}
    assert strategy.explain(still)


@every_variant
@pytest.mark.parametrize("scale", [2.0**-40, 2.0**20])
def test_the_unit_of_the_price_does_not_matter(name: str, parameters: dict, scale: float) -> None:
    strategy, candles = build_strategy(name, parameters), made(5, 2_000)
    prices = {part: getattr(candles, part) * scale for part in ("open", "high", "low", "close")}
    scaled = structs.replace(candles, **prices)
    np.testing.assert_array_equal(strategy.strengths(scaled), strategy.strengths(candles))


def test_rsi_reversion_buys_the_fall_and_leaves_the_rise() -> None:
    strategy = build_strategy("rsi_reversion")
    walk = made(1, strategy.lookback)
    falling = structs.replace(walk, close=np.geomspace(100, 50, len(walk)))
    rising = structs.replace(walk, close=np.geomspace(50, 100, len(walk)))
    assert strategy.strengths(falling)[-1] == 1
    assert strategy.strengths(rising)[-1] == -1


def test_a_long_still_stretch_after_a_fall_is_no_longer_oversold() -> None:
    strategy = build_strategy("rsi_reversion")
    close = np.concatenate([np.geomspace(100, 50, 300), np.full(600, 50.0)])
    candles = structs.replace(made(1, 900), close=close)
    strengths = strategy.strengths(candles)
    assert strengths[299] == 1
    assert (strengths[300 + 14 :] == 0).all()


def test_explanations_carry_the_numbers_and_the_age() -> None:
    strategy = build_strategy("ema_cross")
    close = np.concatenate([np.geomspace(70_000, 60_000, 300), [70_000.0, 70_100.0, 70_200.0]])
    candles = structs.replace(made(1, 303), close=close)
    assert strategy.explain(candles) == "EMA(12) 64,088.9 is above EMA(26) 62,392.4, crossed 2 bars ago"
    strategy = build_strategy("rsi_reversion")
    fell = structs.replace(made(1, 300), close=np.geomspace(70_000, 60_000, 300))
    assert strategy.explain(fell) == "RSI(14) 0.0 is below 30 for 286 bars"


@pytest.mark.parametrize(
    ("name", "parameters", "message", "hint"),
    [
        ("ema_crss", {}, "unknown strategy 'ema_crss'", "did you mean 'ema_cross'?"),
        ("ema_cross", {"fats": 9}, "[strategies.ema_cross] has no parameter 'fats'", "did you mean 'fast'?"),
        ("ema_cross", {"fast": 1}, "`int` >= 2", "fast = 12"),
        ("ema_cross", {"fast": "nine"}, "Expected `int`, got `str`", "fast = 12"),
        ("ema_cross", {"fast": 30}, "fast (30) must be below slow (26)", "slow = 26"),
        ("rsi_reversion", {"oversold": 0}, "`float` > 0", "oversold = 30.0"),
        ("rsi_reversion", {"oversold": float("nan")}, "`float` > 0.0 - at `oversold`", "oversold = 30.0"),
        ("rsi_reversion", {"oversold": 80}, "oversold (80) must be below overbought (70)", "overbought = 70.0"),
    ],
)
def test_a_bad_parameter_is_refused_by_name(name: str, parameters: dict, message: str, hint: str) -> None:
    with pytest.raises(BadConfig) as refused:
        build_strategy(name, parameters)
    assert message in refused.value.message
    assert hint in refused.value.hint


def test_every_strategy_is_registered_under_its_own_name_with_defaults_that_build() -> None:
    for name in STRATEGIES:
        assert STRATEGIES[name].name == name
        assert build_strategy(name, parameters_of(name)) == build_strategy(name)


def test_supertrend_says_nothing_after_a_hole_until_it_has_turned() -> None:
    strategy = build_strategy("supertrend")
    rng = np.random.default_rng(3)
    close = 100 * np.exp(np.cumsum(rng.normal(-0.0002, 0.001, 900)))  # a slow fall
    open_ = np.concatenate([[100.0], close[:-1]])
    high, low = np.maximum(open_, close) * 1.0005, np.minimum(open_, close) * 0.9995
    open_ms = made(1, 900).open_ms
    open_ms[600:] += 400 * 300_000
    falling = Candles("BTC/USDT", "5m", open_ms, open_, high, low, close, np.ones(900))
    strengths = strategy.strengths(falling)
    assert set(strengths[560:600]) == {-1.0}
    assert set(strengths[600:630]) == {0.0}  # the library itself says "up" here
    assert strategy.explain(falling.each(lambda array: array[:620])).endswith("it has not turned in the bars it sees")


def test_supertrend_is_that_of_the_library_since_the_last_block_but_one() -> None:
    from pandas import Series
    from pandas_ta_classic import supertrend

    strategy, candles = build_strategy("supertrend"), made(4, 900)
    block = candles.open_ms // (300_000 * 120)
    part = candles.each(lambda array: array[block >= block[-1] - 1])
    high, low, close = (Series(array) for array in (part.high, part.low, part.close))
    theirs = supertrend(high, low, close, length=10, multiplier=3.0, talib=False)["SUPERTd_10_3.0"].to_numpy()
    newest = block == block[-1]
    assert len(set(theirs)) == 2
    np.testing.assert_array_equal(strategy.strengths(candles)[newest], theirs[-newest.sum() :])


def test_donchian_keeps_a_breakout_for_its_bars_and_leaves_below_the_low() -> None:
    strategy = build_strategy("donchian_breakout", {"entry": 5, "exit": 3})
    close = np.array([100.0] * 12 + [101.0] * 8 + [99.0] * 3)
    flat = structs.replace(made(1, 23), open=close, high=close, low=close, close=close)
    assert strategy.strengths(flat)[9:].tolist() == [0.0] * 3 + [1.0] * 5 + [0.0] * 3 + [-1.0] * 3


def test_bollinger_is_the_textbook_score() -> None:
    strategy = build_strategy("bollinger_reversion")
    candles = made(1, 300)
    score = [
        (window[-1] - window.mean()) / window.std()
        for window in (candles.close[i - 19 : i + 1] for i in range(19, 300))
    ]
    expected = [1.0 if value < -2 else -1.0 if value > 2 else 0.0 for value in score]
    assert strategy.strengths(candles)[19:].tolist() == expected
    assert {1.0, -1.0} <= set(expected)


def test_macd_is_that_of_ta_lib_once_its_seed_is_forgotten() -> None:
    import talib

    candles = made(1, 1_000)
    _, _, above = talib.MACD(candles.close, 12, 26, 9)
    ours = build_strategy("macd_cross").strengths(candles)[270:]
    np.testing.assert_array_equal(ours, np.where(above[270:] > 0, 1.0, -1.0))
