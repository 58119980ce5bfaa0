"""A loosened stop is judged like an entry; every limit shows its use; the loop's room is what the limits leave."""

from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest

from risk.risk_cases import BTC, ETH, NOW, POLICY, PRICES, STOP_2, book, buy, entered, held, policy, view
from trade_mcp.domain.book import Baseline, Book, Streak
from trade_mcp.domain.distances import Distance
from trade_mcp.domain.events import Period, TradingState
from trade_mcp.domain.exits import Levels
from trade_mcp.domain.order import Source
from trade_mcp.risk.assess import assess, headroom_notional
from trade_mcp.risk.clusters import Correlations
from trade_mcp.risk.policy import LIMITS, Policy
from trade_mcp.risk.proposal import View, propose, propose_levels
from trade_mcp.risk.standing import standing
from trade_mcp.risk.uses import Use, uses


def loosened(levels: Levels, *, of: Book | None = None, limits: Policy = POLICY, seen: View | None = None) -> list[str]:
    """Reasons why the position of 10 BTC may not get ``levels``."""
    desk = of or book(cash=D(9000), positions={BTC: held(10)})
    verdicts = assess(propose_levels(desk, BTC, levels, seen or view()), limits)
    return [verdict.reason for verdict in verdicts if not verdict.passed]


def test_a_stop_may_be_loosened_up_to_the_risk_of_a_trade() -> None:
    assert loosened(Levels(stop=D(90))) == []
    assert loosened(Levels(stop=D("89.9"))) == ["the loss at the stop would be 1.01 % of equity; the limit is 1.00 %"]


def test_a_stop_may_be_loosened_up_to_the_heat_of_the_book() -> None:
    others = {BTC: held(10), ETH: held(100, at=10, stop="4.9", owner=Source.LOOP, strategy="a")}
    assert loosened(Levels(stop=D(91)), of=book(cash=D(8000), positions=others)) == []
    assert loosened(Levels(stop=D("90.9")), of=book(cash=D(8000), positions=others)) == [
        "open risk would be 6.01 % of equity; the limit is 6.00 %"
    ]


def test_a_stop_is_not_taken_off_while_one_is_required() -> None:
    small = book(cash=D(9900), positions={BTC: held(1)})
    assert loosened(Levels(target=D(120)), of=small) == [
        "the position in BTC/USDT would have no stop; give stop_loss or trailing, or set a default in [exits]"
    ]
    assert loosened(Levels(target=D(120)), of=small, limits=policy(require_stop=False)) == []


@pytest.mark.parametrize("state", [TradingState.HALTED, TradingState.REDUCING])
def test_nothing_is_loosened_while_trading_is_not_active(state: TradingState) -> None:
    (reason,) = loosened(Levels(stop=D(95)), of=book(state=state, cash=D(9000), positions={BTC: held(10)}))
    assert reason.startswith(f"trading is {state.value}") and reason.endswith("this is a looser stop")


@pytest.mark.parametrize("price", [None, D("NaN"), D(0), D("1e30")])
def test_nothing_is_loosened_blindly(price: D | None) -> None:
    marks = {} if price is None else {BTC: price}
    assert "the loss at the stop cannot be judged: no price of BTC/USDT" in loosened(
        Levels(stop=D(95)), seen=view(marks=marks, quote=None)
    )


@pytest.mark.parametrize("bad", [D("NaN"), D(-1), D("1e30")])
def test_levels_that_are_no_numbers_are_refused_before_any_comparison(bad: D) -> None:
    (reason,) = loosened(Levels(stop=bad))
    assert reason.startswith("stop_loss is")
    (reason,) = loosened(Levels(trail=Distance(fraction=bad), peak=D(100)))
    assert reason.startswith("trailing is")


def _uses(of: Book, *, marks: dict[str, D], **more: Any) -> tuple[Use, ...]:
    return uses(of, POLICY, marks=marks, now=NOW, real=NOW, **more)


