"""What another hand does in our account is recorded and told, is never corrected, and is no profit."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest

from desk.stage import BTC, STOP_2, buy, on, watched
from desk.test_order_life import sound, stops
from trade_mcp.app import App
from trade_mcp.desk.breaks import LAG_S
from trade_mcp.desk.reconcile import differences
from trade_mcp.desk.tally import Verdict, tally
from trade_mcp.domain.errors import BadInput
from trade_mcp.domain.events import Alarm, ExternalMoved, FlowRecorded
from trade_mcp.domain.order import Order, OrderType, Role, Side, Source, Status
from trade_mcp.ports import Transfer
from trade_mcp.store import history, reads, worth
from trade_mcp.store.verify import verify

Stage = Callable[..., App]


def by_hand(app: App, name: str, side: Side, size: str, *, limit: str | None = None) -> Order:
    """Somebody trades on the account, past the desk."""
    now = app.clock.real()
    order = Order(
        order_id=name,
        symbol=BTC,
        side=side,
        type=OrderType.MARKET if limit is None else OrderType.LIMIT,
        size=D(size),
        role=Role.ENTRY,
        source=Source.OPERATOR,
        at=app.clock.market(),
        real_at=now,
        send_by=now + timedelta(seconds=5),
        limit_price=None if limit is None else D(limit),
    )
    app.venue.submit((order,))
    return order


def alarms(app: App) -> list[str]:
    return [event.text for event in history.events(app.engine, (Alarm,)) if isinstance(event, Alarm)]


def later(app: App, monkeypatch: pytest.MonkeyPatch, seconds: float = LAG_S) -> None:
    real = app.clock.boot
    monkeypatch.setattr(app.clock, "boot", lambda: real() + seconds)


def changed_there(app: App, currency: str, amount: str) -> None:
    """The account's balance changes, and the venue does not say why."""
    path = app.settings.desk.data_dir / "paper.db"
    with closing(sqlite3.connect(path)) as paper, paper:
        (total,) = paper.execute("SELECT total FROM balances WHERE currency = ?", (currency,)).fetchone() or ("0",)
        paper.execute("INSERT OR REPLACE INTO balances VALUES (?, ?)", (currency, str(D(total) + D(amount))))


def test_fault_40_a_trade_by_hand_is_external_told_once_and_never_corrected(stage: Stage) -> None:
    app = stage(paper={"cash": "12000"})
    app.gate.submit(buy(), Source.MODEL)
    before = app.portfolio()
    by_hand(app, "mine", Side.BUY, "3")
    for _ in range(3):
        watched(app)
    book = app.log.refresh()
    assert book.external["BTC"] == 3 and book.positions[BTC].size == 1
    assert [text for text in alarms(app) if "another hand bought 3 BTC" in text] and not book.breaks
    assert len(history.events(app.engine, (ExternalMoved,))) == 1
    assert [size for _, size, _ in stops(app)] == [D(1)]  # what is external is nobody's to sell
    assert app.portfolio().equity == before.equity  # paid from what was external too
    by_hand(app, "mine-2", Side.SELL, "3")
    watched(app)
    assert app.log.refresh().external["BTC"] == 0
    assert app.portfolio().equity == before.equity
    sound(app)


def test_money_of_the_desk_spent_by_hand_is_a_flow_and_no_loss(stage: Stage) -> None:
    app = stage()
    by_hand(app, "mine", Side.BUY, "10")
    watched(app)
    now = app.portfolio()
    (flow,) = worth.flows(app.engine, until=app.log.book.seq)
    assert flow[2] < -1000 and now.equity == now.deposits == 10_000 + flow[2]
    assert now.realised == now.fees == 0 and now.drawdown == 0
    sound(app)


def test_a_position_of_the_desk_sold_by_hand_is_closed_by_the_operator(stage: Stage) -> None:
    app = stage(paper={"holdings": {"BTC": "0.25"}})
    app.gate.submit(buy(exits=STOP_2), Source.LOOP)
    for leg in [*app.log.book.exits(BTC)]:
        app.venue.cancel(leg)  # as a person would have to, first
    by_hand(app, "mine", Side.SELL, "0.75")
    watched(app)
    book = app.log.refresh()
    assert book.external["BTC"] == 0 and book.positions[BTC].size == D("0.5")
    closed = next(order for order in reads.orders(app.engine)[0] if order.order_id.startswith("by-hand-"))
    assert (closed.source, closed.role, closed.filled) == (Source.OPERATOR, Role.CLOSE, D("0.5"))
    watched(app)
    assert [size for _, size, _ in stops(app)] == [D("0.5")]
    sound(app)
    on(app)
    assert verify(app.engine, code="x").sound


def test_a_resting_order_of_another_hand_is_told_once_and_left_alone(stage: Stage) -> None:
    app = stage()
    order = by_hand(app, "mine", Side.BUY, "1", limit="90")
    for _ in range(2):
        app.watch._audited = None
        watched(app)
    assert list(app.log.refresh().foreign) == ["mine"]
    assert len([text for text in alarms(app) if "rests in the account" in text]) == 1
    assert [report.order_id for report in app.venue.open_orders()] == ["mine"]
    again = stage()  # a restart knows it
    watched(again)
    assert len([text for text in alarms(again) if "rests in the account" in text]) == 1
    assert [line.verdict for line in tally(again.log, again.venue) if line.name == "mine"] == [Verdict.EXTERNAL]
    app.venue.cancel(order)
    again.watch._audited = None
    watched(again)
    assert again.log.refresh().foreign == {}


