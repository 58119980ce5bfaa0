"""Faults of the account, by number: lost ledgers, other hands, two desks at once."""

import shutil
import threading
from collections.abc import Callable
from decimal import Decimal as D

import pytest

from desk.stage import BTC
from desk.test_order_life import stops
from reconcile.test_other_hands import alarms
from storm_exchange.invariants import BY_HAND, at_rest
from storm_exchange.sea import Sea, buy, watched
from storm_exchange.test_sending import settled
from trade_mcp.desk.tally import Verdict, tally
from trade_mcp.domain.errors import LeaseLost
from trade_mcp.domain.order import Source
from trade_mcp.store import worth

pytestmark = pytest.mark.storm
AtSea = Callable[..., Sea]


def by_hand(sea: Sea, side: str, amount: float, number: int = 1) -> None:
    client = sea.exchange.client()
    client.load_markets()
    client.create_order(BTC, "market", side, amount, None, {"newClientOrderId": f"{BY_HAND}{number}"})
    client.session.close()


def test_fault_33_an_older_ledger_meets_what_it_lost_and_invents_no_order(at_sea: AtSea) -> None:
    sea = at_sea()
    app = sea.desk()
    watched(app)
    data = app.settings.desk.data_dir
    app.close()
    sea.desks.clear()
    shutil.copytree(data, sea.folder / "backup")
    app = sea.desk()
    app.gate.submit(buy(), Source.MODEL)
    app.close()
    sea.desks.clear()
    shutil.rmtree(data)
    shutil.copytree(sea.folder / "backup", data)
    again = sea.desk()
    assert again.log.refresh().positions == {}
    before = len(sea.orders)
    for _ in range(3):
        sea.pass_(61)
        watched(again)
    book = again.log.refresh()
    assert len(sea.orders) == before  # nothing was invented, nothing cancelled
    assert book.external["BTC"] == D("0.999") and not book.breaks
    assert any("another hand bought 1 BTC" in text for text in alarms(again))
    assert len(book.foreign) == len(sea.resting) == 1
    assert Verdict.DIFFERS not in {line.verdict for line in tally(again.log, again.venue)}


def test_fault_34_an_old_epoch_can_neither_write_nor_send(at_sea: AtSea) -> None:
    sea = at_sea()
    app = sea.desk()
    lease = app.leases.take("decide", 0.0)
    assert lease is not None
    other = sea.desk()
    assert other.leases.take("decide", 60.0) is not None  # taken over while the first was paused
    with pytest.raises(LeaseLost):
        app.gate.submit(buy(), Source.LOOP, lease=lease)
    assert sea.orders == []
    assert other.gate.submit(buy("b"), Source.LOOP).outcome == "placed"
    settled(sea, other)


def test_fault_35_chat_and_loop_at_once_never_spend_more_than_there_is(at_sea: AtSea) -> None:
    sea = at_sea(limits={"max_exposure": "0.3", "max_position": "0.3", "duplicate_window_s": 1})
    desks = [sea.desk(), sea.desk()]
    start = threading.Barrier(4)
    said: list[str] = []

    def ask(number: int) -> None:
        start.wait()
        for turn in range(3):
            size = str(8 + number / 10 + turn / 100)
            app = desks[number % 2]
            said.append(app.gate.submit(buy(f"o{number}-{turn}", size), Source.MODEL).outcome)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spent = sum(D(order["cummulativeQuoteQty"]) for order in sea.orders if order["side"] == "BUY")
    assert 0 < spent <= D(3000) and len(said) == 12
    settled(sea, desks[0])


