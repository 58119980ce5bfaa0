"""Laws of the core: nothing raises, nothing absurd passes, exits are never blocked by entry limits, room is real."""

from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from risk.risk_cases import (
    BTC,
    ETH,
    NOW,
    POLICY,
    PRICES,
    STOP_2,
    book,
    buy,
    entered,
    failing,
    held,
    judged,
    policy,
    quote,
    view,
)
from risk.risk_cases import sell as sell_order
from trade_mcp.domain.book import Book, Brake, Streak
from trade_mcp.domain.calendar import Span
from trade_mcp.domain.distances import Distance
from trade_mcp.domain.events import TradingState
from trade_mcp.domain.exits import ExitPlan
from trade_mcp.domain.order import Order, OrderType, Role, Side, Source
from trade_mcp.risk.assess import assess, headroom_notional, refused
from trade_mcp.risk.brakes import RELEASES
from trade_mcp.risk.clusters import Correlations
from trade_mcp.risk.policy import Policy
from trade_mcp.risk.proposal import Kind, propose, propose_cancel
from trade_mcp.risk.rules import RULES
from trade_mcp.risk.standing import standing

ABSURD = st.sampled_from(
    [D(t) for t in ("NaN", "sNaN", "-NaN", "Infinity", "-Infinity", "0", "-0", "-1", "1e30", "1e999999", "1e-999999")]
    + [D("0." + "1" * 25), D("9" * 40), D("1e-19"), D("1.000000000000000000001")]
)
FIELDS = ("size", "limit_price", "trigger_price")


def sizes(low: str, high: str) -> st.SearchStrategy[D]:
    return st.decimals(D(low), D(high), places=5)


@st.composite
def books(draw: st.DrawFn) -> Book:
    """Any book the desk may find itself in: positions with and without stops, entries in flight, exits, recent pace."""
    positions = {
        symbol: held(
            draw(sizes("0.00001", "1") | sizes("1", "20") | sizes("20", "400")),
            at=PRICES[symbol],
            stop=draw(st.sampled_from([PRICES[symbol] * D("0.98"), PRICES[symbol], D(1), None])),
        )
        for symbol in draw(st.sets(st.sampled_from([BTC, ETH])))
    }
    orders: list[Order] = []
    for number in range(draw(st.integers(0, 4))):
        symbol = draw(st.sampled_from([BTC, ETH]))
        price = PRICES[symbol]
        plan = draw(st.sampled_from([STOP_2, ExitPlan(stop=price / 2), None]))
        size = draw(sizes("0.00001", "4") | sizes("0.00001", "40"))
        orders.append(buy(size, order_id=f"b{number}", symbol=symbol, worst_price=price, limit_price=price, exits=plan))
    if BTC in positions and draw(st.booleans()):
        orders.append(sell_order(positions[BTC].size, order_id="e-stop-1", role=Role.STOP, group="g"))
    return book(
        cash=draw(sizes("5000", "20000") | sizes("0", "2000")),
        positions=positions,
        orders=orders,
        entered=entered(*sorted(draw(st.lists(st.floats(0, 86_000), max_size=12)), reverse=True)),
    )


@given(ABSURD, st.sampled_from(FIELDS), st.sampled_from([Side.BUY, Side.SELL]))
def test_a_number_that_is_none_never_raises_and_is_refused_by_name(number: D, field: str, side: Side) -> None:
    asked = structs.replace(buy(1) if side is Side.BUY else sell_order(1), **{field: number})
    verdicts = judged(asked, of=book(positions={BTC: held(2)}))
    assert not verdicts["finite"].passed
    assert verdicts["finite"].reason.startswith(field)
    assert "order_notional" not in verdicts and "trading_state" in verdicts
    assert all(verdict.reason for verdict in verdicts.values())


@given(ABSURD, st.sampled_from(("stop", "target", "trail", "trailing")), st.booleans())
def test_so_is_one_among_its_exits(number: D, field: str, fraction: bool) -> None:
    distance = Distance(fraction=number) if fraction else Distance(amount=number)
    if field == "trailing":
        asked = buy(1, trailing=distance)
    elif field == "trail":
        asked = buy(1, exits=ExitPlan(trail=distance))
    else:
        asked = buy(1, exits=structs.replace(ExitPlan(), **{field: number}))
    assert "finite" in failing(asked)


@given(ABSURD, ABSURD)
def test_a_price_that_is_none_refuses_entries_and_lets_exits_go(bid: D, ask: D) -> None:
    for broken in (quote(bid=bid), quote(ask=ask), quote(bid=bid, ask=ask)):
        seen = view(quote=broken, marks={BTC: bid, ETH: ask}, recent=(bid, ask))
        of = book(positions={BTC: held(2), ETH: held(5)})
        verdicts = judged(buy(1), of=of, seen=seen)
        assert not verdicts["fresh_quote"].passed
        assert all(verdict.reason for verdict in verdicts.values())
        assert failing(sell_order(2), of=of, seen=seen) == []


