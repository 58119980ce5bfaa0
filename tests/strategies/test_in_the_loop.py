"""What the loop makes of strategies: baselines, several timeframes, one strategy under several names."""

import math
from collections.abc import Callable
from decimal import Decimal as D
from itertools import pairwise
from pathlib import Path

import pytest

from desk.stage import BTC, STEP, WARM, buy, flat, on
from trade_mcp.app import App, build
from trade_mcp.desk.decide import Decision
from trade_mcp.desk.signals import Opinion
from trade_mcp.domain.errors import BadConfig, BadInput
from trade_mcp.domain.order import Source
from trade_mcp.settings import load_settings
from trade_mcp.store import memory
from trade_mcp.strategies import Strategy, build_strategy

OFF = {"ema_cross": {"enabled": False}, "rsi_reversion": {"enabled": False}}


def wave(count: int, length: float = 40) -> list[tuple[float, float, float, float]]:
    """Bars that go up and down by three percent, ``length`` bars from top to top."""
    prices = [100 * (1 + 0.015 * math.sin(2 * math.pi * bar / length)) for bar in range(count)]
    return [(price, price * 1.0005, price * 0.9995, price) for price in prices]


def decided(app: App) -> Decision:
    app.heartbeats.beat("watch", {})
    (decision,) = app.decide.step().decisions
    return decision


def opinions(app: App) -> dict[str, Opinion]:
    return {one.strategy: one for one in app.signals.view(BTC).opinions}


def test_buy_and_hold_buys_at_once_and_again_after_its_stop(stage: Callable[..., App]) -> None:
    falls = [(100.0, 100.0, 100.0, 100.0)] * (WARM + 3) + [(96.0, 96.0, 96.0, 96.0)] * 20
    app = stage(falls, strategies=OFF | {"buy_and_hold": {}})
    first = decided(app)
    assert first.action == "enter" and "buy_and_hold +1.00) is above +0.30" in first.reason
    on(app)
    assert decided(app).action == "hold"
    on(app, 3)  # through the stop
    assert BTC not in app.log.refresh().positions
    assert decided(app).action == "enter"


def test_dca_adds_to_what_it_holds_at_its_bars_and_only_as_far_as_the_limits_go(stage: Callable[..., App]) -> None:
    app = stage(strategies=OFF | {"dca": {"every": 6}}, loop={"risk_per_trade": "0.002"})
    sizes, said = [D(0)], []
    for _ in range(40):
        said.append(decided(app))
        on(app)
        position = app.log.refresh().positions.get(BTC)
        sizes.append(position.size if position else D(0))
    bought = [bar for bar in range(40) if sizes[bar + 1] > sizes[bar]]
    assert len(bought) >= 3
    assert {later - earlier for earlier, later in pairwise(bought)} == {6}
    assert {decision.action for decision in said} == {"none", "enter", "hold"}
    assert any("the limits leave" in decision.reason for decision in said)
    book = app.log.refresh()
    (stop,) = [leg for leg in book.exits(BTC) if leg.role == "stop"]
    assert stop.size == book.positions[BTC].size


def test_dca_adds_nothing_to_a_position_of_somebody_else(stage: Callable[..., App]) -> None:
    app = stage(strategies=OFF | {"dca": {"every": 2}})
    app.heartbeats.beat("watch", {})
    app.gate.submit(buy("chat"), Source.MODEL)
    for _ in range(4):
        assert "belongs to the model" in decided(app).reason
        on(app)


def test_a_strategy_on_its_own_timeframe_sees_its_own_closed_bars_at_every_bar_of_the_desk(
    stage: Callable[..., App],
) -> None:
    table = {"kind": "donchian_breakout", "timeframe": "15m", "entry": 5, "exit": 3}
    app = stage(wave(400), strategies=OFF | {"slow": table})
    strategy: Strategy = build_strategy("donchian_breakout", {"entry": 5, "exit": 3})
    stood = None
    for _ in range(30):
        view = app.signals.view(BTC)
        candles = app.market.candles(BTC, "15m", limit=100)
        assert candles.last_close_at <= view.at
        assert view.opinions[0].at == candles.last_close_at
        assert (view.opinions[0].timeframe, view.timeframe) == ("15m", "5m")
        assert view.strength == strategy.strengths(candles)[-1]
        if stood is not None:
            assert view.before == stood  # what stood at the bar before, not one bar of its own before
        stood = view.strength
        app.clock.advance_to(app.clock.market() + STEP)


def test_a_finer_timeframe_is_blended_as_it_stood_at_the_bars_of_the_desk(stage: Callable[..., App]) -> None:
    table = {"kind": "donchian_breakout", "timeframe": "5m", "entry": 5, "exit": 3}
    app = stage(wave(400), strategies=OFF | {"quick": table}, desk={"timeframe": "15m"})
    stood = None
    for _ in range(20):
        view = app.signals.view(BTC)
        assert view.opinions[0].at == view.at
        if stood is not None:
            assert view.before == stood
        stood = view.strength
        app.clock.advance_to(app.clock.market() + 3 * STEP)


def test_a_hole_in_the_candles_moves_nothing_into_the_future(stage: Callable[..., App]) -> None:
    bars = [*wave(WARM + 4), *[None] * 7, *wave(60)]
    app = stage(
        bars, strategies=OFF | {"slow": {"kind": "donchian_breakout", "timeframe": "15m", "entry": 5, "exit": 3}}
    )
    for _ in range(20):
        view = app.signals.view(BTC)
        assert view.opinions[0].at <= view.at <= app.clock.market()
        app.clock.advance_to(app.clock.market() + STEP)


def test_one_strategy_under_several_names_votes_and_is_remembered_under_each(stage: Callable[..., App]) -> None:
    fast = {"kind": "ema_cross", "fast": 3, "slow": 8}
    slow = {"kind": "ema_cross", "fast": 5, "slow": 13, "timeframe": "10m"}
    with pytest.raises(BadConfig, match=r"strategies\.slow\.timeframe = '10m'"):
        stage(strategies=OFF | {"fast": fast, "slow": slow})
    app = stage(
        wave(400), strategies=OFF | {"fast": fast, "slow": slow | {"timeframe": "15m"}}, loop={"weights": {"slow": 3}}
    )
    said = opinions(app)
    assert "EMA(3)" in said["fast"].why
    assert "warming up" in said["slow"].why  # 230 bars of 5m are 76 of 15m
    decided(app)
    kept = memory.signals(app.engine, symbol=BTC)
    assert {(one.strategy, one.timeframe) for one in kept} == {("fast", "5m"), ("slow", "15m")}


def test_a_timeframe_that_the_feed_cannot_build_is_refused_at_start(stage: Callable[..., App]) -> None:
    with pytest.raises(BadInput, match="1m candles cannot be built from these files"):
        stage(strategies={"slow": {"kind": "ema_cross", "timeframe": "1m"}})


def test_a_replay_begins_where_every_timeframe_is_warm(tmp_path: Path, stage: Callable[..., App]) -> None:
    stage(flat(1_300)).close()
    (file,) = tmp_path.glob("*.csv")
    own = {
        "desk": {"data_dir": str(tmp_path / "other")},
        "feed": {"name": "replay", "data": [str(file)], "speed": "max"},
        "strategies": {"slow": {"kind": "donchian_breakout", "timeframe": "1h", "entry": 20}},
    }
    with build(load_settings(env={}, overrides=own), "test") as app:
        assert all(one.strength is not None for one in opinions(app).values())
