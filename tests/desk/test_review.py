"""What a cold reader of the order path found: each once broke a promise of the desk."""

import itertools
from collections.abc import Callable
from decimal import Decimal as D

import pytest

from desk.stage import BTC, ETH, STEP, STOP_2, WARM, buy, flat, losing, on, watched
from trade_mcp.app import App
from trade_mcp.desk.breaks import LAG_S
from trade_mcp.desk.exits import Armed
from trade_mcp.domain.distances import Distance
from trade_mcp.domain.errors import BadInput, IdConflict, VenueRejected
from trade_mcp.domain.exits import ExitPlan
from trade_mcp.domain.instrument import ZERO
from trade_mcp.domain.order import OrderRequest, OrderType, Role, Side, Source, Status
from trade_mcp.domain.position import Position, apply_fill
from trade_mcp.store import history

Stage = Callable[..., App]


def trail(fraction: str) -> ExitPlan:
    return ExitPlan(trail=Distance(fraction=D(fraction)))


def resting(app: App) -> list[tuple[Role, D, D | None]]:
    return [(o.role, o.open_size, o.trigger_price) for o in app.log.refresh().exits(BTC)]


@pytest.mark.parametrize("order_id", ["a-stop-1", "a-target-2", "a-exit-1", "loop-in-BTCUSDT-1"])
def test_nobody_takes_an_id_that_the_desk_derives(stage: Stage, order_id: str) -> None:
    app = stage()
    app.gate.submit(buy("a"), Source.MODEL)
    with pytest.raises(BadInput):
        app.gate.submit(buy(order_id, size="0.5", type=OrderType.LIMIT, limit_price=D(99)), Source.MODEL)
    with pytest.raises(BadInput):
        app.gate.close(BTC, D(1), Source.MODEL, reason="", order_id=order_id)


def test_an_addition_with_a_wide_trail_does_not_loosen_what_was_there(stage: Stage) -> None:
    app = stage()
    app.gate.submit(buy("a", size="5", exits=trail("0.01")), Source.MODEL)
    before = app.log.book.positions[BTC].levels.stop_price
    app.gate.submit(buy("b", size="0.1", exits=trail("0.5")), Source.MODEL)
    assert app.log.refresh().positions[BTC].levels.stop_price == before
    on(app)
    assert [size for _, size, _ in resting(app)] == [D("5.1")]


def test_a_later_fill_of_the_first_entry_does_not_take_back_the_tighter_stop(stage: Stage) -> None:
    app = stage(volume=20.0)  # two coins fill in a bar
    wide = ExitPlan(stop=Distance(fraction=D("0.1")))
    app.gate.submit(buy("a", size="3", exits=wide, type=OrderType.LIMIT, limit_price=D(101)), Source.MODEL)
    on(app)
    app.gate.submit(buy("b", size="0.5", exits=STOP_2, type=OrderType.LIMIT, limit_price=D(101)), Source.MODEL)
    on(app, 3)
    position = app.log.refresh().positions[BTC]
    assert position.size == D("3.5") and position.levels.stop is not None and position.levels.stop > 98


def test_a_stop_too_low_to_sell_at_is_refused_instead_of_making_dust_of_a_position(stage: Stage) -> None:
    app = stage()
    app.gate.submit(buy("a", size="0.9"), Source.MODEL)
    with pytest.raises(BadInput, match="could not be sold"):
        app.gate.set_exits(BTC, ExitPlan(stop=D(1)), Source.MODEL)
    on(app)
    assert len(resting(app)) == 1 and not app.log.refresh().positions[BTC].dust


def test_a_close_leaves_nothing_that_could_not_be_sold_at_its_stop(stage: Stage) -> None:
    app = stage()
    app.gate.submit(buy("a"), Source.MODEL)
    app.gate.close(BTC, D("0.9495"), Source.MODEL, reason="", order_id="c")
    assert app.log.refresh().positions == {}


def test_a_fraction_of_less_than_a_lot_does_not_close_all_of_it(stage: Stage) -> None:
    app = stage()
    app.gate.submit(buy("a"), Source.MODEL)
    with pytest.raises(BadInput, match="less than a lot"):
        app.gate.close(BTC, D("0.0000001"), Source.MODEL, reason="", order_id="c")
    assert app.log.refresh().positions[BTC].size == 1


def test_a_close_under_the_id_of_an_entry_is_a_conflict(stage: Stage) -> None:
    app = stage()
    app.gate.submit(buy("a"), Source.MODEL)
    with pytest.raises(IdConflict):
        app.gate.close(BTC, D(1), Source.MODEL, reason="", order_id="a")