@given(books(), st.data())
def test_entry_limits_never_block_a_reduction_or_a_cancel(of: Book, data: st.DataObject) -> None:
    limits = Policy(  # nothing may be entered under these
        max_quote_age_s=1,
        max_order_notional=D("1e-9"),
        max_position=D("1e-9"),
        max_exposure=D("1e-9"),
        max_trade_risk=D("1e-9"),
        max_heat=D("1e-9"),
        max_open_positions=1,
        max_open_orders=1,
        max_orders_per_minute=1,
        max_orders_per_day=1,
        max_spread=D("1e-9"),
        min_reward_to_risk=D(100),
        stage={"*": "small"},
        max_heat_per_strategy=D("1e-9"),
        max_cluster=D("1e-9"),
        max_repeats_per_hour=1,
        loss_streak=1,
        cooldown_min=100_000,
        ask="always",
    )
    quiet = (Span(NOW - timedelta(hours=1), NOW + timedelta(hours=1)),)
    blind = view(quote=None, marks={}, recent=None, policy_here="other", watcher_silence_s=None, quiet=quiet)
    of.streaks = {"chat": Streak(9, NOW)}
    for name in RELEASES:
        of.brakes[name] = Brake(name, TradingState.HALTED, NOW, "tripped")
    for state in TradingState:
        of.state = state
        for position in of.positions.values():
            if position.size < D("0.06"):
                continue
            size = data.draw(sizes("0.06", str(position.size)))
            role = data.draw(st.sampled_from([Role.CLOSE, Role.STOP, Role.TARGET]))
            symbol = next(s for s, p in of.positions.items() if p is position)
            asked = sell_order(size, symbol=symbol, role=role, source=Source.EXIT)
            replacing = [order.order_id for order in of.exits(symbol)]
            assert failing(asked, limits, of=of, seen=blind, replacing=replacing) == []
        for live in of.orders.values():
            assert not refused(assess(propose_cancel(of, live, blind), limits))


@given(books(), sizes("0.00001", "500"), st.sampled_from(list(Source)))
def test_no_accepted_sell_crosses_zero(of: Book, size: D, source: Source) -> None:
    proposal = propose(of, sell_order(size, source=source), view())
    if not refused(assess(proposal, POLICY)):
        assert of.selling(BTC) + size <= of.position(BTC).size


@given(
    books(),
    sizes("0.00001", "4") | sizes("0.00001", "50"),
    st.sampled_from([STOP_2, ExitPlan(stop=D(90)), None]),
    st.sampled_from([1.0, 0.8, 0.79, -1.0]),
)
def test_no_accepted_entry_takes_a_use_above_its_limit(of: Book, size: D, plan: ExitPlan | None, moves: float) -> None:
    limits = policy(require_stop=False, max_cluster=D("0.3"))
    asked = buy(size, order_id="new", exits=plan, worst_price=D(100))
    seen = view(correlations=Correlations(NOW.date(), {BTC: {ETH: moves}, ETH: {BTC: moves}}))
    if refused(assess(propose(of, asked, seen), limits)):
        return
    of.orders["new"] = asked
    after = standing(of, PRICES)
    assert after.equity is not None
    assert after.exposure <= limits.max_exposure * after.equity
    assert after.notionals[BTC] <= limits.max_position * after.equity
    assert after.heat <= limits.max_heat * after.equity
    assert after.heats["chat"] <= limits.max_heat_per_strategy * after.equity
    together = after.exposure if moves >= limits.cluster_correlation else after.notionals[BTC]
    assert together <= limits.max_cluster * after.equity
    assert after.reserved * D("1.001") <= of.cash
    assert len(of.open_positions) <= limits.max_open_positions
    assert after.orders <= limits.max_open_orders


@given(books(), st.decimals(D("0.001"), D(1), places=3))
def test_an_entry_sized_to_the_headroom_passes_and_a_larger_one_does_not(of: Book, stop_fraction: D) -> None:
    sized = {
        "order_notional",
        "concentration",
        "exposure",
        "cash",
        "heat",
        "trade_risk",
        "heat_per_strategy",
        "correlation",
        "approval",
    }
    seen, limits = view(), policy(require_stop=False)
    room = headroom_notional(of, seen.instrument, seen, limits, stop_fraction=stop_fraction)
    plan = None if stop_fraction == 1 else ExitPlan(stop=Distance(fraction=stop_fraction))

    def refusing(notional: D) -> set[str]:
        asked = buy(notional / 100, exits=plan, worst_price=D(101))
        return sized & set(failing(asked, limits, of=of, seen=seen))

    assert room >= 0
    if room > 0:
        assert refusing(room) == set()
    assert refusing(room + D("0.0000001")) != set()


@given(st.data())
def test_judging_changes_nothing_and_says_the_same_again(data: st.DataObject) -> None:
    of = data.draw(books())
    asked = buy(data.draw(sizes("0.00001", "50")), type=OrderType.MARKET)
    before = msgspec.json.encode(of)
    first = assess(propose(of, asked, view()), POLICY)
    assert first == assess(propose(of, asked, view()), POLICY)
    assert msgspec.json.encode(of) == before
    assert [verdict.rule for verdict in first] == [
        rule.name for rule in RULES if rule.entry and rule.name in {verdict.rule for verdict in first}
    ]


def test_later_market_time_only_forgets() -> None:
    of = book(entered=entered(5, 4, 3, 2, 1))
    assert {"duplicate", "orders_per_minute"} <= set(failing(buy(), of=of))
    later: Any = NOW + timedelta(minutes=2)
    moved = structs.replace(quote(), due_at=later)
    assert failing(buy(), of=of, seen=view(now=later, quote=moved)) == []
    assert propose(of, buy(), view()).kind is Kind.ENTRY
