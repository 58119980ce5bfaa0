"""The life of an order, from the request to its end, also when answers are lost and processes die."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal as D

import pytest
from msgspec import structs

from desk.stage import BTC, STOP_2, WARM, buy, flat, losing, on, watched
from trade_mcp.app import App
from trade_mcp.desk.reconcile import differences
from trade_mcp.domain.distances import Distance
from trade_mcp.domain.errors import BadInput, IdConflict, LeaseLost
from trade_mcp.domain.events import Alarm, OrderCancelling, TradingState
from trade_mcp.domain.exits import ExitPlan
from trade_mcp.domain.order import OrderType, Role, Side, Source, Status
from trade_mcp.store import history, reads

Stage = Callable[..., App]
LATER = timedelta(seconds=60)


def stops(app: App) -> list[tuple[str, D, D | None]]:
    return [(o.order_id, o.open_size, o.trigger_price) for o in app.log.refresh().live(BTC) if o.role is Role.STOP]


def sound(app: App) -> None:
    book = app.log.refresh()
    assert differences(book, app.venue) == []
    assert book.unprotected() == []
    cost = sum((position.cost for position in book.positions.values()), D(0))
    assert book.cash + cost + book.fees == book.deposits + book.realised


def pass_the_grace(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    real = app.clock.real
    monkeypatch.setattr(app.clock, "real", lambda: real() + LATER)
    app.heartbeats.beat("watch", {})


def test_a_bought_position_rests_on_a_stop_priced_from_the_fill(stage: Stage) -> None:
    app = stage()
    receipt = app.gate.submit(buy(), Source.MODEL)
    order = receipt.order
    assert order is not None and (receipt.outcome, order.status) == ("placed", Status.FILLED)
    entry = app.log.book.positions[BTC].entry
    assert stops(app) == [("a-stop-1", D(1), (entry * D("0.98")).quantize(D("0.01"), "ROUND_CEILING"))]
    sound(app)


def test_a_retry_with_the_same_id_places_no_second_order(stage: Stage) -> None:
    app = stage()
    app.gate.submit(buy(), Source.MODEL)
    assert app.gate.submit(buy(), Source.MODEL).outcome == "already"
    assert app.log.refresh().positions[BTC].size == 1
    with pytest.raises(IdConflict):
        app.gate.submit(buy(size="2"), Source.MODEL)


def test_a_refusal_tells_every_reason_at_once_and_reserves_nothing(stage: Stage) -> None:
    app = stage(limits={"max_order_notional": "0.01", "max_trade_risk": "0.0001"})
    receipt = app.gate.submit(buy(), Source.MODEL)
    assert receipt.refused and {v.rule for v in receipt.failed} >= {"order_notional", "trade_risk"}
    assert app.log.refresh().available == 10_000 and reads.orders(app.engine)[0] == []
    assert len(history.refused(app.engine)) == 1


def test_a_preview_writes_nothing(stage: Stage) -> None:
    app = stage()
    seq = app.log.refresh().seq
    preview = app.gate.preview(buy(), Source.MODEL)
    assert preview.allowed and preview.stop is not None and preview.risk is not None
    assert app.log.refresh().seq == seq


@pytest.mark.parametrize("size", ["0", "-1", "NaN", "Infinity", "-Infinity", "1e30", "0.123456789012345678901234567"])
def test_a_size_that_is_none_never_becomes_an_order(stage: Stage, size: str) -> None:
    app = stage()
    try:
        refused = app.gate.submit(buy(size=size), Source.MODEL).refused
    except BadInput as error:
        refused = bool(error.hint)
    assert refused and reads.orders(app.engine)[0] == []


@pytest.mark.parametrize("field", ["notional", "limit_price", "trigger_price"])
@pytest.mark.parametrize("number", ["NaN", "Infinity", "-1", "0", "1e30"])
def test_a_price_that_is_none_never_becomes_an_order(stage: Stage, field: str, number: str) -> None:
    app = stage()
    kind = {"limit_price": OrderType.LIMIT, "trigger_price": OrderType.STOP}.get(field, OrderType.MARKET)
    try:
        refused = app.gate.submit(buy(**{field: D(number), "type": kind}), Source.MODEL).refused
    except BadInput as error:
        refused = bool(error.hint)
    assert refused and reads.orders(app.engine)[0] == []


def test_a_notional_that_is_none_is_refused_by_its_own_name(stage: Stage) -> None:
    app, asked = stage(), buy(notional=D("1e30"))
    for verdicts in (app.gate.preview(asked, Source.MODEL).verdicts, app.gate.submit(asked, Source.MODEL).failed):
        (said,) = [verdict.reason for verdict in verdicts if verdict.rule == "finite"]
        assert said.startswith("notional is 1E+30: expected a number")


def test_a_stop_on_the_wrong_side_is_bad_input(stage: Stage) -> None:
    with pytest.raises(BadInput, match="not below"):
        stage().gate.submit(buy(exits=ExitPlan(stop=D(101))), Source.MODEL)


def test_an_entry_without_a_stop_gets_the_default_one(stage: Stage) -> None:
    app = stage()
    app.gate.submit(buy(exits=None), Source.MODEL)
    assert len(stops(app)) == 1


def test_a_lost_answer_is_adopted_and_never_sent_again(stage: Stage) -> None:  # fault 1
    app = stage()
    line = losing(app)
    line.lose = lambda call: "after" if call == "submit" else ""
    app.gate.submit(buy(), Source.MODEL)
    assert app.log.order("a").status is Status.PENDING  # type: ignore[union-attr]
    line.lose = lambda call: ""
    assert app.gate.submit(buy(), Source.MODEL).outcome == "already"
    on(app)
    assert app.log.order("a").status is Status.FILLED  # type: ignore[union-attr]
    assert line.submitted == 2  # the entry and its stop
    sound(app)


def test_an_order_that_never_arrived_ends_after_the_grace(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    app = stage()  # fault 2
    line = losing(app)
    line.lose = lambda call: "before"
    app.gate.submit(buy(), Source.MODEL)
    line.lose = lambda call: ""
    on(app)
    assert app.log.order("a").status is Status.PENDING  # type: ignore[union-attr]
    assert app.log.refresh().available < 10_000  # it still counts
    pass_the_grace(app, monkeypatch)
    watched(app)
    assert app.log.order("a").status is Status.NEVER_PLACED  # type: ignore[union-attr]
    assert app.log.refresh().available == 10_000 and line.submitted == 1


class Died(BaseException):
    """The process ended here."""


def test_a_process_that_dies_before_the_send_leaves_nothing_behind(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:  # fault 4
    app = stage()
    monkeypatch.setattr(app.gate._sender, "send", lambda *_, **__: (_ for _ in ()).throw(Died()))
    with pytest.raises(Died):
        app.gate.submit(buy(), Source.MODEL)
    again = stage()
    pass_the_grace(again, monkeypatch)
    watched(again)
    assert again.log.order("a").status is Status.NEVER_PLACED  # type: ignore[union-attr]


def test_a_process_that_dies_before_writing_the_answer_adopts_it(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    app = stage()  # faults 5, 6, 7
    monkeypatch.setattr(app.gate._sender, "record", lambda *_: (_ for _ in ()).throw(Died()))
    with pytest.raises(Died):
        app.gate.submit(buy(), Source.MODEL)
    again = stage()
    watched(again)
    assert again.log.order("a").status is Status.FILLED  # type: ignore[union-attr]
    assert len(stops(again)) == 1
    sound(again)


def test_a_close_that_dies_half_way_gives_the_stop_back(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    app = stage()
    app.gate.submit(buy(), Source.MODEL)
    monkeypatch.setattr(app.gate._protection, "_fit", lambda *_: (_ for _ in ()).throw(Died()))
    with pytest.raises(Died):
        app.gate.close(BTC, D(1), Source.MODEL, reason="x", order_id="c")
    again = stage()
    watched(again)
    assert stops(again) == []  # the close may still be on its way: no stop for what it sells
    pass_the_grace(again, monkeypatch)
    watched(again)
    watched(again)
    assert again.log.order("c").status is Status.NEVER_PLACED  # type: ignore[union-attr]
    assert len(stops(again)) == 1
    sound(again)


def test_a_close_replaces_its_exits_and_keeps_a_stop_for_the_rest(stage: Stage) -> None:
    app = stage()
    app.gate.submit(buy(), Source.MODEL)
    receipt = app.gate.close(BTC, D("0.25"), Source.MODEL, reason="x", order_id="c")
    assert receipt.outcome == "closed"
    assert [(name, size) for name, size, _ in stops(app)] == [("a-stop-2", D("0.75"))]
    app.gate.close(BTC, D(1), Source.MODEL, reason="x", order_id="d")
    assert app.log.refresh().positions == {} and app.log.book.orders == {}
    with pytest.raises(BadInput, match="nothing to close"):
        app.gate.close(BTC, D(1), Source.MODEL, reason="x", order_id="e")
    sound(app)


def test_what_could_not_be_sold_alone_is_sold_along(stage: Stage) -> None:
    app = stage()
    app.gate.submit(buy(), Source.MODEL)
    app.gate.close(BTC, D("0.97"), Source.MODEL, reason="x", order_id="c")  # 3 USDT would be left, the minimum is 5
    assert app.log.refresh().positions == {}


def test_more_than_is_held_is_not_sold(stage: Stage) -> None:
    app = stage()
    app.gate.submit(buy(), Source.MODEL)
    sell = buy("s", "2", exits=None)
    assert app.gate.submit(structs.replace(sell, side=Side.SELL), Source.MODEL).refused
    assert len(stops(app)) == 1


def test_an_exit_is_not_cancelled_but_replaced(stage: Stage) -> None:
    app = stage()
    app.gate.submit(buy(), Source.MODEL)
    with pytest.raises(BadInput, match="protects"):
        app.gate.cancel("a-stop-1", Source.MODEL, reason="x")


def test_a_resting_entry_is_cancelled(stage: Stage) -> None:
    app = stage()
    request = buy(type=OrderType.LIMIT, limit_price=D(99))
    assert app.gate.submit(request, Source.MODEL).order.status is Status.WORKING  # type: ignore[union-attr]
    assert app.gate.cancel("a", Source.MODEL, reason="x").outcome == "cancelled"
    assert app.gate.cancel("a", Source.MODEL, reason="x").outcome == "nothing"
    assert app.log.refresh().available == 10_000


def test_a_halt_cancels_entries_keeps_stops_and_lets_nothing_in(stage: Stage) -> None:
    app = stage()
    app.gate.submit(buy(), Source.MODEL)
    app.gate.submit(buy("b", "0.9", type=OrderType.LIMIT, limit_price=D(99)), Source.MODEL)
    app.gate.set_state(TradingState.HALTED, Source.MODEL, reason="x")
    assert app.log.order("b").status is Status.CANCELLED and len(stops(app)) == 1  # type: ignore[union-attr]
    assert [v.rule for v in app.gate.submit(buy("c", "0.5"), Source.MODEL).failed] == ["trading_state"]
    assert app.gate.close(BTC, D(1), Source.MODEL, reason="x", order_id="d").outcome == "closed"
    sound(app)


def test_an_old_epoch_can_neither_write_nor_send(stage: Stage) -> None:  # fault 34
    app = stage()
    lease = app.leases.take("decide", 0.0)
    assert lease is not None
    again = stage()
    assert again.leases.take("decide", 60.0) is not None
    with pytest.raises(LeaseLost):
        app.gate.submit(buy(), Source.LOOP, lease=lease)
    assert reads.orders(app.engine)[0] == []


def test_the_stop_sells_and_leaves_nothing_behind(stage: Stage) -> None:
    bars = [*flat(WARM + 1), (100, 100, 97, 97.5), *flat(20, 97.5)]
    app = stage(bars)
    plan = ExitPlan(stop=Distance(fraction=D("0.02")), target=Distance(fraction=D("0.04")))
    app.gate.submit(buy(exits=plan), Source.MODEL)
    assert {o.role for o in app.log.refresh().live(BTC)} == {Role.STOP, Role.TARGET}
    on(app, 3)
    book = app.log.refresh()
    assert book.positions == {} and book.orders == {} and book.realised < 0
    sound(app)


def test_a_partial_entry_has_a_stop_for_what_was_filled(stage: Stage) -> None:  # fault 25
    app = stage(volume=5.0)  # a tenth of it may fill in a bar
    app.gate.submit(buy(type=OrderType.LIMIT, limit_price=D("100.5")), Source.MODEL)
    size = app.log.refresh().positions[BTC].size
    assert 0 < size < 1 and [held for _, held, _ in stops(app)] == [size]
    on(app, 2)  # the first bar's share is used up by what filled at once
    assert app.log.refresh().positions[BTC].size > size
    assert [held for _, held, _ in stops(app)] == [app.log.book.positions[BTC].size]
    on(app, 3)
    assert [held for _, held, _ in stops(app)] == [D(1)]
    sound(app)


def test_a_market_entry_takes_what_is_there_now_and_no_more(stage: Stage) -> None:
    app = stage([*flat(WARM + 1), *flat(5, 102.5)], volume=5.0)
    placed = app.gate.submit(buy(), Source.MODEL).order
    assert placed is not None and placed.status is Status.EXPIRED and 0 < placed.filled < 1
    on(app, 3)  # the price it was judged at is gone, and nobody pays another
    assert app.log.refresh().positions[BTC].size == placed.filled
    assert [held for _, held, _ in stops(app)] == [placed.filled]
    sound(app)


def test_a_trailing_peak_never_falls_and_survives_a_restart(stage: Stage) -> None:  # fault 32
    up = [(100, 103, 100, 103), (103, 103, 101.5, 101.5), *flat(20, 101.5)]
    app = stage([*flat(WARM + 1), *up])
    app.gate.submit(buy(exits=ExitPlan(trail=Distance(fraction=D("0.02")))), Source.MODEL)
    on(app, 2)
    peak = app.log.refresh().positions[BTC].levels.peak
    assert peak == 103
    app.close()
    again = stage([*flat(WARM + 1), *up])
    on(again, 2)
    assert again.log.refresh().positions[BTC].levels.peak == 103
    assert again.log.book.positions[BTC].levels.stop_price == D("100.94")
    assert len(stops(again)) == 1
    again.gate.close(BTC, D("0.5"), Source.MODEL, reason="x", order_id="c")  # the stop placed anew starts from there
    assert [price for _, _, price in stops(again)] == [D("100.94")]


def test_a_stop_may_be_tightened_and_is_judged_when_loosened(stage: Stage) -> None:
    app = stage(limits={"max_trade_risk": "0.0005"})
    app.gate.submit(buy(size="0.2"), Source.MODEL)
    assert app.gate.set_exits(BTC, ExitPlan(stop=D("99.5")), Source.MODEL).outcome == "exits_set"
    assert [price for _, _, price in stops(app)] == [D("99.50")]
    assert app.gate.set_exits(BTC, ExitPlan(stop=D(50)), Source.MODEL).refused
    assert [price for _, _, price in stops(app)] == [D("99.50")]
    with pytest.raises(BadInput, match="not below"):
        app.gate.set_exits(BTC, ExitPlan(stop=D(101)), Source.MODEL)


def test_a_price_through_the_stop_sells_at_the_market(stage: Stage) -> None:
    app = stage([*flat(WARM), (90, 90, 90, 90), *flat(20, 90)])
    line = losing(app)
    line.lose = lambda call: "before" if line.submitted > 1 else ""
    app.gate.submit(buy(), Source.MODEL)  # the stop does not reach the venue
    line.lose = lambda call: ""
    app.clock.advance_to(app.clock.market() + timedelta(minutes=5))
    real = app.clock.real
    app.clock.real = lambda: real() + LATER  # type: ignore[method-assign]
    watched(app)
    watched(app)
    assert app.log.refresh().positions == {}
    sound(app)


def test_two_protectors_make_one_stop(stage: Stage) -> None:  # fault 30
    one, two = stage(), stage()
    one.gate.submit(buy(), Source.MODEL)
    for _ in range(3):
        one.gate.protect(BTC)
        two.gate.protect(BTC)
    assert len(stops(one)) == 1 and len(one.venue.open_orders()) == 1


def test_dust_is_told_and_frees_its_slot(stage: Stage) -> None:  # faults 23, 24
    app = stage(paper={"fee_currency": "received"})
    app.gate.submit(buy(size="0.1"), Source.MODEL)
    held = app.log.refresh().positions[BTC].size
    assert held < D("0.1") and [size for _, size, _ in stops(app)] == [D("0.0999")]
    app.gate.close(BTC, D(1), Source.MODEL, reason="x", order_id="c")
    watched(app)
    assert BTC not in app.log.refresh().open_positions
    sound(app)


def test_the_loop_leaves_the_chats_position_alone_and_the_chat_may_take_the_loops(stage: Stage) -> None:
    app = stage()
    app.gate.submit(buy(), Source.MODEL)
    assert "owner" in {v.rule for v in app.gate.submit(buy("l", "0.5"), Source.LOOP).failed}
    assert app.gate.close(BTC, D(1), Source.LOOP, reason="x", order_id="c").refused
    app.gate.close(BTC, D(1), Source.MODEL, reason="x", order_id="d")
    app.gate.submit(buy("m", "0.9"), Source.LOOP)
    assert app.log.refresh().positions[BTC].owner is Source.LOOP
    app.gate.close(BTC, D("0.5"), Source.MODEL, reason="x", order_id="e")
    assert app.log.refresh().positions[BTC].owner is Source.MODEL


def test_what_was_there_before_us_is_never_sold(stage: Stage) -> None:
    app = stage(paper={"holdings": {"BTC": "3"}})
    assert app.log.refresh().external == {"BTC": D(3)}
    with pytest.raises(BadInput, match="nothing to close"):
        app.gate.close(BTC, D(1), Source.MODEL, reason="x", order_id="c")
    app.gate.submit(buy(exits=STOP_2), Source.MODEL)
    app.gate.flatten(Source.OPERATOR, reason="x", make_id=app.new_id)
    assert app.venue.balances()["BTC"].total == 3
    sound(app)


def test_exits_that_are_refused_for_good_are_told_once_not_in_a_flood(stage: Stage) -> None:
    stage().gate.submit(buy(), Source.MODEL)
    app = stage(limits={"protected": ["BTC"]})
    app.adopt_policy(by="operator")
    with app.log.writing() as ledger:  # its stop is gone, and no other may be placed
        stop = ledger.book.exits(BTC)[0]
        ledger.append(OrderCancelling(structs.replace(stop, status=Status.CANCELLING)))
    watched(app)
    seq = app.log.refresh().seq
    assert "BTC/USDT" in str(history.events(app.engine, (Alarm,))) and app.log.book.unprotected() == [BTC]
    for _ in range(5):
        app.gate._protection._failed[BTC] = (app.gate._protection._failed[BTC][0], 0.0)  # the pause is over
        watched(app)
    assert app.log.refresh().seq == seq
