"""Every kind of exit: what it means at the fill, that it only ever tightens, and that it sells once."""

from collections.abc import Callable
from decimal import Decimal as D
from pathlib import Path

import pytest

from desk.stage import BTC, ETH, STOP_2, WARM, buy, candle_file, desk, flat, losing, on, watched
from desk.test_order_life import sound, stops
from trade_mcp.app import App
from trade_mcp.desk.due import LONGEST_PAUSE_S
from trade_mcp.domain.distances import Distance, parse_distance
from trade_mcp.domain.errors import BadConfig, BadInput
from trade_mcp.domain.events import Alarm
from trade_mcp.domain.exits import ExitPlan, Rung
from trade_mcp.domain.order import Order, Source
from trade_mcp.settings import load_settings
from trade_mcp.store import history, reads

Stage = Callable[..., App]
MOVING = [(100.0, 101.0, 99.0, 100.0)] * (WARM + 1)  # a true range of 2


def far(text: str) -> Distance:
    return parse_distance(text)


def entered(app: App, **plan: object) -> None:
    receipt = app.gate.submit(buy(exits=ExitPlan(**plan)), Source.MODEL)  # type: ignore[arg-type]
    assert receipt.outcome == "placed", receipt.message


def test_an_atr_stop_hangs_so_many_true_ranges_below_the_fill(stage: Stage) -> None:
    app = stage([*MOVING, *flat(20, 100)])
    entered(app, stop=far("2 ATR"), target=far("2R"))
    position = app.log.refresh().positions[BTC]
    assert position.levels.stop == position.entry - 4
    assert position.levels.target == position.entry + 8
    sound(app)


def test_without_a_known_range_an_atr_stop_is_refused_and_nothing_is_made_up(stage: Stage) -> None:
    app = stage(eth=[None] * (WARM - 3) + flat(40, 50))
    with pytest.raises(BadInput, match="average true range of ETH/USDT is not known"):
        app.gate.submit(buy(symbol=ETH, exits=ExitPlan(stop=far("2 ATR"))), Source.MODEL)
    assert app.log.refresh().orders == {}


def test_a_chandelier_hangs_from_the_highest_price_since_the_entry(stage: Stage) -> None:
    app = stage([*MOVING, (100, 110, 100, 109), *flat(20, 109)])
    entered(app, trail=far("3 ATR"))
    on(app, 2)
    levels = app.log.refresh().positions[BTC].levels
    assert levels.peak == 110 and levels.stop_price == 104
    sound(app)


def test_at_break_even_the_stop_moves_to_the_entry_plus_fees_and_never_back(stage: Stage) -> None:
    rise_and_fall = [(100, 102.5, 100, 102.4), (102.4, 102.4, 100.6, 100.7), *flat(20, 100.7)]
    app = stage([*flat(WARM + 1), *rise_and_fall])
    entered(app, stop=far("2%"), break_even=far("1R"))
    entry = app.log.refresh().positions[BTC].entry
    on(app, 2)
    even = entry * D("1.002")  # two taker fees of 0.1 %
    (held,) = stops(app)
    assert held[2] is not None and even <= held[2] < even + 1
    on(app, 1)
    assert stops(app)[0][2] == held[2]
    sound(app)


def test_a_ladder_sells_its_steps_once_and_the_stop_covers_the_rest(stage: Stage) -> None:
    app = stage([*flat(WARM + 1), (100, 102.3, 100, 102.2), (102.2, 104.6, 102, 104.4), *flat(20, 104.4)])
    rungs = (Rung(D("0.5"), far("2%")), Rung(D("0.25"), far("4%")))
    entered(app, stop=far("2%"), target=far("8%"), rungs=rungs)
    on(app, 2)
    watched(app)
    assert app.log.refresh().positions[BTC].size == D("0.5")
    assert [size for _, size, _ in stops(app)] == [D("0.5")]
    on(app, 1)
    watched(app)
    assert app.log.refresh().positions[BTC].size == D("0.25")
    on(app, 3)
    sold = [o for o in reads.orders(app.engine)[0] if "-rung-" in o.order_id]
    assert sorted(o.order_id for o in sold) == ["a-rung-1-1", "a-rung-2-1"]
    assert {o.source for o in sold} == {Source.EXIT}
    sound(app)


def test_a_ladder_step_is_taken_once_over_a_restart(stage: Stage) -> None:
    bars = [*flat(WARM + 1), (100, 102.3, 100, 102.2), *flat(20, 102.2)]
    app = stage(bars)
    entered(app, stop=far("2%"), rungs=(Rung(D("0.5"), far("2%")),))
    on(app, 2)
    app.close()
    again = stage(bars)
    on(again, 3)
    assert again.log.refresh().positions[BTC].size == D("0.5")
    sound(again)


def test_a_position_is_closed_when_its_time_is_over(stage: Stage) -> None:
    app = stage()
    entered(app, stop=far("2%"), max_hold=600)
    on(app, 1)
    assert BTC in app.log.refresh().positions
    on(app, 1)
    assert app.log.refresh().positions == {} and app.log.book.orders == {}
    assert reads.orders(app.engine)[0][0].order_id == "a-time-1"
    sound(app)