def test_every_limit_is_shown_with_its_use_and_headroom() -> None:
    desk = book(
        cash=D(8000),
        positions={BTC: held(10), ETH: held(100, at=10, stop="9.9")},
        orders=[buy(5, order_id="a", limit_price=D(100), worst_price=D(100))],
        entered=entered(3_600, 30),
        high_water=D(12_500),
        periods={Period.DAY: Baseline(NOW, D(10_100)), Period.WEEK: Baseline(NOW, D(9_000))},
        streaks={"a": Streak(2, NOW)},
        rejected=[NOW - timedelta(minutes=5), NOW],
    )
    shown = {use.key: use for use in _uses(desk, marks=PRICES, watcher_silence_s=2.5)}
    assert list(shown) == list(LIMITS)
    assert shown["max_exposure"] == Use(
        "exposure", "max_exposure", LIMITS["max_exposure"].title, "fraction of equity", D("0.9"), D("0.25"), D("0.65")
    )
    used = {key: use.use for key, use in shown.items() if use.use is not None}
    assert used == {
        "max_order_notional": D("0.05"),
        "max_position": D("0.15"),
        "max_exposure": D("0.25"),
        "max_open_positions": 2,
        "max_open_orders": 1,
        "max_trade_risk": D("0.003"),
        "max_heat": D("0.004"),
        "max_heat_per_strategy": D("0.004"),
        "max_cluster": D("0.25"),
        "max_repeats_per_hour": 1,
        "max_daily_loss": D(100) / D(10_100),
        "max_weekly_loss": 0,
        "soft_drawdown": D("0.2"),
        "hard_drawdown": D("0.2"),
        "daily_profit_target": 0,
        "loss_streak": 2,
        "max_rejections": 1,
        "max_orders_per_minute": 1,
        "max_orders_per_day": 2,
        "max_exit_silence_s": 2.5,
    }
    assert shown["max_exit_silence_s"].headroom == 57.5
    assert shown["hard_drawdown"].headroom == D("-0.05")
    assert shown["daily_profit_target"].headroom is None
    assert shown["allow"].limit == (BTC, ETH)


def test_uses_of_equity_are_unknown_while_a_price_is_missing() -> None:
    shown = {use.key: use.use for use in _uses(book(positions={BTC: held(1)}), marks={})}
    assert shown["max_exposure"] is None and shown["max_open_positions"] == 1
    assert standing(book(positions={BTC: held(1)}), {}).unpriced == (BTC,)


@pytest.mark.parametrize(
    ("desk", "stop_fraction", "room"),
    [
        (book(), "0.02", "1000"),  # what needs no person
        (book(), "0.1", "1000"),  # trade risk
        (book(cash=D(8000), positions={BTC: held(20)}), "0.02", "500"),  # concentration
        (book(cash=D(1500), positions={ETH: held(850, at=10, stop="9.99")}), "0.02", "500"),  # exposure
        (book(cash=D(9000), positions={ETH: held(100, at=10, stop="4.1")}), "0.02", "500"),  # heat
        (book(cash=D(9000), positions={"XRP/USDT": held(10)}), "0.02", "0"),  # equity unknown
        (book(cash=D(0)), "0.02", "0"),
    ],
)
def test_the_room_for_an_entry_is_what_the_tightest_limit_leaves(desk: Book, stop_fraction: str, room: str) -> None:
    seen, limits = view(), policy(max_cluster=D("0.9"), max_heat_per_strategy=D("0.06"))
    assert headroom_notional(desk, seen.instrument, seen, limits, stop_fraction=D(stop_fraction)) == D(room)


def test_the_room_of_a_strategy_ends_at_its_heat_its_stage_and_what_moves_with_the_symbol() -> None:
    def room(desk: Book, *, by: str, moves: float = 1.0, limits: Policy = POLICY) -> D:
        seen = view(correlations=Correlations(NOW.date(), {BTC: {ETH: moves}, ETH: {BTC: moves}}))
        sized = headroom_notional(
            desk, seen.instrument, seen, limits, stop_fraction=D("0.02"), source=Source.LOOP, strategy=by
        )
        return sized

    hot = book(cash=D(9000), positions={ETH: held(100, at=10, stop="7.1", owner=Source.LOOP, strategy="a")})
    assert (room(hot, by="a"), room(hot, by="b")) == (D(500), D(1000))
    half = book(cash=D(4500), positions={ETH: held(550, at=10, stop="9.99")})
    assert (room(half, by="a"), room(half, by="a", moves=0.5)) == (D(500), D(1000))
    small = policy(stage={"a": "small"})
    assert (room(book(), by="a", limits=small), room(book(), by="b", limits=small)) == (D(375), D(1000))


def test_the_room_leaves_cash_for_fee_and_slippage() -> None:
    wide = policy(max_order_notional=D(1), max_position=D(1), max_exposure=D(1), max_cluster=D(1), ask="never")
    seen = view()
    room = headroom_notional(book(), seen.instrument, seen, wide, stop_fraction=D("0.001"))
    assert room * D("1.001") * D("1.01") <= 10_000 < (room + D("0.01")) * D("1.001") * D("1.01")


def test_a_proposal_tells_the_book_after() -> None:
    proposal = propose(book(), buy(10, exits=STOP_2), view())
    assert (proposal.notional, proposal.equity) == (D(1000), D(10_000))
    assert (proposal.exposure_after, proposal.heat_after) == (D("0.1"), D("0.002"))
    unknown = propose(book(), buy(10), view(quote=None))
    assert (unknown.notional, unknown.exposure_after) == (None, None)
