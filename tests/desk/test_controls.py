"""Every control fires from a real MCP client and from the loop, and lets an order just inside it pass.

The cases are in control_cases.py, and docs/controls.md is made of them. A control without a line there fails the last
tests; where the loop cannot produce the case by construction, the table says why.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from desk.control_cases import BRAKES, CASES, ELSEWHERE, LOOP, NOT_THE_LOOP, ORDER, WIDE, Case, moved, nothing
from desk.controls_page import page
from desk.stage import BTC, WARM, Bars, buy, flat, on
from server.serving import connected
from trade_mcp.app import App
from trade_mcp.desk.decide import Decision
from trade_mcp.domain.order import Source
from trade_mcp.risk.brakes import RELEASES
from trade_mcp.risk.rules import RULES
from trade_mcp.server.server import build_server
from trade_mcp.store import history

Stage = Callable[..., App]
PAGE = Path(__file__).parents[2] / "docs" / "controls.md"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
def test_a_client_is_refused_beyond_a_limit_and_served_inside(stage: Stage, case: Case) -> None:
    app = stage(case.bars or flat(400), eth=case.bars or flat(400), limits=case.limits, **case.more)
    case.before(app)
    with connected(build_server(app)) as call:  # type: ignore[arg-type]
        refused = call.refused("place_order", **_order(case.beyond), order_id="beyond")
        assert case.rule in [verdict["rule"] for verdict in refused["verdicts"]], refused
        assert all(verdict["reason"] for verdict in refused["verdicts"])
        if case.inside is not None:
            call("place_order", **_order(case.inside), order_id="inside")


@pytest.mark.parametrize("case", [case for case in CASES if case.inside is None], ids=lambda case: case.rule)
def test_without_its_cause_the_same_order_passes(stage: Stage, case: Case) -> None:
    app = stage(flat(400), eth=flat(400))
    with connected(build_server(app)) as call:  # type: ignore[arg-type]
        call("place_order", **_order(case.beyond), order_id="inside")


def _order(changes: dict[str, str]) -> dict[str, str]:
    asked = {name: value for name, value in (ORDER | changes).items() if value}
    return {name: value for name, value in asked.items() if asked["side"] == "buy" or name != "stop_loss"}


def crossing() -> Bars:
    """Prices that fall slowly and then rise: the averages cross a few bars after the beginning."""
    trend = [105 - n * 5 / WARM for n in range(WARM + 1)] + [100 + n * 0.13 for n in range(1, 80)]
    closes = [round(price + 0.25 * (-1) ** n, 2) for n, price in enumerate(trend)]  # a zigzag keeps the RSI quiet
    return [(close, round(close + 0.1, 2), round(close - 0.1, 2), close) for close in closes]


def decided(app: App, before: Callable[[App], None], bars: int = 40) -> Decision:
    """The loop's decision on BTC at the bar where it wants to enter; ``before`` happens just before it."""
    for _ in range(bars):
        on(app)
        report = app.decide.step(dry_run=True)
        wanted = next(decision for decision in report.decisions if decision.symbol == BTC)
        if "fresh" not in wanted.reason and wanted.action in ("enter", "refused"):
            before(app)
            return next(decision for decision in app.decide.step().decisions if decision.symbol == BTC)
    raise AssertionError(f"the loop never wanted to enter: {wanted}")


@pytest.mark.parametrize("rule", LOOP)
def test_the_loop_is_refused_by_the_same_rule(stage: Stage, rule: str) -> None:
    case = LOOP[rule]
    app = stage(crossing(), eth=flat(300), limits=case.limits, **case.more)
    decision = decided(app, case.before)
    assert decision.action == "refused", decision
    assert rule in history.refusals_by_rule(app.engine)
    assert decision.reason


@pytest.mark.parametrize("name", BRAKES)
def test_a_brake_refuses_a_client_and_says_what_clears_it(stage: Stage, name: str) -> None:
    case = BRAKES[name]
    app = stage(flat(400), eth=moved(case.beyond), limits=WIDE | case.limits)
    case.before(app)
    on(app, 3)
    with connected(build_server(app)) as call:  # type: ignore[arg-type]
        refused = call.refused("place_order", **ORDER, order_id="beyond")
        assert [verdict["rule"] for verdict in refused["verdicts"]] == ["trading_state"]
        risk = call("get_risk")
        tripped = {one["brake"]: one for one in risk["tripped"]}
        assert (tripped[name]["cleared_by"], risk["cleared_by"] is not None) == (RELEASES[name], True)


