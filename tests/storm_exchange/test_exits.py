"""Faults of exits at the exchange, by number: every position ends on one stop there, or is sold, and it is told."""

import threading
from collections.abc import Callable
from decimal import Decimal as D
from typing import Any

import pytest

from desk.stage import BTC, STOP_2, WARM, flat
from desk.test_order_life import stops
from reconcile.test_other_hands import alarms
from storm_exchange.invariants import BY_HAND, at_rest
from storm_exchange.sea import Sea, buy, watched
from storm_exchange.test_sending import Dead, settled
from trade_mcp.app import App
from trade_mcp.desk import protection
from trade_mcp.domain.distances import Distance
from trade_mcp.domain.exits import ExitPlan
from trade_mcp.domain.order import Order, OrderRequest, OrderType, Role, Side, Source
from trade_mcp.store import reads

pytestmark = pytest.mark.storm
AtSea = Callable[..., Sea]
PAIR = ExitPlan(stop=Distance(fraction=D("0.02")), target=Distance(fraction=D("0.05")))
REFUSED = {"code": -2010, "msg": "This action is disabled on this account."}


def sell(order_id: str, size: str) -> OrderRequest:
    return OrderRequest(order_id=order_id, symbol=BTC, side=Side.SELL, size=D(size))


def test_fault_07_a_position_without_its_stop_gets_it_first_thing_at_the_next_start(at_sea: AtSea) -> None:
    sea = at_sea()
    app = sea.desk()
    real = app.venue.submit

    def dies(orders: tuple[Order, ...]) -> Any:
        if orders[0].role is Role.STOP:
            raise Dead
        return real(orders)

    app.venue.submit = dies  # type: ignore[method-assign]
    with pytest.raises(Dead):
        app.gate.submit(buy(), Source.MODEL)
    assert len(sea.resting) == 0
    again = sea.restart(app)
    sea.pass_(60)  # what was written and never sent is certainly not there
    watched(again)
    assert len(sea.resting) == 1 and [size for _, size, _ in stops(again)] == [D("0.999")]
    settled(sea, again)


def test_fault_23_a_fee_in_the_coin_itself_makes_the_exit_as_large_as_what_is_held(at_sea: AtSea) -> None:
    sea = at_sea()
    app = sea.desk()
    app.gate.submit(buy(exits=PAIR), Source.MODEL)
    assert {D(order["origQty"]) for order in sea.resting} == {D("0.999")} and len(sea.resting) == 2
    assert app.venue.balances()["BTC"].total == D("0.999")
    receipt = app.gate.close(BTC, D(1), Source.MODEL, reason="x", order_id="c")
    assert receipt.outcome == "closed" and app.log.refresh().positions == {}
    settled(sea, app)


def test_fault_24_what_is_left_below_the_minimum_is_dust_frees_the_slot_and_is_told(at_sea: AtSea) -> None:
    sea = at_sea()
    app = sea.desk()
    app.gate.submit(buy(), Source.MODEL)
    assert app.gate.submit(sell("s", "0.97"), Source.MODEL).outcome == "closed"
    watched(app)
    position = app.log.refresh().positions[BTC]
    assert position.dust and position.size == D("0.029") and sea.resting == []
    assert app.log.book.open_positions == set() and any("dust" in text for text in alarms(app))
    settled(sea, app)


def test_fault_26_after_a_partial_exit_the_stop_is_sized_to_the_rest(at_sea: AtSea) -> None:
    sea = at_sea([*flat(WARM + 1), (100, 100, 97, 97.5), *flat(20, 97.5)])
    app = sea.desk()
    app.gate.submit(buy(), Source.MODEL)
    app.gate.close(BTC, D("0.4"), Source.MODEL, reason="part", order_id="part")
    assert [size for _, size, _ in stops(app)] == [app.log.refresh().positions[BTC].size]
    assert [D(order["origQty"]) for order in sea.resting] == [held(app)]
    sea.fault("partial", "fill BTCUSDT", fraction="0.5", count=1)  # and the stop itself fills in parts
    sea.bars(3)
    for _ in range(2):
        watched(app)
    settled(sea, app)
    assert app.log.refresh().positions == {} or app.log.book.positions[BTC].dust


@pytest.mark.parametrize("plan", [STOP_2, PAIR], ids=["stop", "pair"])
def test_fault_27_a_stop_the_exchange_refuses_is_a_market_exit(at_sea: AtSea, plan: ExitPlan) -> None:
    sea = at_sea()
    app = sea.desk()
    where = "POST /api/v3/order" if plan is STOP_2 else "POST /api/v3/orderList*"
    skip = 1 if plan is STOP_2 else 0  # the entry passes
    sea.control.add({"fault": "answer", "where": where, "status": 400, "body": REFUSED, "count": 1, "skip": skip})
    app.gate.submit(buy(exits=plan), Source.MODEL)
    watched(app)
    assert app.log.refresh().positions == {} and sea.resting == []
    sold = next(order for order in reads.orders(app.engine)[0] if order.role is Role.CLOSE)
    assert sold.reason == "its stop was refused"
    settled(sea, app)


def test_fault_28_a_stop_that_was_reached_and_did_not_sell_is_replaced_by_a_market_sell(at_sea: AtSea) -> None:
    sea = at_sea([*flat(WARM + 1), (100, 100, 97, 97.5), *flat(20, 97.5)])
    app = sea.desk()
    app.gate.submit(buy(exits=STOP_2), Source.MODEL)
    for _ in range(2):  # the desk's market goes on, the exchange's stands still: its stop sees nothing
        app.clock.advance_to(app.clock.market() + app.market.step)
        app.heartbeats.beat("watch", {})
    app.gate.protect(BTC)
    assert len(stops(app)) == 1
    sea.pass_(protection.GRACE_S + 1)
    watched(app)
    assert BTC not in app.log.refresh().positions and sea.resting == []
    sold = next(order for order in reads.orders(app.engine)[0] if order.role is Role.CLOSE)
    assert sold.reason == "its stop was reached and did not sell in time"
    settled(sea, app)


