"""Brakes trip at the second of two fresh marks, never at a wick, hold over restarts, and end as the table says."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from typing import Any

import pytest

from desk.control_cases import Refusing
from desk.stage import BEGIN, BTC, STEP, WARM, Bars, buy, flat, on, watched
from trade_mcp.app import App
from trade_mcp.domain.events import (
    BaselineSet,
    BrakeReleased,
    BrakeTripped,
    EquityMarked,
    FlowRecorded,
    Period,
    TradingState,
)
from trade_mcp.domain.exits import ExitPlan
from trade_mcp.domain.order import Source
from trade_mcp.store import history

Stage = Callable[..., App]
HUGE = {
    "max_order_notional": "1",
    "max_position": "1",
    "max_exposure": "1",
    "max_cluster": "1",
    "max_trade_risk": "1",
    "max_heat": "1",
    "max_heat_per_strategy": "1",
    "ask": "never",
}
LOOSE = {"exits": {"stop": "60%", "target": "off"}, "limits": HUGE}
START = BEGIN + STEP * WARM  # 19:10 on the first day


def path(*prices: float, then: int = 60) -> Bars:
    """Quiet bars until the desk begins, then one bar at each of ``prices``; the last of them stays."""
    bars = [*flat(WARM + 1), *[(price, price, price, price) for price in prices]]
    return [*bars, *flat(then, prices[-1])]


def invested(stage: Stage, bars: Bars, **limits: Any) -> App:
    """A desk that holds 90 BTC bought near 100: nine tenths of its equity move with the price."""
    app = stage(bars, **(LOOSE | {"limits": HUGE | limits}))
    watched(app)
    assert app.gate.submit(buy("in", "90", exits=None), Source.MODEL).outcome == "placed"
    on(app)
    return app


def brakes(app: App) -> set[str]:
    return set(app.log.refresh().brakes)


def trips(app: App) -> list[BrakeTripped]:
    return [event for event in history.events(app.engine, (BrakeTripped,)) if isinstance(event, BrakeTripped)]


def test_two_marks_beyond_the_daily_loss_leave_only_reductions(stage: Stage) -> None:
    app = invested(stage, path(96, 96))  # 90 x 4 of 10,000: 3.6 %
    on(app)
    assert (brakes(app), app.log.book.state) == (set(), TradingState.ACTIVE)  # the first of two
    on(app)
    assert brakes(app) == {"daily_loss"}
    assert app.log.book.state is TradingState.REDUCING
    refused = app.gate.submit(buy("more", "0.1"), Source.MODEL)
    assert "max_daily_loss is 3.0 %" in refused.message and "until 2024-01-02 00:00 UTC" in refused.message
    assert app.gate.close(BTC, D("0.1"), Source.MODEL, reason="", order_id="less").outcome == "closed"


def test_a_wick_trips_nothing_and_is_forgotten(stage: Stage) -> None:
    app = invested(stage, path(80, 100, 80, 100, 80, 100))
    for _ in range(8):
        on(app)
        assert brakes(app) == set()


def test_a_symbol_that_stopped_trading_does_not_hide_the_losses_of_the_others(stage: Stage) -> None:
    """ETH has no price any more; BTC falls by 4 %. After a while the last price of ETH counts as it is."""
    app = stage(path(96, 96, 96, 96), eth=[*flat(WARM + 1), *[None] * 60], **LOOSE)
    watched(app)
    assert app.gate.submit(buy("eth", "5", "ETH/USDT", exits=None), Source.MODEL).outcome == "placed"
    assert app.gate.submit(buy("in", "85", exits=None), Source.MODEL).outcome == "placed"
    on(app, 3)
    assert brakes(app) == set()
    on(app, 2)
    assert brakes(app) == {"daily_loss"}


def test_a_look_at_the_same_price_is_no_second_mark(stage: Stage) -> None:
    app = invested(stage, path(80, 100))
    on(app)
    for _ in range(5):
        watched(app)
    assert brakes(app) == set()


def test_a_restart_between_two_marks_changes_nothing(stage: Stage) -> None:
    app = invested(stage, path(96, 96))
    on(app)
    app.close()
    again = stage(path(96, 96), **LOOSE)
    on(again)
    assert brakes(again) == {"daily_loss"}
    again.close()
    assert stage(path(96, 96), **LOOSE).log.book.state is TradingState.REDUCING


def test_the_next_day_releases_the_daily_loss_and_counts_anew(stage: Stage) -> None:
    app = invested(stage, path(96, 96, 95.5, then=120))
    on(app, 4)
    assert brakes(app) == {"daily_loss"}
    on(app, 57)  # past midnight
    assert (brakes(app), app.log.book.state) == (set(), TradingState.ACTIVE)
    day = app.log.book.periods[Period.DAY]
    assert day.at == datetime(2024, 1, 2, tzinfo=UTC)
    assert day.equity == pytest.approx(app.log.book.equity, rel=D("0.001"))
    released = history.events(app.engine, (BrakeReleased,))
    assert [event.brake for event in released if isinstance(event, BrakeReleased)] == ["daily_loss"]


def test_a_person_cannot_end_the_daily_loss_and_is_told_so(stage: Stage) -> None:
    app = invested(stage, path(96, 96))
    on(app, 2)
    said = app.gate.set_state(TradingState.ACTIVE, Source.OPERATOR, reason="go on")
    assert said.message.startswith("trading stays reducing: the day's loss is 3.")
    assert app.log.refresh().state is TradingState.REDUCING


def test_the_weekly_loss_holds_until_monday(stage: Stage) -> None:
    app = invested(stage, path(93, 93), max_daily_loss="0.06", max_weekly_loss="0.06")
    on(app, 2)
    assert brakes(app) == {"daily_loss", "weekly_loss"}
    assert app.log.book.brakes["weekly_loss"].until == datetime(2024, 1, 8, tzinfo=UTC)


def test_drawdown_reduces_then_halts_until_a_person_resumes_and_then_counts_anew(stage: Stage) -> None:
    app = invested(stage, path(88.5, 88.5, 82, 82, 81, 81), max_daily_loss="1", max_weekly_loss="1")
    on(app, 2)
    assert (brakes(app), app.log.book.state) == ({"soft_drawdown"}, TradingState.REDUCING)
    on(app, 2)
    assert (brakes(app), app.log.book.state) == ({"soft_drawdown", "hard_drawdown"}, TradingState.HALTED)
    assert app.log.book.positions[BTC].size == 90  # its stop stays, nothing is sold unless it is so set
    app.gate.set_state(TradingState.ACTIVE, Source.OPERATOR, reason="looked at it")
    on(app, 2)
    assert (brakes(app), app.log.book.state) == (set(), TradingState.ACTIVE)


def test_at_the_hard_drawdown_everything_is_sold_if_so_set(stage: Stage) -> None:
    limits = {"max_daily_loss": "1", "max_weekly_loss": "1", "flatten_on_hard_drawdown": True}
    app = invested(stage, path(82, 82), **limits)
    on(app, 2)
    assert app.log.refresh().positions == {}
    assert app.log.book.state is TradingState.HALTED
    assert "hard_drawdown" in brakes(app)


def test_a_wick_upwards_is_no_high_water_mark(stage: Stage) -> None:
    app = invested(stage, path(140, 100, 100, 100), max_daily_loss="1")
    on(app, 5)
    assert brakes(app) == set()
    assert app.log.book.high_water < 10_100 < app.log.book.peak_equity


def test_money_that_goes_is_no_loss(stage: Stage) -> None:
    app = invested(stage, path(100, 100))
    with app.log.writing() as ledger:
        ledger.append(FlowRecorded(D(-900), "withdrawn"))
    on(app, 4)
    assert brakes(app) == set()
    assert app.log.book.periods[Period.DAY].equity == pytest.approx(D(9100), rel=D("0.01"))


def test_the_day_began_with_what_the_desk_was_worth_then_though_nobody_ran(stage: Stage) -> None:
    """It stops at 19:15, falls 2 % before midnight and 2 % after it: the new day lost 2 %, not 4."""
    night = [98.0] * 58
    app = invested(stage, path(100, *night, 96, 96, then=200))
    app.close()
    again = stage(path(100, *night, 96, 96, then=200), **LOOSE)
    again.clock.advance_to(datetime(2024, 1, 2, 0, 30, tzinfo=UTC))
    watched(again)
    again.clock.advance_to(datetime(2024, 1, 2, 0, 40, tzinfo=UTC))
    watched(again)
    assert brakes(again) == set()
    day = again.log.book.periods[Period.DAY]
    assert (day.at, round(day.equity)) == (datetime(2024, 1, 2, tzinfo=UTC), 9808)  # cash and 90 x 98


def test_what_was_sold_since_midnight_is_not_missing_from_the_baseline(stage: Stage) -> None:
    app = invested(stage, path(100, *[98.0] * 80))
    watch = app.watch.step
    app.clock.advance_to(datetime(2024, 1, 2, 0, 20, tzinfo=UTC))
    assert app.gate.close(BTC, D(1), Source.MODEL, reason="", order_id="out").outcome == "closed"
    watch()
    assert round(app.log.book.periods[Period.DAY].equity) == 9808
    baselines = [event for event in history.events(app.engine, (BaselineSet,)) if isinstance(event, BaselineSet)]
    assert [event.period for event in baselines].count(Period.DAY) == 2


def test_a_clock_that_is_set_back_begins_no_day_again(stage: Stage) -> None:
    app = invested(stage, path(100, *[98.0] * 80))
    app.clock.advance_to(datetime(2024, 1, 2, 0, 20, tzinfo=UTC))
    watched(app)
    before = app.log.refresh().periods
    days = app.hours.days
    app.hours.days = lambda now: days(now - timedelta(hours=2))  # type: ignore[method-assign]
    watched(app)
    assert app.log.refresh().periods == before


def test_no_day_is_marked_without_a_price(stage: Stage) -> None:
    """A hole of the data over midnight: nothing is made up, and the last mark stands in for the baseline."""
    bars = [*flat(WARM + 4), *[None] * 80]
    app = invested(stage, bars)
    app.clock.advance_to(datetime(2024, 1, 2, 1, tzinfo=UTC))
    watched(app)
    assert app.log.book.periods[Period.DAY].equity == pytest.approx(D(9990), rel=D("0.01"))


def lost(app: App, number: int, symbol: str = BTC) -> None:
    """One trade that only pays its fees."""
    assert app.gate.submit(buy(f"try-{number}", f"0.{50 + number}", symbol), Source.MODEL).outcome == "placed"
    assert app.gate.close(symbol, D(1), Source.MODEL, reason="", order_id=f"out-{number}").outcome == "closed"


def test_losses_in_a_row_rest_their_strategy_for_a_while(stage: Stage) -> None:
    app = stage(limits={"loss_streak": 2, "cooldown_min": 20, "max_orders_per_minute": 100})
    lost(app, 1)
    lost(app, 2)
    refused = app.gate.submit(buy("again", "0.7"), Source.MODEL)
    assert [verdict.rule for verdict in refused.failed] == ["loss_streak"]
    assert "chat lost 2 trades in a row and rests until" in refused.message
    on(app)
    assert brakes(app) == {"loss_streak:chat"}
    assert app.log.book.state is TradingState.ACTIVE  # the others go on
    on(app, 4)
    assert brakes(app) == set()
    assert app.gate.submit(buy("later", "0.7"), Source.MODEL).outcome == "placed"


def test_repeats_are_held_until_a_person_looks(stage: Stage) -> None:
    app = stage(limits={"max_repeats_per_hour": 2, "max_orders_per_minute": 100})
    for number in range(2):
        assert app.gate.submit(buy(f"n{number}", f"0.5{number}"), Source.MODEL).outcome == "placed"
    assert [v.rule for v in app.gate.submit(buy("n3", "0.6"), Source.MODEL).failed] == ["repeats"]
    on(app, 13)  # an hour later
    assert "a person must look" in app.gate.submit(buy("n4", "0.6"), Source.MODEL).message
    app.gate.set_state(TradingState.ACTIVE, Source.OPERATOR, reason="looked")
    assert app.gate.submit(buy("n5", "0.6"), Source.MODEL).outcome == "placed"
    assert len(trips(app)) == 1


def test_a_venue_that_says_no_again_and_again_halts_trading(stage: Stage) -> None:
    app = stage(limits={"max_orders_per_minute": 100, "max_repeats_per_hour": 100})
    app.gate._sender._venue = Refusing(app.venue)  # type: ignore[assignment]
    for number in range(4):
        app.gate.submit(buy(f"n{number}", f"0.5{number}"), Source.MODEL)
    watched(app)
    assert app.log.book.state is TradingState.ACTIVE
    app.gate.submit(buy("n5", "0.6"), Source.MODEL)
    watched(app)
    assert (brakes(app), app.log.refresh().state) == ({"rejections"}, TradingState.HALTED)
    app.gate.set_state(TradingState.ACTIVE, Source.OPERATOR, reason="mended")
    watched(app)
    assert app.log.refresh().state is TradingState.ACTIVE


def test_a_day_that_won_enough_is_over_once_no_target_is_open(stage: Stage) -> None:
    app = invested(stage, path(105, 105, 105, 105), daily_profit_target="0.03")
    on(app, 2)
    assert brakes(app) == {"profit_lock"}
    assert "the day's profit is" in app.gate.submit(buy("more", "0.1"), Source.MODEL).message


def test_a_target_that_is_still_open_keeps_the_day_open(stage: Stage) -> None:
    app = stage(path(105, 105, 105), **(LOOSE | {"limits": HUGE | {"daily_profit_target": "0.03"}}))
    app.gate.submit(buy("in", "90", exits=None), Source.MODEL)
    app.gate.set_exits(BTC, ExitPlan(target=D(120)), Source.MODEL)
    on(app, 4)
    assert brakes(app) == set()


def test_marks_are_one_a_bar_and_more_only_at_a_limit(stage: Stage) -> None:
    app = invested(stage, path(100, 100, 100))
    for _ in range(4):
        on(app)
        watched(app)
        watched(app)
    marks = [event.at for event in history.events(app.engine, (EquityMarked,)) if isinstance(event, EquityMarked)]
    assert len(marks) == len(set(marks))
