"""What the tables answer: pages, history by kind, the desk's memory."""

from datetime import timedelta
from decimal import Decimal

import pytest
from msgspec import structs

from clocks import REAL, START, ManualClock
from store.ledgers import D, buy, exit_of, filled, refusal, sell, trade
from trade_mcp.domain import events as e
from trade_mcp.domain.errors import BadInput
from trade_mcp.domain.order import Role, Source, Status
from trade_mcp.store import history, memory, reads, worth
from trade_mcp.store.engine import Engine
from trade_mcp.store.log import Log
from trade_mcp.store.memory import DecisionRecord, SignalRecord, TickRecord


@pytest.fixture
def told(log: Log) -> Log:
    """Three filled entries and a working one, an exit, two refusals."""
    with log.writing() as ledger:
        trade(ledger, "a")
        trade(ledger, "b", symbol="ETH/USDT")
        trade(ledger, "c")
        ledger.append(e.OrderPending(exit_of(buy("c"), revision=1)))
        ledger.append(refusal("x", "cash", "heat"))
        ledger.append(refusal("y", "cash", symbol="ETH/USDT"))
        ledger.append(e.OrderPending(buy("d")))
        ledger.append(e.OrderWorking(structs.replace(buy("d"), status=Status.WORKING)))
    return log


def ids(page: tuple[list, str]) -> list[str]:
    return [order.order_id for order in page[0]]


def test_orders_come_newest_first_by_status_and_symbol(told: Log) -> None:
    engine = told.engine
    assert ids(reads.orders(engine)) == ["d", "c-stop-1", "c", "b", "a"]
    assert ids(reads.orders(engine, status="open")) == ["d", "c-stop-1"]
    assert ids(reads.orders(engine, status="closed")) == ["c", "b", "a"]
    assert ids(reads.orders(engine, status="working")) == ["d"]
    assert ids(reads.orders(engine, status="closed", symbol="ETH/USDT")) == ["b"]
    assert ids((reads.exits_of(engine, "c"), "")) == ["c-stop-1"]


def test_ids_of_live_orders_are_told_however_old_they_are(told: Log) -> None:
    with told.writing() as ledger:
        for number in range(5):
            trade(ledger, f"new-{number}")
    assert set(reads.order_ids(told.engine, limit=2)) == {"d", "c-stop-1", "new-3", "new-4"}


def test_pages_hold_every_order_once_while_new_ones_arrive(told: Log) -> None:
    found, cursor = reads.orders(told.engine, limit=2)
    seen = [order.order_id for order in found]
    with told.writing() as ledger:
        trade(ledger, "new")
    while cursor:
        found, cursor = reads.orders(told.engine, cursor=cursor, limit=2)
        seen += [order.order_id for order in found]
    assert seen == ["d", "c-stop-1", "c", "b", "a"]


@pytest.mark.parametrize("asked", [{"status": "opne"}, {"cursor": "-1"}, {"cursor": "x"}, {"cursor": "9" * 30}])
def test_what_cannot_be_asked_is_bad_input(told: Log, asked: dict[str, str]) -> None:
    with pytest.raises(BadInput):
        reads.orders(told.engine, **asked)


def test_an_order_comes_back_exactly(told: Log) -> None:
    order = exit_of(buy("c"), revision=1)
    assert reads.order(told.engine, "c-stop-1") == order
    assert reads.order(told.engine, "nobody") is None


def test_fills_come_with_what_they_were_for(log: Log) -> None:
    with log.writing() as ledger:
        trade(ledger, "a", size="2")
        out = sell("out", size="1")
        ledger.append(e.OrderPending(out))
        ledger.append(filled(out, D(1), D("90.5"), fee=D("0.01"), fee_currency="BNB", fee_quote=D("3.10")))
    first, second = reads.fills(log.engine)
    assert (first.source, first.role, first.strategy, first.entry_id) == (Source.LOOP, Role.ENTRY, "ema_cross", "a")
    assert (second.realised, second.entry_id, second.role) == (D("-9.5"), "a", Role.CLOSE)
    assert second.fill == filled(out, D(1), D("90.5"), fee=D("0.01"), fee_currency="BNB", fee_quote=D("3.10")).fill
    assert reads.fills(log.engine, until=first.seq) == [first]
    assert reads.fills(log.engine, since=START + timedelta(days=1)) == []


