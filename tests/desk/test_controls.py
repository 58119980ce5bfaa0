"""Every control fires from a real MCP client and from the loop, and lets an order just inside it pass.

A rule without a line in both tables fails the last test. Where the loop cannot produce the case by construction, the
table says why.
"""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest
from msgspec import Struct

from desk.stage import BTC, ETH, STEP, WARM, Bars, buy, flat, on
from server.serving import connected
from trade_mcp.app import App
from trade_mcp.desk.decide import Decision
from trade_mcp.domain.events import BreakSeen, TradingState
from trade_mcp.domain.order import OrderType, Source
from trade_mcp.risk.rules import RULES
from trade_mcp.server.server import build_server
from trade_mcp.store import history

Stage = Callable[..., App]
ORDER = {"symbol": BTC, "side": "buy", "size": "1", "stop_loss": "2%"}
WIDE = {"max_order_notional": "1", "max_position": "1", "max_exposure": "1", "max_trade_risk": "1", "max_heat": "1"}
WIDE |= {"max_cluster": "1", "max_heat_per_strategy": "1", "ask": "never"}


def nothing(app: App) -> None:
    pass


def halted(app: App) -> None:
    app.gate.set_state(TradingState.HALTED, Source.OPERATOR, reason="test")


def broken(app: App) -> None:
    with app.log.writing() as ledger:
        ledger.append(BreakSeen("BTC", D(0), D(1), "test"))


def ours(app: App) -> None:
    assert app.gate.submit(buy("ours", "0.5"), Source.MODEL).outcome == "placed"


def ether(app: App) -> None:
    assert app.gate.submit(buy("ether", "1", ETH), Source.MODEL).outcome == "placed"


def resting_ether(app: App) -> None:
    request = buy("resting", "1", ETH, type=OrderType.LIMIT, limit_price=D(99))
    assert app.gate.submit(request, Source.MODEL).outcome == "placed"


def the_same(app: App) -> None:
    assert app.gate.submit(buy("same", "1"), Source.MODEL).outcome == "placed"


def old_prices(app: App) -> None:
    app.clock.advance_to(app.clock.market() + 2 * STEP + timedelta(seconds=31))


def nobody_watches(app: App) -> None:
    silent = app.heartbeats.silence_s
    app.heartbeats.silence_s = lambda program: (silent(program) or 0) + 61  # type: ignore[method-assign]


class Case(Struct):
    """What a client asks that ``rule`` refuses, and what it lets through: arguments, limits, what happened before."""

    rule: str
    beyond: dict[str, str] = {}
    inside: dict[str, str] | None = {}
    limits: dict[str, Any] = {}
    before: Callable[[App], None] = nothing
    bars: Bars | None = None
    more: dict[str, Any] = {}


# A hole of the data right after the beginning: prices stop, and the last one is 31 s past due.
HOLE = [*flat(WARM + 1), *[None] * 5, *flat(20)]
CASES = [
    Case("trading_state", before=halted, inside=None),
    Case("symbol_lists", {"symbol": ETH}, limits={"allow": [BTC]}),
    Case("owner", limits={"protected": ["BTC"]}, inside={"symbol": ETH}),
    Case("venue_limits", {"size": "0.04"}, {"size": "0.06"}),
    Case("fresh_quote", before=old_prices, bars=HOLE, inside=None),
    Case("price_band", {"type": "limit", "limit_price": "97.9"}, {"type": "limit", "limit_price": "98.1"}),
    Case("cash", {"size": "99.5"}, {"size": "98"}, limits=WIDE),
    Case("holdings", {"side": "sell", "size": "0.6"}, {"side": "sell", "size": "0.5"}, before=ours),
    Case("stop_required", inside={"stop_loss": "2%"}, beyond={"stop_loss": ""}, more={"exits": {"stop": "off"}}),
    Case("order_notional", {"size": "15.1"}, {"size": "14.9"}, {"ask": "never"}),
    Case("concentration", {"size": "2.1"}, {"size": "1.9"}, {"max_position": "0.025"}, ours),
    Case("exposure", {"size": "2.1"}, {"size": "1.9"}, {"max_exposure": "0.03"}, ether),
    Case("open_positions", limits={"max_open_positions": 1}, before=ether, inside=None),
    Case("open_orders", limits={"max_open_orders": 1}, before=resting_ether, inside=None),
    Case("trade_risk", {"stop_loss": "11%"}, {"stop_loss": "9%"}, {"max_trade_risk": "0.001"}),
    Case("heat", {"size": "6"}, {"size": "4"}, {"max_heat": "0.0011"}, ours),
    Case("duplicate", before=the_same, inside={"size": "1.1"}),
    Case("orders_per_minute", limits={"max_orders_per_minute": 1}, before=ether, inside=None),
    Case("orders_per_day", limits={"max_orders_per_day": 1}, before=ether, inside=None),
    Case("watcher_alive", before=nobody_watches, inside=None),
    Case("venue_break", {}, {"symbol": ETH}, before=broken),
]
ELSEWHERE = {
    "finite": "a client's numbers are read strictly before the gate: tests/server/test_tools.py; at the gate: "
    "test_order_life.py",
    "policy_in_force": "needs a second process with other limits: below",
    "approval": "it asks a person instead of refusing: tests/approvals",
}


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


LOOP = {
    "trading_state": ({}, halted),
    "symbol_lists": ({"deny": [BTC]}, nothing),
    "open_positions": ({"max_open_positions": 1}, ether),
    "open_orders": ({"max_open_orders": 1}, resting_ether),
    "orders_per_minute": ({"max_orders_per_minute": 1}, ether),
    "orders_per_day": ({"max_orders_per_day": 1}, ether),
    "watcher_alive": ({}, nobody_watches),
    "venue_break": ({}, broken),
    "price_band": ({"max_jump": "0.00001"}, nothing),
}
NOT_THE_LOOP = {
    "finite": "its sizes are made by round_size from finite numbers",
    "policy_in_force": "needs a second process with other limits: below",
    "owner": "it leaves the chat's positions alone before it asks; asked in its name: test_order_life.py",
    "venue_limits": "it asks for nothing the venue would not take, and says so: test_a_loop_without_room_says_why",
    "fresh_quote": "a bar that is late is no entry for it: it says 'too late' or 'no data'",
    "cash": "it sizes its orders down to the room there is",
    "holdings": "it sells what is held",
    "stop_required": "without a stop it has no size, and says so: below",
    "order_notional": "it sizes its orders down to the room there is",
    "concentration": "it sizes its orders down to the room there is",
    "exposure": "it sizes its orders down to the room there is",
    "trade_risk": "it sizes its orders down to the room there is",
    "heat": "it sizes its orders down to the room there is",
    "duplicate": "one entry in flight for each symbol, its id derived from the bar",
    "approval": "it sizes its orders down to what needs no person: tests/approvals",
}


@pytest.mark.parametrize("rule", LOOP)
def test_the_loop_is_refused_by_the_same_rule(stage: Stage, rule: str) -> None:
    limits, before = LOOP[rule]
    app = stage(crossing(), eth=flat(300), limits=limits)
    decision = decided(app, before)
    assert decision.action == "refused", decision
    assert rule in history.refusals_by_rule(app.engine)
    assert decision.reason


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


def test_every_rule_is_in_both_tables() -> None:
    rules = {rule.name for rule in RULES}
    assert {case.rule for case in CASES} | ELSEWHERE.keys() == rules
    assert LOOP.keys() | NOT_THE_LOOP.keys() == rules
    assert not LOOP.keys() & NOT_THE_LOOP.keys()
