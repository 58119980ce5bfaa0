"""Faults between desk and exchange, by number: answers lost, processes dead, fills late, twice, never told."""

import threading
from collections.abc import Callable
from decimal import Decimal as D
from typing import Any

import pytest

from desk.stage import BTC, WARM, flat
from desk.test_order_life import stops
from reconcile.test_other_hands import alarms
from storm_exchange.invariants import always, at_rest
from storm_exchange.sea import Sea, buy, watched
from trade_mcp.app import App
from trade_mcp.domain.errors import VenueRejected, VenueUnreachable
from trade_mcp.domain.order import Order, OrderRequest, OrderType, Source, Status
from trade_mcp.store import reads
from trade_mcp.venues.exchange_budget import Purpose

pytestmark = pytest.mark.storm
AtSea = Callable[..., Sea]
ORDER, ORDERS, LIST = "POST /api/v3/order", "GET /api/v3/openOrders", "POST /api/v3/orderList*"
UNKNOWN = {"code": -1007, "msg": "Timeout waiting for response from backend server."}
SOON, GRACE = 6, 40  # real seconds: an order may not be sent any more; an unknown one was never placed


class Dead(BaseException):
    """The process ends here."""


def status(app: App, order_id: str) -> Status:
    order = app.log.refresh().orders.get(order_id) or app.log.order(order_id)
    assert order is not None
    return order.status


def limit(order_id: str = "a", size: str = "1", price: str = "99") -> OrderRequest:
    return buy(order_id, size, type=OrderType.LIMIT, limit_price=D(price))


def met(sea: Sea, number: int) -> int:
    return next(int(fault["met"]) for fault in sea.control.faults() if fault["number"] == number)


def settled(sea: Sea, app: App) -> None:
    """Every grace passes and everything is found out."""
    for seconds in (SOON, GRACE, 60):
        sea.pass_(seconds)
        watched(app)
    at_rest(app, sea.books)


@pytest.mark.parametrize("fault", [{"fault": "drop"}, {"fault": "answer", "status": 504, "body": UNKNOWN}])
def test_fault_01_an_order_whose_answer_is_lost_is_found_and_adopted(at_sea: AtSea, fault: dict[str, Any]) -> None:
    sea = at_sea()
    app = sea.desk()
    sea.control.add({**fault, "where": ORDER, "when": "after", "count": 1})
    receipt = app.gate.submit(buy(), Source.MODEL)
    assert receipt.order is not None and receipt.order.status is Status.PENDING
    assert app.gate.submit(buy(), Source.MODEL).outcome == "already"
    watched(app)
    assert status(app, "a") is Status.FILLED and len(stops(app)) == 1
    assert len([order for order in sea.orders if order["side"] == "BUY"]) == 1  # never sent again
    settled(sea, app)


def test_fault_02_an_order_that_never_arrived_ends_after_the_grace(at_sea: AtSea) -> None:
    sea = at_sea()
    app = sea.desk()
    sea.fault("drop", ORDER, when="before", count=1)
    app.gate.submit(buy(), Source.MODEL)
    sea.pass_(SOON)
    watched(app)
    assert status(app, "a") is Status.PENDING  # not there, and it may still arrive
    assert app.log.refresh().available < 10_000  # what is open counts against us
    sea.pass_(GRACE)
    watched(app)
    assert status(app, "a") is Status.NEVER_PLACED and sea.orders == []
    assert app.log.refresh().available == 10_000
    settled(sea, app)


