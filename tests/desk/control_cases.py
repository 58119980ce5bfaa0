"""Control cases: for each control what a client asks that it refuses, and what makes it refuse the loop, or why not.

The page docs/controls.md is made of these tables; a control without a line in them fails the suite.
"""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal as D
from typing import Any

from msgspec import Struct

from desk.stage import BTC, ETH, STEP, WARM, Bars, buy, flat, watched
from trade_mcp.app import App
from trade_mcp.domain.distances import Distance
from trade_mcp.domain.errors import VenueRejected
from trade_mcp.domain.events import BreakSeen, TradingState
from trade_mcp.domain.exits import ExitPlan
from trade_mcp.domain.order import Order, OrderType, Report, Source

Before = Callable[[App], None]
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


def aiming(app: App) -> None:
    """A position whose target rests 1 % above the price."""
    plan = ExitPlan(stop=Distance(fraction=D("0.02")), target=D("101"))
    assert app.gate.submit(buy("aiming", "0.5", exits=plan), Source.MODEL).outcome == "placed"


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


def lost(app: App) -> None:
    """A trade of the chat that paid only its fees."""
    assert app.gate.submit(buy("lost", "0.6"), Source.MODEL).outcome == "placed"
    assert app.gate.close(BTC, D(1), Source.MODEL, reason="", order_id="lost-out").outcome == "closed"


def loop_lost(app: App) -> None:
    """The same of each strategy of the loop."""
    for number, name in enumerate(app.settings.active_strategies):
        request = buy(f"loop-{name}", f"0.{60 + number}", strategy=name)
        assert app.gate.submit(request, Source.LOOP).outcome == "placed"
        assert app.gate.close(BTC, D(1), Source.LOOP, reason="", order_id=f"loop-{name}-out").outcome == "closed"


def much_ether(app: App) -> None:
    """Half of the desk's equity in ETH: what happens to it happens to the desk."""
    watched(app)
    request = buy("much", "50", ETH, exits=ExitPlan(stop=Distance(fraction=D("0.6"))))
    assert app.gate.submit(request, Source.MODEL).outcome == "placed"


class Refusing:
    """The real venue that says no to every order."""

    def __init__(self, venue: Any):
        self._venue = venue

    def __getattr__(self, name: str) -> Any:
        return getattr(self._venue, name)

    def submit(self, orders: tuple[Order, ...]) -> tuple[Report, ...]:
        raise VenueRejected("not today")


def rejected(app: App) -> None:
    """The venue rejects two orders."""
    sender, venue = app.gate._sender, app.venue
    sender._venue = Refusing(venue)  # type: ignore[assignment]
    for number in range(2):
        app.gate.submit(buy(f"rejected-{number}", f"0.7{number}", ETH), Source.MODEL)
    sender._venue = venue
    watched(app)


class Case(Struct):
    """What a client asks that ``rule`` refuses, and what it lets through: arguments, limits, what happened before."""

    rule: str
    beyond: dict[str, str] = {}
    inside: dict[str, str] | None = {}
    limits: dict[str, Any] = {}
    before: Before = nothing
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
    Case("spread", inside=None, more={"feed": {"spread": "0.0102"}}),
    Case("session", limits={"quiet_hours": ["19:00-20:00"]}, inside=None),
    Case("cash", {"size": "99.5"}, {"size": "98"}, limits=WIDE),
    Case("holdings", {"side": "sell", "size": "0.6"}, {"side": "sell", "size": "0.5"}, before=ours),
    Case(
        "self_trade",
        {"type": "limit", "limit_price": "101.01"},
        {"type": "limit", "limit_price": "100.99"},
        before=aiming,
    ),
    Case("stop_required", inside={"stop_loss": "2%"}, beyond={"stop_loss": ""}, more={"exits": {"stop": "off"}}),
    Case("reward_to_risk", {"take_profit": "3.9%"}, {"take_profit": "4.1%"}, {"min_reward_to_risk": 2}),
    Case("stage", {"size": "3.8"}, {"size": "3.7"}, {"stage": {"*": "small"}}),
    Case("order_notional", {"size": "15.1"}, {"size": "14.9"}, {"ask": "never"}),
    Case("concentration", {"size": "2.1"}, {"size": "1.9"}, {"max_position": "0.025"}, ours),
    Case("exposure", {"size": "2.1"}, {"size": "1.9"}, {"max_exposure": "0.03"}, ether),
    Case("correlation", {"size": "2.1"}, {"size": "1.9"}, {"max_cluster": "0.03"}, ether),
    Case("open_positions", limits={"max_open_positions": 1}, before=ether, inside=None),
    Case("open_orders", limits={"max_open_orders": 1}, before=resting_ether, inside=None),
    Case("trade_risk", {"stop_loss": "11%"}, {"stop_loss": "9%"}, {"max_trade_risk": "0.001"}),
    Case("heat", {"size": "6"}, {"size": "4"}, {"max_heat": "0.0011"}, ours),
    Case("heat_per_strategy", {"size": "6"}, {"size": "4"}, {"max_heat_per_strategy": "0.0011"}, ours),
    Case("loss_streak", limits={"loss_streak": 1}, before=lost, inside=None),
    Case("duplicate", before=the_same, inside={"size": "1.1"}),
    Case("repeats", {"size": "1.1"}, limits={"max_repeats_per_hour": 1}, before=the_same, inside={"symbol": ETH}),
    Case("orders_per_minute", limits={"max_orders_per_minute": 1}, before=ether, inside=None),
    Case("orders_per_day", limits={"max_orders_per_day": 1}, before=ether, inside=None),
    Case("watcher_alive", before=nobody_watches, inside=None),
    Case("venue_break", {}, {"symbol": ETH}, before=broken),
]
ELSEWHERE = {
    "finite": "a client's numbers are read strictly before the gate: tests/server/test_tools.py; at the gate: "
    "tests/desk/test_order_life.py",
    "policy_in_force": "needs a second process with other limits: test_limits_that_are_not_in_force_make_no_entries",
    "approval": "it asks a person instead of refusing",
}