@pytest.mark.parametrize("name", [name for name, case in BRAKES.items() if case.inside])
def test_just_inside_a_brake_a_client_is_served(stage: Stage, name: str) -> None:
    case = BRAKES[name]
    app = stage(flat(400), eth=moved(case.inside), limits=WIDE | case.limits)
    case.before(app)
    on(app, 4)
    with connected(build_server(app)) as call:  # type: ignore[arg-type]
        call("place_order", **ORDER, order_id="inside")
        assert "tripped" not in call("get_risk")


@pytest.mark.parametrize("name", BRAKES)
def test_the_same_brake_refuses_the_loop(stage: Stage, name: str) -> None:
    case = BRAKES[name]
    app = stage(crossing(), eth=moved(case.beyond, 310), limits=WIDE | case.limits)
    case.before(app)
    decision = decided(app, nothing)
    assert decision.action == "refused", decision
    assert name in app.log.refresh().brakes
    assert "trading_state" in history.refusals_by_rule(app.engine)


def test_just_inside_a_brake_the_loop_enters(stage: Stage) -> None:
    case = BRAKES["daily_loss"]
    app = stage(crossing(), eth=moved(case.inside, 310), limits=WIDE | case.limits)
    case.before(app)
    assert decided(app, nothing).action == "enter"


def test_the_loop_enters_when_nothing_is_in_the_way(stage: Stage) -> None:
    app = stage(crossing(), eth=flat(300))
    decision = decided(app, nothing)
    assert decision.action == "enter", decision
    assert app.log.refresh().positions[BTC].owner is Source.LOOP
    assert app.decide.step().decisions[0].action == "hold"


def test_limits_that_are_not_in_force_make_no_entries(stage: Stage) -> None:
    stage(crossing(), eth=flat(300)).close()
    app = stage(crossing(), eth=flat(300), limits={"max_heat": "0.05"})
    refused = app.gate.submit(buy(), Source.MODEL)
    assert [verdict.rule for verdict in refused.failed] == ["policy_in_force"] and "max_heat" in refused.message
    assert decided(app, nothing).action == "refused"
    with connected(build_server(app)) as call:  # type: ignore[arg-type]
        assert "max_heat" in str(call.refused("place_order", **ORDER))
    app.adopt_policy(by="operator")
    assert app.gate.submit(buy("b", "0.7"), Source.MODEL).outcome == "placed"


def test_a_loop_without_a_stop_has_no_size_and_says_so(stage: Stage) -> None:
    app = stage(crossing(), exits={"stop": "off"})
    for _ in range(40):
        on(app)
        if "stop" in (said := app.decide.step().decisions[0].reason):
            assert said.startswith("no size")
            return
    raise AssertionError("it never came to a size")


@pytest.mark.parametrize(("capital", "action"), [("100", "enter"), ("30", "none")])
def test_a_small_desk_trades_above_the_minimum_or_says_why_not(stage: Stage, capital: str, action: str) -> None:
    app = stage(crossing(), desk={"capital": capital})
    for _ in range(40):
        on(app)
        decision = app.decide.step().decisions[0]
        if decision.action == "enter" or "no size" in decision.reason:
            break
    assert decision.action == action, decision
    if action == "none":
        assert "the venue takes no less than 5" in decision.reason
    else:
        assert app.log.refresh().positions[BTC].cost > 5


def test_every_control_is_in_every_table() -> None:
    rules = {rule.name for rule in RULES}
    assert {case.rule for case in CASES} | ELSEWHERE.keys() == rules
    assert LOOP.keys() | NOT_THE_LOOP.keys() == rules
    assert not LOOP.keys() & NOT_THE_LOOP.keys()
    assert BRAKES.keys() == RELEASES.keys() - rules


def test_the_page_about_the_controls_is_what_the_tables_say() -> None:
    if os.environ.get("TRADE_MCP_UPDATE_SNAPSHOTS"):
        PAGE.write_text(page(), "utf-8")
    assert PAGE.read_text("utf-8") == page(), "TRADE_MCP_UPDATE_SNAPSHOTS=1 uv run pytest tests/desk/test_controls.py"


def test_every_test_the_page_names_is_there() -> None:
    """A name that no test has any more proves nothing."""
    folder = Path(__file__).parents[1]
    said = {name for name in re.findall(r"\b(test_[a-z_]+)\b(?!\.py)", page())}
    files = {path: path.read_text("utf-8") for path in folder.rglob("test_*.py")}
    assert [name for name in said if not any(f"def {name}(" in text for text in files.values())] == []
    named = set(re.findall(r"tests/[a-z_/]+(?:\.py)?", page()))
    assert [path for path in named if not (folder.parent / path).exists()] == []
