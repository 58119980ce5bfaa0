"""One odd thing at the exchange: what it may not do to an order, an exit, or the reading of all others."""

import threading
from collections.abc import Callable
from decimal import Decimal as D

import pytest
from msgspec import structs

from desk.stage import WARM, flat
from reconcile.test_other_hands import alarms
from server.serving import until
from storm_exchange.sea import Sea, buy, watched
from storm_exchange.test_sending import met, status
from trade_mcp.app import App
from trade_mcp.desk.receipt import Receipt
from trade_mcp.domain.distances import Distance
from trade_mcp.domain.errors import OddAnswer
from trade_mcp.domain.exits import ExitPlan
from trade_mcp.domain.order import OrderType, Source, Status
from trade_mcp.store import reads
from trade_mcp.venues import ccxt_reports

AtSea = Callable[..., Sea]
POST = "POST /api/v3/order"
PAIR = ExitPlan(stop=Distance(fraction=D("0.02")), target=Distance(fraction=D("0.02")))
NOT_NOW = {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}


def halt(sea: Sea, app: App) -> None:
    app.gate.halt(Source.OPERATOR, reason="stop everything")


def be_late(sea: Sea, app: App) -> None:
    sea.late.s += 6.0


@pytest.mark.parametrize("meanwhile", [halt, be_late])
def test_an_order_refused_for_its_time_is_not_sent_again_past_a_halt_or_its_send_by(
    at_sea: AtSea, meanwhile: Callable[[Sea, App], None]
) -> None:
    sea = at_sea()
    app = sea.desk()
    watched(app)
    sea.fault("answer", POST, status=400, body=NOT_NOW, count=1)
    asked = sea.fault("delay", "GET /api/v3/time", seconds=1.0)
    said: list[Receipt] = []
    entry = threading.Thread(target=lambda: said.append(app.gate.submit(buy(), Source.MODEL)))
    entry.start()
    until(lambda: met(sea, asked) > 0)  # refused once, and now it asks for the time
    meanwhile(sea, app)
    entry.join()
    assert sea.orders == []
    assert status(app, "a") in (Status.NEVER_PLACED, Status.CANCELLING) and said[0].outcome == "nothing"


def test_an_order_refused_for_its_time_alone_leaves_once_more(at_sea: AtSea) -> None:
    sea = at_sea()
    app = sea.desk()
    sea.fault("answer", POST, status=400, body=NOT_NOW, count=1)
    assert app.gate.submit(buy(), Source.MODEL).outcome == "placed"
    assert [D(order["executedQty"]) for order in sea.orders if order["side"] == "BUY"] == [D(1)]
    sea.fault("answer", POST, status=400, body=NOT_NOW, count=2)
    assert app.gate.submit(buy("b", "0.5"), Source.MODEL).outcome == "nothing"
    assert status(app, "b") is Status.REJECTED  # certain: nothing waits for it


@pytest.mark.parametrize("filled", [False, True], ids=["nothing sold", "the target sold a part"])
def test_a_close_replaces_a_pair_when_looks_at_the_account_must_wait(
    at_sea: AtSea, monkeypatch: pytest.MonkeyPatch, filled: bool
) -> None:
    sea = at_sea([*flat(WARM + 1), (100, 102.5, 100, 101), *flat(20, 101.0)], volume=100.0) if filled else at_sea()
    app = sea.desk()
    app.gate.submit(buy(exits=PAIR), Source.MODEL)
    watched(app)
    if filled:
        sea.fault("partial", "fill BTCUSDT", fraction="0.3", count=1)
        sea.bars(2)
        assert any(D(order["executedQty"]) > 0 for order in sea.resting)
    budget = app.venue.exchange.budget  # type: ignore[attr-defined]
    budget.note({"X-MBX-USED-WEIGHT-1M": "5100"})  # of 6000, and it stays so
    monkeypatch.setattr(budget, "note", lambda headers: None)
    receipt = app.gate.close("BTC/USDT", D(1), Source.MODEL, reason="out", order_id="out")
    assert receipt.outcome == "closed", receipt.message
    assert app.log.refresh().positions == {} and sea.resting == []


WAITING = {  # an entry by hand that brings its own target: the leg waits until the entry fills
    "symbol": "BTCUSDT",
    "workingType": "LIMIT",
    "workingSide": "BUY",
    "workingPrice": "50",
    "workingQuantity": "0.5",
    "workingTimeInForce": "GTC",
    "pendingType": "LIMIT_MAKER",
    "pendingSide": "SELL",
    "pendingPrice": "150",
    "pendingQuantity": "0.4",
}


@pytest.mark.parametrize("readable", [True, False])
def test_an_order_of_another_hand_never_hides_ours_and_is_told_once(
    at_sea: AtSea, monkeypatch: pytest.MonkeyPatch, readable: bool
) -> None:
    sea = at_sea([*flat(WARM + 3), (100, 100, 97, 97.5), *flat(30, 97.5)])
    app = sea.desk()
    watched(app)
    app.gate.submit(buy(type=OrderType.LIMIT, limit_price=D("98.5")), Source.MODEL)
    if not readable:
        monkeypatch.delitem(ccxt_reports.STATUSES, "PENDING_NEW")  # stands for whatever is new there
    hand = sea.exchange.client()
    hand.load_markets()
    hand.private_post_orderlist_oto(WAITING)
    hand.session.close()
    watched(app)
    sea.bars(4)
    for _ in range(3):
        watched(app)
        sea.pass_(61)
    assert app.log.refresh().positions["BTC/USDT"].size == D("0.999") and app.log.book.unprotected() == []
    assert len([text for text in alarms(app) if "an order of another hand rests" in text]) == 2  # its two legs
    assert len(app.log.book.foreign) == 2


