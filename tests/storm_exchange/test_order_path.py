"""One odd thing at the exchange: what it may not do to an order, an exit, or the reading of all others."""

import threading
from collections.abc import Callable
from decimal import Decimal as D

import pytest

from desk.stage import WARM, flat
from server.serving import until
from storm_exchange.sea import Sea, buy, watched
from storm_exchange.test_sending import met, status
from trade_mcp.app import App
from trade_mcp.desk.receipt import Receipt
from trade_mcp.domain.distances import Distance
from trade_mcp.domain.exits import ExitPlan
from trade_mcp.domain.order import Source, Status

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