def test_fault_29_a_stop_left_behind_is_swept(at_sea: AtSea) -> None:
    sea = at_sea()
    app = sea.desk()
    app.gate.submit(buy(exits=PAIR), Source.MODEL)
    sea.fault("drop", "DELETE *", when="before", count=2)
    app.gate.close(BTC, D(1), Source.MODEL, reason="x", order_id="c")
    for _ in range(3):
        sea.pass_(10)
        watched(app)
    if BTC in app.log.refresh().positions:
        app.gate.close(BTC, D(1), Source.MODEL, reason="x", order_id="c2")
    settled(sea, app)
    assert sea.resting == [] and app.log.refresh().positions == {}


def test_fault_30_two_protectors_make_one_stop(at_sea: AtSea) -> None:
    sea = at_sea()
    app, other = sea.desk(), sea.desk()
    sea.fault("drop", "POST /api/v3/order", when="before", skip=1, count=1)
    app.gate.submit(buy(), Source.MODEL)
    sea.pass_(60)
    threads = [threading.Thread(target=desk.gate.protect, args=(BTC,)) for desk in (app, other) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    settled(sea, app)
    assert len(sea.resting) == 1 and len(stops(app)) == 1


def test_fault_31_an_order_that_is_not_what_was_asked_for_is_told_and_placed_anew(at_sea: AtSea) -> None:
    sea = at_sea()
    app = sea.desk()
    sea.fault("drop", "POST /api/v3/order", when="before", skip=1, count=1)
    app.gate.submit(buy(), Source.MODEL)
    ((name, size, trigger),) = stops(app)  # nobody knows whether it arrived
    client = sea.exchange.client()
    client.load_markets()
    client.create_order(BTC, "limit", "sell", float(size), 103, {"newClientOrderId": sea.named(app, name)})
    client.session.close()
    for _ in range(3):
        sea.pass_(61)
        watched(app)
    assert any("limit instead of stop" in text for text in alarms(app))
    ((after, *rest),) = stops(app)
    assert after != name and rest == [size, trigger]
    assert [order["type"] for order in sea.resting] == ["STOP_LOSS"]
    settled(sea, app)


def test_fault_32_levels_and_peak_stand_over_a_restart_before_the_first_tick(at_sea: AtSea) -> None:
    bars = [*flat(WARM + 1), (100, 104, 100, 103.5), *flat(20, 103.5)]
    sea = at_sea(bars)
    app = sea.desk()
    plan = ExitPlan(target=Distance(fraction=D("0.09")), trail=Distance(fraction=D("0.02")))
    app.gate.submit(buy(exits=plan), Source.MODEL)
    sea.bars(2)
    watched(app)
    before, stop = app.log.refresh().positions[BTC].levels, stops(app)
    assert before.peak == 104
    again = sea.restart(app)
    assert again.log.refresh().positions[BTC].levels == before and stops(again) == stop
    sea.bars(2)
    watched(again)
    assert again.log.refresh().positions[BTC].levels.peak == 104 and stops(again) == stop
    settled(sea, again)


def test_a_stop_somebody_cancelled_by_hand_is_placed_again(at_sea: AtSea) -> None:
    sea = at_sea()
    app = sea.desk()
    app.gate.submit(buy(exits=PAIR), Source.MODEL)
    watched(app)
    client = sea.exchange.client()
    client.load_markets()
    client.cancel_all_orders(BTC)
    client.session.close()
    assert sea.resting == []
    sea.pass_(61)
    watched(app)
    assert len(sea.resting) == 2
    settled(sea, app)


def test_what_another_hand_rests_is_not_touched(at_sea: AtSea) -> None:
    sea = at_sea(holdings="BTC=2")
    app = sea.desk()
    client = sea.exchange.client()
    client.load_markets()
    client.create_order(BTC, "limit", "sell", 2, 104, {"newClientOrderId": f"{BY_HAND}1"})
    client.session.close()
    app.gate.submit(buy(), Source.MODEL)
    app.gate.flatten(Source.OPERATOR, reason="x", make_id=app.new_id)
    settled(sea, app)
    assert [order["clientOrderId"] for order in sea.resting] == [f"{BY_HAND}1"]
    assert [ref.rpartition(":")[2] for ref in app.log.refresh().foreign] == [f"{BY_HAND}1"]
    assert app.log.book.external["BTC"] == 2


def held(app: App) -> D:
    return app.log.refresh().position(BTC).size


def test_orders_of_every_type_end_as_they_should(at_sea: AtSea) -> None:
    sea = at_sea()
    app = sea.desk()
    for number, (kind, more) in enumerate(
        (
            (OrderType.MARKET, {}),
            (OrderType.LIMIT, {"limit_price": D("100.5")}),
            (OrderType.STOP, {"trigger_price": D("101")}),
            (OrderType.STOP_LIMIT, {"trigger_price": D("101"), "limit_price": D("101.5")}),
        )
    ):
        receipt = app.gate.submit(buy(f"o{number}", str(1 + number / 10), type=kind, **more), Source.MODEL)
        assert receipt.outcome == "placed", receipt.message
    assert held(app) > 2
    at_rest(app, sea.books)