def test_transfers_are_external_and_what_was_the_desks_flows_at_its_worth(stage: Stage) -> None:
    app = stage()
    app.gate.submit(buy(), Source.MODEL)
    equity = app.portfolio().equity
    assert equity is not None
    told = [
        Transfer("in", "USDT", D(500), app.clock.market()),
        Transfer("out", "BTC", D("-0.4"), app.clock.market()),
        Transfer("big", "USDT", D(-800), app.clock.market()),
    ]
    with app.log.writing() as ledger:
        app.reconcile.foreign.transfers(ledger, told)
        app.reconcile.foreign.transfers(ledger, told)  # said twice
    book, now = app.log.refresh(), app.portfolio()
    bid = app.market.quote(BTC).bid
    assert book.external["USDT"] == 0 and book.positions[BTC].size == D("0.6")
    assert now.equity == equity - D("0.4") * bid - 300
    flows = [event.amount for event in history.events(app.engine, (FlowRecorded,)) if isinstance(event, FlowRecorded)]
    assert flows == [-D("0.4") * bid, D(-300)]
    cost = sum((position.cost for position in book.positions.values()), D(0))
    assert book.cash + cost + book.fees == book.deposits + book.realised


def test_a_difference_nobody_explains_halts_its_symbol_after_two_looks_until_it_is_settled(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = stage(eth=[(100.01, 100.01, 100.01, 100.01)] * 400)
    app.gate.submit(buy(), Source.MODEL)
    app.gate.submit(buy("rest", "0.5", type=OrderType.LIMIT, limit_price=D(99)), Source.MODEL)
    changed_there(app, "BTC", "-0.3")
    app.watch._audited = None
    watched(app)
    assert not app.log.refresh().breaks  # balances may lag behind fills
    later(app, monkeypatch)
    watched(app)
    assert list(app.log.refresh().breaks) == ["BTC"]
    assert app.log.order("rest").status is Status.CANCELLED  # type: ignore[union-attr]
    assert "venue_break" in {v.rule for v in app.gate.submit(buy("b", "0.5"), Source.MODEL).failed}
    assert app.gate.submit(buy("c", "0.5", "ETH/USDT"), Source.MODEL).outcome == "placed"  # that symbol only
    watched(app)
    assert [size for _, size, _ in stops(app)] == [D("0.7")]  # the exit is sized to what is really held
    assert len([text for text in alarms(app) if "the book says" in text]) == 1
    with pytest.raises(BadInput, match="agree about ETH"):
        app.reconcile.accept("ETH", reason="x")
    assert app.reconcile.accept("BTC", reason="a friend needed it") == D("-0.3")
    book = app.log.refresh()
    assert not book.breaks and not book.missing and book.positions[BTC].size == D("0.7")
    sound(app)


def test_a_difference_in_the_quote_currency_halts_all_entries(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    app = stage()
    changed_there(app, "USDT", "-100")
    watched(app)
    later(app, monkeypatch)
    watched(app)
    assert list(app.log.refresh().breaks) == ["USDT"]
    assert "venue_break" in {v.rule for v in app.gate.submit(buy("b", "0.5"), Source.MODEL).failed}
    changed_there(app, "USDT", "100")
    app.watch._audited = None
    watched(app)
    assert not app.log.refresh().breaks


def test_coins_the_desk_never_touches_are_external_whoever_brought_them(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = stage()
    changed_there(app, "DOGE", "100")
    watched(app)
    later(app, monkeypatch)
    watched(app)
    book = app.log.refresh()
    assert book.external["DOGE"] == 100 and not book.breaks
    assert any("100 DOGE" in text for text in alarms(app))
    assert differences(book, app.venue) == []


def test_fault_22_balances_that_lag_behind_a_fill_are_no_break(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    app = stage()
    stale = app.venue.balances()
    app.gate.submit(buy(), Source.MODEL)
    fresh = app.venue.balances
    breaks = app.reconcile.breaks
    slow: Any = type("Slow", (), {"balances": lambda self: stale})()
    monkeypatch.setattr(breaks, "_venue", slow)
    app.watch._audited = None
    watched(app)
    later(app, monkeypatch, LAG_S - 1)
    monkeypatch.setattr(breaks, "_venue", type("Fresh", (), {"balances": lambda self: fresh()})())
    watched(app)
    later(app, monkeypatch)
    watched(app)
    assert not app.log.refresh().breaks and app.log.book.positions[BTC].size == 1  # nothing dropped


def test_fault_33_an_older_ledger_finds_what_it_lost_as_external_and_invents_no_order(stage: Stage) -> None:
    app = stage()
    by_hand(app, "lost-entry", Side.BUY, "2")  # what the ledger forgot looks like another hand's
    watched(app)
    again = stage()
    for _ in range(2):
        again.watch._audited = None
        watched(again)
    assert again.log.refresh().external["BTC"] == 2 and again.log.book.orders == {}
    assert [report.order_id for report in again.venue.open_orders()] == []
    position = again.takeover.coins(BTC, size=None, entry=None, reason="it was the desk's", takeover_id="t")
    assert position.size == 2 and len(stops(again)) == 1
    sound(again)