DOWN = "it sizes its orders down to the room there is"


class LoopCase(Struct):
    """What makes ``rule`` refuse the loop: limits, what happened before, other settings."""

    limits: dict[str, Any] = {}
    before: Before = nothing
    more: dict[str, Any] = {}


LOOP = {
    "trading_state": LoopCase(before=halted),
    "symbol_lists": LoopCase({"deny": [BTC], "allow": [ETH]}),
    "price_band": LoopCase({"max_jump": "0.00001"}),
    "spread": LoopCase(more={"feed": {"spread": "0.0102"}}),
    "session": LoopCase({"quiet_hours": ["00:00-23:59"]}),
    "reward_to_risk": LoopCase({"min_reward_to_risk": 3}),
    "loss_streak": LoopCase({"loss_streak": 1}, loop_lost),
    "repeats": LoopCase({"max_repeats_per_hour": 1}, loop_lost),
    "open_positions": LoopCase({"max_open_positions": 1}, ether),
    "open_orders": LoopCase({"max_open_orders": 1}, resting_ether),
    "orders_per_minute": LoopCase({"max_orders_per_minute": 1}, ether),
    "orders_per_day": LoopCase({"max_orders_per_day": 1}, ether),
    "watcher_alive": LoopCase(before=nobody_watches),
    "venue_break": LoopCase(before=broken),
}
NOT_THE_LOOP = {
    "finite": "its sizes are made by round_size from finite numbers",
    "policy_in_force": "needs a second process: test_limits_that_are_not_in_force_make_no_entries",
    "owner": "it leaves the chat's positions alone before it asks; asked in its name: tests/desk/test_order_life.py",
    "venue_limits": "it asks for nothing the venue would not take: "
    "test_a_small_desk_trades_above_the_minimum_or_says_why_not",
    "fresh_quote": "a bar that is late is no entry for it: it says 'too late' or 'no data'",
    "cash": DOWN,
    "holdings": "it sells what is held",
    "self_trade": "it buys at the market, and its own target above the market would have sold first",
    "stop_required": "without a stop it has no size: test_a_loop_without_a_stop_has_no_size_and_says_so",
    "stage": DOWN,
    "order_notional": DOWN,
    "concentration": DOWN,
    "exposure": DOWN,
    "correlation": DOWN,
    "trade_risk": DOWN,
    "heat": DOWN,
    "heat_per_strategy": DOWN,
    "duplicate": "one entry in flight for each symbol, its id derived from the bar",
    "approval": "it sizes its orders down to what needs no person",
}


class BrakeCase(Struct):
    """What trips a brake, and what just does not: limits, and where the price of ETH, half of the equity, goes to."""

    limits: dict[str, Any]
    beyond: float = 0.0
    inside: float = 0.0
    before: Before = much_ether


BRAKES = {
    "daily_loss": BrakeCase({"max_daily_loss": "0.02"}, 95.8, 96.2),
    "weekly_loss": BrakeCase({"max_weekly_loss": "0.02"}, 95.8, 96.2),
    "soft_drawdown": BrakeCase({"soft_drawdown": "0.02"}, 95.8, 96.2),
    "hard_drawdown": BrakeCase({"hard_drawdown": "0.02"}, 95.8, 96.2),
    "profit_lock": BrakeCase({"daily_profit_target": "0.02"}, 104.2, 103.8),
    "rejections": BrakeCase({"max_rejections": 2}, before=rejected),
}


def moved(price: float, count: int = 400) -> Bars:
    """ETH that goes to ``price`` (0: stays) right after the desk began."""
    return [*flat(WARM + 1), *flat(count - WARM - 1, price)] if price else flat(count)