def test_a_trail_set_late_does_not_hang_from_a_peak_before_it(stage: Stage) -> None:
    app = stage([*flat(WARM + 1, 100.0), (100, 110, 100, 100), *flat(50, 100.0)])
    app.gate.submit(buy("a"), Source.MODEL)
    on(app, 4)
    app.gate.set_exits(BTC, trail("0.02"), Source.MODEL)
    on(app, 2)
    app.gate.close(BTC, D("0.5"), Source.MODEL, reason="", order_id="c")
    watched(app)
    assert [(role, size) for role, size, _ in resting(app)] == [(Role.STOP, D("0.5"))]


def test_a_trail_that_came_with_an_addition_does_not_hang_from_a_peak_before_it(stage: Stage) -> None:
    app = stage([*flat(WARM + 1, 100.0), (100, 110, 100, 100), *flat(50, 100.0)])
    app.gate.submit(buy("a"), Source.MODEL)
    on(app, 4)
    app.gate.submit(buy("b", size="0.5", exits=trail("0.02")), Source.MODEL)
    on(app, 2)
    peak = app.log.refresh().positions[BTC].levels.peak
    assert peak is not None and peak < 105


def test_the_chat_owns_what_it_added_while_the_loops_entry_was_on_its_way(stage: Stage) -> None:
    app = stage([*flat(WARM + 2, 100.0), *flat(50, 99.0)])
    line = losing(app)
    line.lose = lambda call: "after"
    app.gate.submit(buy("loops"), Source.LOOP)
    line.lose = lambda call: ""
    app.gate.submit(buy("chats", size="2", type=OrderType.LIMIT, limit_price=D("99.5")), Source.MODEL)
    assert app.log.refresh().positions == {} or app.log.book.positions[BTC].owner is Source.LOOP
    on(app, 4)
    position = app.log.refresh().positions[BTC]
    assert (position.size, position.owner) == (3, Source.MODEL)


def test_buying_back_what_was_sold_too_much_books_its_loss() -> None:
    oversold = apply_fill(Position(size=D(1), cost=D(100)), D(-2), D(100))
    assert apply_fill(oversold, D(1), D(110)) == Position(size=ZERO, cost=ZERO, realised=D(-10))
    assert apply_fill(oversold, D(3), D(110)) == Position(size=D(2), cost=D(220), realised=D(-10))


def test_zeros_at_the_end_of_a_number_change_nothing(stage: Stage) -> None:
    app = stage()
    exits = ExitPlan(stop=D(98), target=D("120." + "0" * 40))
    request = OrderRequest(
        order_id="a",
        symbol=BTC,
        side=Side.BUY,
        type=OrderType.LIMIT,
        notional=D(99),
        limit_price=D(99),
        exits=exits,
    )
    order = app.gate.submit(request, Source.MODEL).order
    assert order is not None and (order.size, order.worst_price) == (1, 99)


@pytest.mark.parametrize("plan", [ExitPlan(target=D("1e20")), ExitPlan(target=D("1e14")), ExitPlan(target=D("NaN"))])
def test_an_exit_that_is_no_price_is_bad_input_and_sells_nothing(stage: Stage, plan: ExitPlan) -> None:
    app = stage()
    app.gate.submit(buy("a"), Source.MODEL)
    with pytest.raises(BadInput):
        app.gate.set_exits(BTC, plan, Source.MODEL)
    with pytest.raises(BadInput):
        app.gate.set_exits(BTC, ExitPlan(target=Distance(amount=D("1e20"))), Source.MODEL)
    on(app)
    assert len(resting(app)) == 1


def test_a_target_larger_than_the_venue_takes_leaves_the_stop_alone(stage: Stage) -> None:
    app = stage()
    app.gate.submit(buy("a"), Source.MODEL)
    app.gate.set_exits(BTC, ExitPlan(target=D("1e11")), Source.MODEL)
    on(app)
    assert [(role, size) for role, size, _ in resting(app)] == [(Role.STOP, D(1))]


def test_a_preview_of_a_limit_sell_says_what_the_gate_would(stage: Stage) -> None:
    app = stage()
    app.gate.submit(buy("a"), Source.MODEL)
    limit = OrderRequest(
        order_id="s", symbol=BTC, side=Side.SELL, size=D("0.5"), type=OrderType.LIMIT, limit_price=D(101)
    )
    assert app.gate.preview(limit, Source.MODEL).allowed is not app.gate.submit(limit, Source.MODEL).refused