def test_fault_40_a_trade_by_hand_is_recorded_told_and_never_corrected(at_sea: AtSea) -> None:
    sea = at_sea(holdings="BTC=2")
    app = sea.desk()
    app.gate.submit(buy(), Source.MODEL)
    watched(app)
    by_hand(sea, "sell", 1.5)
    for _ in range(2):
        sea.pass_(61)
        watched(app)
    book = app.log.refresh()
    assert book.external["BTC"] == D("0.5") and book.external["USDT"] > 149
    assert book.positions[BTC].size == D("0.999") and len(stops(app)) == 1
    assert len([text for text in alarms(app) if "another hand sold 1.5 BTC" in text]) == 1
    assert worth.flows(app.engine, until=book.seq) == []
    settled(sea, app)


def test_fault_40_what_was_brought_and_taken_away_is_no_profit_and_no_loss(at_sea: AtSea) -> None:
    sea = at_sea()
    app = sea.desk()
    app.gate.submit(buy(), Source.MODEL)
    watched(app)
    before = app.portfolio()
    assert before.equity is not None
    sea.control.transfer(sea.exchange.key, "BTC", "1")
    sea.control.transfer(sea.exchange.key, "USDT", "-500")
    for _ in range(3):
        sea.pass_(61)
        watched(app)
    book, now = app.log.refresh(), app.portfolio()
    assert book.external["BTC"] == 1 and not book.breaks and len(stops(app)) == 1
    assert now.equity == before.equity - 500 and now.deposits == before.deposits - 500  # the desk's cash left
    assert now.realised == before.realised and now.drawdown is not None and now.drawdown < 2e-5
    assert len([text for text in alarms(app) if "transfer" in text]) == 2
    settled(sea, app)


def test_fault_40_what_the_exchange_does_not_explain_halts_its_symbol_until_a_person_does(
    at_sea: AtSea, monkeypatch: pytest.MonkeyPatch
) -> None:
    sea = at_sea()
    app = sea.desk()
    watched(app)
    monkeypatch.setattr(app.venue, "transfers_since", lambda cursor: ((), cursor))
    sea.control.transfer(sea.exchange.key, "BTC", "1")
    sea.pass_(61)
    watched(app)
    assert not app.log.refresh().breaks
    sea.pass_(6)
    watched(app)
    assert list(app.log.refresh().breaks) == ["BTC"]
    assert "venue_break" in {verdict.rule for verdict in app.gate.submit(buy(), Source.MODEL).failed}
    app.reconcile.accept("BTC", reason="a present")
    assert app.log.refresh().external["BTC"] == 1 and not app.log.book.breaks
    assert app.gate.submit(buy("b"), Source.MODEL).outcome == "placed"
    settled(sea, app)


def test_what_was_there_before_is_taken_over_by_a_person_and_protected(at_sea: AtSea) -> None:
    sea = at_sea(holdings="BTC=2")
    app = sea.desk()
    settled(sea, app)
    assert sea.resting == [] and app.log.refresh().external["BTC"] == 2
    position = app.takeover.coins(BTC, size=D("1.5"), entry=D(90), reason="x", takeover_id=app.new_id())
    assert position.size == D("1.5") and [D(order["origQty"]) for order in sea.resting] == [D("1.5")] * len(sea.resting)
    again = sea.restart(app)  # the names of its exits went there as hashes
    sea.pass_(61)
    watched(again)
    assert len(stops(again)) == 1 and again.log.refresh().foreign == {} and again.log.book.external["BTC"] == D("0.5")
    assert again.gate.close(BTC, D(1), Source.MODEL, reason="x", order_id="c").outcome == "closed"
    sea.pass_(61)
    watched(again)
    assert sea.resting == [] and again.log.refresh().positions == {}
    assert Verdict.DIFFERS not in {line.verdict for line in tally(again.log, again.venue)}
    at = again.log.book
    assert at.cash + at.fees == at.deposits + at.realised


def test_the_invariants_hold_of_a_quiet_day(at_sea: AtSea) -> None:
    sea = at_sea()
    app = sea.desk()
    app.gate.submit(buy(), Source.MODEL)
    sea.bars(5)
    watched(app)
    at_rest(app, sea.books)