def test_equity_comes_oldest_first_with_the_mark_before(log: Log) -> None:
    with log.writing() as ledger:
        for hour, equity in enumerate(("10000", "10012.345678901234567890", "10013")):
            at = START + timedelta(hours=hour)
            ledger.append(e.EquityMarked(at, D(equity), D(9000), D("0.1"), D("0.002"), {"BTC/USDT": D("1E+2")}))
    marks = worth.marks(log.engine, since=None, until=log.book.seq)
    assert [(mark.at, mark.equity) for mark in marks[:2]] == [
        (START, 10_000),
        (START + timedelta(hours=1), 10012.34567890123456789),
    ]
    late = START + timedelta(minutes=61)
    assert worth.marks(log.engine, since=late, until=log.book.seq) == marks[1:]
    assert worth.marks(log.engine, since=late, until=log.book.seq - 1) == marks[1:2]


def test_refusals_are_counted_by_rule_and_paged(told: Log) -> None:
    assert history.refusals_by_rule(told.engine) == {"cash": 2, "heat": 1}
    assert history.refused(told.engine, last=1) == [refusal("y", "cash", symbol="ETH/USDT")]
    page, cursor = reads.refusals(told.engine, limit=1)
    assert [event.request.order_id for event in page] == ["y"]
    page, cursor = reads.refusals(told.engine, limit=1, cursor=cursor)
    assert ([event.request.order_id for event in page], cursor) == (["x"], "")
    assert [event.request.order_id for event in reads.refusals(told.engine, symbol="BTC/USDT")[0]] == ["x"]


def test_history_is_told_by_kind_since_and_until(log: Log, clock: ManualClock) -> None:
    for number in range(4):
        clock.pass_(3600)
        with log.writing() as ledger:
            ledger.append(e.Alarm(f"alarm {number}"))
            ledger.append(e.StateChanged(e.TradingState.HALTED, f"halt {number}", Source.OPERATOR))
    alarms = [e.Alarm(f"alarm {number}") for number in range(4)]
    assert history.events(log.engine, (e.Alarm,)) == alarms
    assert history.events(log.engine, (e.Alarm,), last=2) == alarms[2:]
    assert history.events(log.engine, (e.Alarm,), since=START + timedelta(hours=3)) == alarms[2:]
    assert len(history.events(log.engine, (e.Alarm, e.StateChanged), until=5)) == 3


def test_orders_are_counted_by_source_and_status(told: Log) -> None:
    assert history.placed(told.engine) == [("exit", "pending", 1), ("loop", "filled", 3), ("loop", "working", 1)]
    assert history.placed(told.engine, since=START + timedelta(days=1)) == []


def test_a_moment_is_one_moment(told: Log) -> None:
    with told.engine.moment() as moment:
        before = reads.orders(moment)
        with told.writing() as ledger:
            trade(ledger, "new")
        assert reads.orders(moment) == before
    assert ids(reads.orders(told.engine))[0] == "new"


def test_a_tick_is_remembered_whole(engine: Engine) -> None:
    tick = TickRecord(program="loop", at=START, real_at=REAL, duration_ms=12.5, outcome="none", detail={"bars": 2})
    signal = SignalRecord(at=START, symbol="BTC/USDT", timeframe="5m", strategy="ema_cross", strength=None)
    decisions = [
        DecisionRecord(at=START, real_at=REAL, symbol=symbol, action="none", reason=f"no signal {n}", strength=0.25)
        for n, symbol in enumerate(("BTC/USDT", "ETH/USDT"))
    ]
    assert memory.record_tick(engine, tick, decisions=decisions, signals=[signal]) == 1
    assert memory.decisions(engine) == decisions[::-1]
    assert memory.decisions(engine, symbol="BTC/USDT", limit=1) == decisions[:1]
    assert memory.signals(engine) == [signal]
    assert memory.ticks(engine, "loop") == [tick]
    assert memory.ticks(engine, "watch") == []


def test_money_in_a_detail_stays_exact(engine: Engine) -> None:
    tick = TickRecord(
        program="loop", at=START, real_at=REAL, duration_ms=1, outcome="", detail={"size": Decimal("0.10")}
    )
    memory.record_tick(engine, tick)
    assert memory.ticks(engine, "loop")[0].detail == {"size": "0.10"}