def test_an_exit_that_is_due_is_tried_until_it_sells_and_a_person_is_told(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = stage()
    real, later = app.clock.boot, 0.0
    monkeypatch.setattr(app.clock, "boot", lambda: real() + later)
    entered(app, stop=far("2%"), max_hold=600)
    line = losing(app)
    line.lose = lambda call: "before" if call == "cancel" else ""
    on(app, 2)
    for _ in range(12):
        watched(app)
    assert len(due(app)) < 5  # a moment without a line does not use up its tries
    for _ in range(12):
        later += LONGEST_PAUSE_S
        watched(app)
    assert len(due(app)) > 12 and BTC in app.log.refresh().positions
    told = [event for event in history.events(app.engine, (Alarm,)) if isinstance(event, Alarm)]
    assert len([alarm for alarm in told if "goes on trying" in alarm.text]) == 1
    line.lose = lambda call: ""
    later += LONGEST_PAUSE_S
    watched(app)
    assert app.log.refresh().positions == {} and app.log.book.orders == {}
    assert [order.filled > 0 for order in due(app)].count(True) == 1
    sound(app)


def due(app: App) -> list[Order]:
    return [order for order in reads.orders(app.engine)[0] if "-time-" in order.order_id]


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (ExitPlan(stop=Distance(risk=D(1))), "cannot be 1R"),
        (ExitPlan(stop=far("2%"), rungs=(Rung(D("0.6"), far("2%")), Rung(D("0.6"), far("3%")))), "shares"),
        (ExitPlan(stop=far("2%"), target=far("2%"), rungs=(Rung(D("0.5"), far("3%")),)), "ladder"),
        (ExitPlan(stop=far("2%"), rungs=(Rung(D("0.5"), D(90)),)), "ladder"),
    ],
)
def test_a_plan_that_makes_no_sense_is_an_error_with_a_hint(stage: Stage, plan: ExitPlan, said: str) -> None:
    app = stage()
    with pytest.raises(BadInput, match=said) as error:
        app.gate.submit(buy(exits=plan), Source.MODEL)
    assert error.value.hint


def test_exits_of_a_position_can_be_set_in_every_kind(stage: Stage) -> None:
    app = stage([*MOVING, *flat(20, 100)])
    app.gate.submit(buy(exits=STOP_2), Source.MODEL)
    plan = ExitPlan(target=far("3R"), break_even=far("1R"), trail=far("1 ATR"))
    assert app.gate.set_exits(BTC, plan, Source.MODEL).outcome == "exits_set"
    levels, entry = app.log.refresh().positions[BTC].levels, app.log.book.positions[BTC].entry
    assert levels.trail is not None and levels.trail.amount == 2
    assert levels.target == entry + 6  # the trail of 2 is what is risked now
    assert levels.even_at == entry + 2
    sound(app)


def test_the_exits_of_an_entry_follow_its_strategy_and_how_sure_it_is() -> None:
    given = {
        "exits": {"confident": {"0.7": "2.6%", "0.4": "1.8%"}, "break_even": "1R", "max_hold": "48h"},
        "strategies": {"ema_cross": {"exits": {"stop": "3 ATR", "target": "off"}}},
    }
    rules = load_settings(env={}, overrides=given).exit_rules
    assert rules.plan_for("rsi_reversion", 0.8).target == far("2.6%")
    assert rules.plan_for("rsi_reversion", 0.5).target == far("1.8%")
    assert rules.plan_for("rsi_reversion", 0.3).target == far("4%")
    assert rules.plan_for("").max_hold == 48 * 3600
    assert rules.plan_for("ema_cross", 0.8) == ExitPlan(stop=far("3 ATR"))


def test_exits_of_a_strategy_that_make_no_sense_are_refused_at_start() -> None:
    with pytest.raises(BadConfig, match=r"ema_cross\.exits\.stop"):
        load_settings(env={}, overrides={"strategies": {"ema_cross": {"exits": {"stop": 0.02}}}})
    with pytest.raises(BadConfig, match="1R"):
        load_settings(env={}, overrides={"exits": {"stop": "1R"}})


def test_the_loop_gives_an_entry_of_a_strategy_its_own_exits(tmp_path: Path, ledger_at_head: Path) -> None:
    rising = [*flat(WARM), *[(100 + i, 101 + i, 99.9 + i, 100.9 + i) for i in range(40)]]
    own = {"ema_cross": {"exits": {"stop": "5%", "target": "9%"}}, "rsi_reversion": {"enabled": False}}
    with desk(tmp_path, ledger_at_head, candle_file(tmp_path, rising), strategies=own) as app:
        for _ in range(3):
            on(app)
            app.decide.step()
        position = app.log.refresh().positions[BTC]
        assert position.levels.stop == position.entry * D("0.95")
        assert position.levels.target == position.entry * D("1.09")