TWO_FILLS = [*flat(WARM + 3), (100, 100, 97, 97.5), *flat(30, 97.5)]
ODD = {"code": -1102, "msg": "Mandatory parameter was not sent."}


def two_limits(app: App) -> None:
    for order_id, size in (("a", "0.5"), ("b", "0.4")):
        asked = buy(order_id, size, type=OrderType.LIMIT, limit_price=D("98.5"))
        assert app.gate.submit(asked, Source.MODEL).outcome == "placed"


def test_a_symbol_that_is_gone_hides_no_fill_of_the_others(at_sea: AtSea, monkeypatch: pytest.MonkeyPatch) -> None:
    sea = at_sea(TWO_FILLS)
    app = sea.desk()
    watched(app)
    two_limits(app)
    watched(app)
    monkeypatch.setattr(app.venue, "_symbols", ("GONE/USDT", "BTC/USDT"))  # as after a delisting
    sea.bars(4)
    report = app.watch.step()
    assert [error.partition(":")[0] for error in report.errors] == ["fills"] and "GONE/USDT" in report.errors[0]
    assert app.log.refresh().positions["BTC/USDT"].size == D("0.8991") and report.unprotected == ()
    assert app.watch._audited is not None  # the line is good: nothing is looked through again for it
    app.watch.step()  # reads back the stop that was just placed
    watched(app)  # it is asked for again in a while, not in every round
    sea.pass_(6)
    assert app.watch.step().errors


def test_an_order_that_cannot_be_looked_up_keeps_no_other_from_its_end(at_sea: AtSea) -> None:
    sea = at_sea()
    app = sea.desk()
    watched(app)
    sea.fault("drop", POST, when="after", count=2)
    two_limits(app)
    sea.fault("answer", "GET /api/v3/order", status=400, body=ODD, count=1)
    sea.pass_(6)
    with pytest.raises(OddAnswer):
        app.reconcile.pending()
    assert {status(app, "a"), status(app, "b")} == {Status.PENDING, Status.WORKING}


def test_an_audit_looks_at_everything_else_when_one_order_cannot_be_read(
    at_sea: AtSea, monkeypatch: pytest.MonkeyPatch
) -> None:
    sea = at_sea(TWO_FILLS)
    app = sea.desk()
    watched(app)
    two_limits(app)
    watched(app)
    monkeypatch.setattr(app.venue, "reports_since", lambda cursor: ((), cursor))  # alive, and silent
    sea.bars(4)
    sea.pass_(61)
    looked = sea.fault("lag", "GET /api/v3/account", seconds=0)
    sea.fault("answer", "GET /api/v3/order", status=400, body=ODD, count=1)
    report = app.watch.step()
    assert [error.partition(":")[0] for error in report.errors] == ["audit"]
    assert app.log.refresh().positions["BTC/USDT"].size in (D("0.4995"), D("0.3996")) and report.unprotected == ()
    assert met(sea, looked) > 0  # balances, after it


def test_a_report_that_the_ledger_does_not_take_keeps_no_other_out(at_sea: AtSea) -> None:
    sea = at_sea(TWO_FILLS)
    app = sea.desk()
    app.gate.submit(buy("first", "0.3"), Source.MODEL)
    two_limits(app)
    (booked,) = reads.fills(app.engine)
    sea.bars(4)
    odd, good = (app.venue.order(app.log.book.orders[order_id]) for order_id in ("a", "b"))
    assert odd is not None and good is not None
    wrong = structs.replace(odd, fills=(structs.replace(odd.fills[0], trade_id=booked.fill.trade_id),))
    with pytest.raises(Exception, match="UNIQUE"):
        app.gate._sender.record([wrong, good])
    assert (status(app, "a"), status(app, "b")) == (Status.WORKING, Status.FILLED)


def test_another_order_by_our_id_is_told_and_never_booked_to_ours(at_sea: AtSea) -> None:
    sea = at_sea()
    app = sea.desk()
    watched(app)
    hand = sea.exchange.client()
    hand.load_markets()
    name = app.venue.names.out("a")  # type: ignore[attr-defined]
    hand.create_order("BTC/USDT", "limit", "buy", 0.3, 50, {"newClientOrderId": name})
    hand.session.close()
    sea.fault("reset", POST, when="before", count=1)
    app.gate.submit(buy(), Source.MODEL)
    for seconds in (6, 40, 0):
        sea.pass_(seconds)
        app.reconcile.pending()
    assert status(app, "a") is Status.NEVER_PLACED and len(sea.resting) == 1
    for _ in range(2):
        app.reconcile.audit()
    assert status(app, "a") is Status.NEVER_PLACED and len(sea.resting) == 1
    assert len([text for text in alarms(app) if "another order by the id of a: size 0.3" in text]) == 1


def test_a_tick_that_the_exchange_changed_costs_one_refusal(at_sea: AtSea) -> None:
    sea = at_sea()
    app = sea.desk()
    watched(app)
    sea.pass_(601)  # a list that was just made is not doubted
    watched(app)
    sea.exchange.practice.exchange.listing.pairs["BTCUSDT"].filters["PRICE_FILTER"]["tickSize"] = "1"
    plan = ExitPlan(stop=Distance(fraction=D("0.025")))
    app.gate.submit(buy("a", exits=plan), Source.MODEL)
    watched(app)
    assert sea.resting == [] and app.log.refresh().positions == {}  # its stop was refused, so it was sold
    app.gate.submit(buy("b", "0.9", exits=plan), Source.MODEL)
    watched(app)
    assert app.market.instrument("BTC/USDT").tick == 1
    assert [D(order["stopPrice"]) % 1 for order in sea.resting] == [0]