@pytest.mark.parametrize("name", ["reset", "answer", "html"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_fault_03_a_post_that_fails_half_way_is_never_sent_again(at_sea: AtSea, name: str, when: str) -> None:
    sea = at_sea()
    app = sea.desk()
    number = sea.fault(name, ORDER, when=when, count=1, status=502)
    app.gate.submit(buy(), Source.MODEL)
    assert status(app, "a") is Status.PENDING
    assert met(sea, number) == 1
    settled(sea, app)
    assert len([order for order in sea.orders if order["side"] == "BUY"]) == (1 if when == "after" else 0)


@pytest.mark.parametrize("sent", [False, True], ids=["04 before the send", "05 after the send"])
def test_fault_04_05_a_crash_around_the_send_is_found_out_at_the_next_start(at_sea: AtSea, sent: bool) -> None:
    sea = at_sea()
    app = sea.desk()
    real = app.venue.submit

    def dies(orders: tuple[Order, ...]) -> Any:
        if sent:
            real(orders)
        raise Dead

    app.venue.submit = dies  # type: ignore[method-assign]
    with pytest.raises(Dead):
        app.gate.submit(buy(), Source.MODEL)
    again = sea.restart(app)
    assert status(again, "a") is Status.PENDING
    settled(sea, again)
    assert status(again, "a") is (Status.FILLED if sent else Status.NEVER_PLACED)


def test_fault_06_a_fill_that_nobody_wrote_down_is_booked_once_by_its_trade_id(at_sea: AtSea) -> None:
    sea = at_sea([*flat(WARM + 1), (100, 100, 98.5, 99), *flat(20, 99.0)])
    app = sea.desk()
    app.gate.submit(limit(), Source.MODEL)
    sea.bars(3)  # it fills there
    again = sea.restart(app)
    for _ in range(3):
        watched(again)
    assert len(reads.fills(again.engine)) == 1 and again.log.refresh().positions[BTC].size == D("0.999")
    settled(sea, again)


def test_fault_08_a_fill_that_was_faster_than_the_cancel_is_booked_and_protected(at_sea: AtSea) -> None:
    sea = at_sea([*flat(WARM + 1), (100, 100, 98.5, 99), *flat(20, 99.0)])
    app = sea.desk()
    app.gate.submit(limit(), Source.MODEL)
    sea.bars(3)
    receipt = app.gate.cancel("a", Source.MODEL, reason="changed my mind")
    assert receipt.order is not None and receipt.order.status is Status.FILLED
    assert [size for _, size, _ in stops(app)] == [D("0.999")]
    settled(sea, app)


def test_fault_09_a_late_fill_of_a_cancelled_order_wins_and_is_told(at_sea: AtSea) -> None:
    sea = at_sea([*flat(WARM + 1), (100, 100, 98.5, 99), *flat(20, 99.0)])
    app = sea.desk()
    app.gate.submit(limit(), Source.MODEL)
    sea.fault("late", "fill BTCUSDT", seconds=30, count=1)
    sea.bars(2)
    app.gate.cancel("a", Source.MODEL, reason="changed my mind")
    assert status(app, "a") is Status.CANCELLED
    sea.pass_(31)
    watched(app)
    assert app.log.refresh().positions[BTC].size == D("0.999") and len(stops(app)) == 1
    assert any("after all" in text for text in alarms(app))
    settled(sea, app)


def test_fault_10_the_same_fill_told_twice_by_two_ways_is_one(at_sea: AtSea) -> None:
    sea = at_sea()
    app, other = sea.desk(), sea.desk()
    _, before = app.venue.reports_since("")
    app.gate.submit(buy(), Source.MODEL)
    reports, _ = other.venue.reports_since(before)
    told = [*reports, *reports, *(app.venue.order(order) for order in [app.log.order("a")] if order is not None)]
    threads = [threading.Thread(target=desk.gate._sender.record, args=(told,)) for desk in (app, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reads.fills(app.engine)) == 1
    settled(sea, app)


def test_fault_11_a_fill_before_the_answer_to_its_order_is_kept_and_applied(at_sea: AtSea) -> None:
    sea = at_sea()
    app, other = sea.desk(), sea.desk()
    watched(other)
    real = app.venue.submit

    def slow(orders: tuple[Order, ...]) -> Any:
        answer = real(orders)
        if orders[0].order_id == "a":
            watched(other)  # another process hears of the fill before we hear of the order
            assert status(other, "a") is Status.FILLED
        return answer

    app.venue.submit = slow  # type: ignore[method-assign]
    app.gate.submit(buy(), Source.MODEL)
    assert len(reads.fills(app.engine)) == 1 and len(stops(app)) == 1
    settled(sea, app)


def test_fault_12_an_older_answer_never_takes_an_end_back(at_sea: AtSea) -> None:
    sea = at_sea([*flat(WARM + 1), (100, 100, 98.5, 99), *flat(20, 99.0)])
    app = sea.desk()
    app.gate.submit(limit(), Source.MODEL)
    order = app.log.book.orders["a"]
    old = app.venue.order(order)
    assert old is not None and old.status is Status.WORKING
    sea.bars(3)
    watched(app)
    seq = app.log.refresh().seq
    assert app.gate._sender.record([old]) == set()
    assert status(app, "a") is Status.FILLED and app.log.refresh().seq == seq
    settled(sea, app)


def test_fault_13_fills_missed_while_the_line_was_down_are_fetched_since_the_last_known(at_sea: AtSea) -> None:
    sea = at_sea([*flat(WARM + 1), (100, 100, 98.5, 99), *flat(20, 99.0)])
    app = sea.desk()
    app.gate.submit(limit(), Source.MODEL)
    watched(app)
    down = sea.fault("reset", "GET *")
    sea.bars(3)
    for _ in range(3):
        assert any(error.startswith("fills: VenueUnreachable") for error in app.watch.step().errors)
    assert status(app, "a") is Status.WORKING
    sea.control.clear(down)
    watched(app)  # the first round that hears the exchange again looks at everything
    assert status(app, "a") is Status.FILLED and len(stops(app)) == 1
    settled(sea, app)


def test_fault_14_what_no_report_tells_is_found_by_the_audit(at_sea: AtSea, monkeypatch: pytest.MonkeyPatch) -> None:
    sea = at_sea([*flat(WARM + 1), (100, 100, 98.5, 99), *flat(20, 99.0)])
    app = sea.desk()
    app.gate.submit(limit(), Source.MODEL)
    watched(app)
    monkeypatch.setattr(app.venue, "reports_since", lambda cursor: ((), cursor))  # alive, and silent
    sea.bars(3)
    watched(app)
    assert status(app, "a") is Status.WORKING
    sea.pass_(61)
    watched(app)
    assert status(app, "a") is Status.FILLED and len(stops(app)) == 1
    settled(sea, app)


def test_fault_19_with_the_network_down_open_orders_are_still_tracked(at_sea: AtSea) -> None:
    sea = at_sea()
    app = sea.desk()
    app.gate.submit(limit(), Source.MODEL)
    sea.fault("reset")
    for _ in range(4):
        sea.pass_(GRACE)
        assert app.watch.step().errors
    assert status(app, "a") is Status.WORKING  # a network error is never "not found"
    app.gate.cancel("a", Source.MODEL, reason="x")
    assert status(app, "a") is Status.CANCELLING
    sea.control.clear()
    settled(sea, app)
    assert status(app, "a") is Status.CANCELLED


@pytest.mark.parametrize("fault", [{"fault": "drop"}, {"fault": "answer", "status": 500}, {"fault": "html"}])
def test_fault_20_when_balances_cannot_be_had_positions_are_unknown_not_flat(
    at_sea: AtSea, fault: dict[str, Any]
) -> None:
    sea = at_sea()
    app = sea.desk()
    app.gate.submit(buy(), Source.MODEL)
    sea.control.add({**fault, "where": "GET /api/v3/account"})
    for _ in range(2):
        sea.pass_(61)
        assert app.watch.step().errors
    book = app.log.refresh()
    assert book.positions[BTC].size == D("0.999") and not book.breaks and len(stops(app)) == 1
    sea.control.clear()
    settled(sea, app)


def test_fault_21_an_empty_list_ends_no_order(at_sea: AtSea) -> None:
    sea = at_sea()
    app = sea.desk()
    app.gate.submit(buy(), Source.MODEL)
    app.gate.submit(limit("b", "0.5"), Source.MODEL)
    sea.control.add({"fault": "answer", "where": ORDERS, "status": 200, "body": []})
    for _ in range(2):
        sea.pass_(61)
        watched(app)
    assert status(app, "b") is Status.WORKING and len(stops(app)) == 1 and len(sea.resting) == 2
    sea.control.clear()
    settled(sea, app)


@pytest.mark.parametrize("body", [[], {}, {"code": 0}, {"orderId": 1}], ids=repr)
def test_fault_21_an_answer_that_is_no_order_makes_our_fill_nobody_elses(at_sea: AtSea, body: Any) -> None:
    sea = at_sea([*flat(WARM + 1), (100, 100, 98.5, 99), *flat(20, 99.0)])
    app = sea.desk()
    app.gate.submit(limit(), Source.MODEL)
    watched(app)
    sea.bars(3)
    odd = {"fault": "answer", "where": "GET /api/v3/order", "status": 200, "body": body, "count": 2}
    sea.control.add(odd)
    for _ in range(3):
        sea.pass_(61)
        app.watch.step()
        assert "BTC" not in app.log.refresh().external
    watched(app)
    assert app.log.book.positions[BTC].size == D("0.999") and len(stops(app)) == 1
    settled(sea, app)


def test_a_fill_of_ours_under_a_name_we_never_gave_is_ours(at_sea: AtSea) -> None:
    sea = at_sea([*flat(WARM + 1), (100, 100, 98.5, 99), *flat(20, 99.0)])
    app = sea.desk()
    app.gate.submit(limit(), Source.MODEL)
    watched(app)
    app.venue.names.back = lambda name: f"lost:{name}"  # type: ignore[attr-defined]
    sea.bars(3)
    for _ in range(2):
        watched(app)
    assert app.log.refresh().positions[BTC].size == D("0.999") and app.log.book.external.get("BTC", D(0)) == 0


def test_fault_22_balances_that_lag_are_waited_for(at_sea: AtSea) -> None:
    sea = at_sea()
    app = sea.desk()
    watched(app)
    sea.fault("lag", seconds=3, lasts_s=20)
    app.gate.submit(buy(), Source.MODEL)
    app.watch._audited = None
    watched(app)
    sea.pass_(4)
    watched(app)
    sea.pass_(4)
    watched(app)
    book = app.log.refresh()
    assert not book.breaks and book.positions[BTC].size == D("0.999") and len(stops(app)) == 1
    settled(sea, app)


def test_fault_25_of_an_entry_in_part_the_part_is_kept_and_protected(at_sea: AtSea) -> None:
    sea = at_sea()
    app = sea.desk()
    sea.fault("partial", "fill BTCUSDT", fraction="0.3", count=1)
    app.gate.submit(limit("a", "1", "100.5"), Source.MODEL)
    assert [size for _, size, _ in stops(app)] == [D("0.2997")]
    sea.fault("drop", "DELETE /api/v3/order", when="after", count=1)
    app.gate.cancel("a", Source.MODEL, reason="too slow")
    settled(sea, app)
    order = app.log.order("a")
    assert order is not None and (order.status, order.filled) == (Status.CANCELLED, D("0.3"))
    assert app.log.refresh().positions[BTC].size == D("0.2997")


@pytest.mark.parametrize("seconds", [-20, 20, 3600])
def test_fault_38_a_clock_that_steps_is_measured_again_and_the_order_leaves_once(at_sea: AtSea, seconds: int) -> None:
    sea = at_sea()
    app = sea.desk()
    sea.fault("clock", seconds=seconds)
    receipt = app.gate.submit(buy(), Source.MODEL)
    assert receipt.order is not None and receipt.order.status is Status.FILLED, receipt.message
    assert len([order for order in sea.orders if order["side"] == "BUY"]) == 1
    assert abs(app.venue.exchange.offset_ms + seconds * 1000) < 2000  # type: ignore[attr-defined]
    settled(sea, app)


def test_fault_39_who_is_asked_to_wait_waits_and_the_rest_is_kept_for_exits(at_sea: AtSea) -> None:
    sea = at_sea()
    app = sea.desk()
    app.gate.submit(buy(), Source.MODEL)
    budget = app.venue.exchange.budget  # type: ignore[attr-defined]
    budget.note({"X-MBX-USED-WEIGHT-1M": "5000"})  # of 6000
    receipt = app.gate.submit(buy("b", "0.5"), Source.MODEL)
    assert receipt.order is not None and receipt.order.status is Status.PENDING
    with pytest.raises(VenueUnreachable, match="nothing was sent"):
        app.venue.balances()
    budget.check(Purpose.EXIT, "binance")
    sea.pass_(60)
    ban = sea.fault("ban", "GET *", seconds=20, count=1)
    assert app.watch.step().errors
    before = met(sea, ban)
    for _ in range(3):
        app.watch.step()
    assert met(sea, ban) == before  # more requests make a ban longer
    sea.control.clear()
    sea.control.pardon()
    sea.pass_(30)
    settled(sea, app)
    assert status(app, "b") is Status.NEVER_PLACED


def test_fault_43_a_limit_price_does_not_slip_under_a_cap(at_sea: AtSea) -> None:
    sea = at_sea()
    app = sea.desk()
    cap = D(1500)  # 0.15 of equity
    low = buy("low", "15.2", type=OrderType.LIMIT, limit_price=D("98.6"))  # 1499 at its limit, 1520 at the quote
    assert "order_notional" in {verdict.rule for verdict in app.gate.submit(low, Source.MODEL).failed}
    high = buy("high", "14.9", type=OrderType.LIMIT, limit_price=D("101.5"))
    assert D("14.9") * D("101.5") > cap
    assert "order_notional" in {verdict.rule for verdict in app.gate.submit(high, Source.MODEL).failed}
    assert sea.orders == []
    always(app, sea.books)


def test_a_known_id_is_refused_by_the_venue_before_it_leaves(at_sea: AtSea) -> None:
    sea = at_sea()
    app = sea.desk()
    app.gate.submit(buy(), Source.MODEL)
    order = app.log.order("a")
    assert order is not None
    with pytest.raises(VenueRejected, match="known here"):
        app.venue.submit((order,))
    at_rest(app, sea.books)