def test_a_stop_above_the_market_is_refused_for_a_take_profit_buy_too(stage: Stage) -> None:
    app = stage()
    request = buy("a", type=OrderType.TAKE_PROFIT, trigger_price=D("101.9"), exits=ExitPlan(stop=D("101.5")))
    assert {verdict.rule for verdict in app.gate.submit(request, Source.MODEL).failed} == {"stop_required"}


def test_exits_that_fail_for_a_day_are_still_tried(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    app = stage()
    app.gate.submit(buy("a"), Source.MODEL)
    boot = itertools.count(1e6, 60.0)
    monkeypatch.setattr(app.clock, "boot", lambda: next(boot))
    monkeypatch.setattr(app.gate._protection._exits, "arm", lambda symbol, lease=None: Armed.REFUSED)
    app.gate._protection._failed[BTC] = (1024, 0.0)
    assert app.gate.protect(BTC) is Armed.REFUSED
    assert app.log.refresh().positions == {}


def test_a_position_worth_less_than_an_order_is_not_offered_again_and_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = stage([*flat(WARM + 2), *flat(80, 80.0)])
    app.gate.submit(buy("a", size="0.06", exits=ExitPlan(stop=Distance(fraction=D("0.05")))), Source.MODEL)
    app.venue.cancel(app.log.book.exits(BTC)[0])  # somebody took its stop away before the fall
    app.clock.advance_to(app.clock.market() + 5 * STEP)
    boot = itertools.count(1e6, 60.0)
    monkeypatch.setattr(app.clock, "boot", lambda: next(boot))
    for _ in range(5):
        watched(app)
    assert app.log.refresh().unprotected() == [BTC]
    assert history.refused(app.engine) == []


def test_a_symbol_that_fails_never_leaves_the_next_without_its_stop(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = stage(eth=flat(400))
    protect = app.gate.protect
    monkeypatch.setattr(app.gate, "protect", lambda symbol, lease=None: Armed.OPEN)
    app.gate.submit(buy("a"), Source.MODEL)
    app.gate.submit(buy("b", symbol=ETH), Source.MODEL)

    def failing(symbol: str, **lease: object) -> Armed:
        if symbol == BTC:
            raise VenueRejected("not today")
        return protect(symbol)

    monkeypatch.setattr(app.gate, "protect", failing)
    assert len(app.watch.step().errors) == 1
    assert app.log.refresh().unprotected() == [BTC]


def test_a_fill_that_is_not_written_yet_is_no_break(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    app = stage()
    app.gate.submit(buy("a", type=OrderType.LIMIT, limit_price=D(99)), Source.MODEL)
    line = losing(app)
    line.lose = lambda call: "after"
    audit = app.watch._reconcile.audit
    monkeypatch.setattr(
        app.watch._reconcile, "audit", lambda lease: (audit(), app.gate.submit(buy("b", size="0.5"), Source.MODEL))
    )
    real = app.clock.boot
    app.watch.step()
    monkeypatch.setattr(app.clock, "boot", lambda: real() + LAG_S)
    app.watch.step()
    assert app.log.refresh().breaks == {} and app.log.book.positions[BTC].size == D("0.5")


def test_a_stop_armed_for_the_rest_by_another_process_does_not_stop_a_close(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = stage()
    app.gate.submit(buy("a"), Source.MODEL)
    cancel = app.gate._sender.cancel

    def and_another_arms(orders: object) -> None:
        cancel(orders)  # type: ignore[arg-type]
        monkeypatch.setattr(app.gate._sender, "cancel", cancel)
        app.gate._protection._exits.arm(BTC)

    monkeypatch.setattr(app.gate._sender, "cancel", and_another_arms)
    receipt = app.gate.close(BTC, D("0.5"), Source.MODEL, reason="", order_id="c")
    assert receipt.order is not None and receipt.order.status is Status.FILLED
    on(app)
    assert [size for _, size, _ in resting(app)] == [D("0.5")]


def test_coins_that_paid_fees_do_not_keep_a_position_from_its_stop(stage: Stage) -> None:
    app = stage(eth=flat(400, 10.01), paper={"fee_currency": "ETH", "fee_coin_price": "10"})
    app.gate.submit(buy("e", size="10", symbol=ETH), Source.MODEL)
    app.venue.cancel(app.log.book.exits(ETH)[0])  # its coins are free for a moment
    app.gate.submit(buy("b", size="5"), Source.MODEL)
    on(app)
    assert app.log.refresh().external[ETH.partition("/")[0]] < 0
    (stop,) = app.log.book.exits(ETH)
    assert stop.status is Status.WORKING and D("9.9") < stop.size < 10
    assert app.gate.close(ETH, D(1), Source.MODEL, reason="", order_id="c").outcome == "closed"
