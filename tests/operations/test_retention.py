"""Retention: old ticks become hourly sums, trades stay explained, and writers hardly notice."""

import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest

from clocks import REAL, START, ManualClock
from store.ledgers import empty, opened
from trade_mcp.clock import LiveClock
from trade_mcp.domain.events import Alarm
from trade_mcp.office.retention import tidy
from trade_mcp.store import memory
from trade_mcp.store.engine import Engine, open_engine
from trade_mcp.store.memory import DecisionRecord, SignalRecord, TickRecord, record_tick
from trade_mcp.store.retention import drop_hours, metrics, roll_up

SYMBOLS = ("BTC/USDT", "ETH/USDT")
BAR = timedelta(minutes=20)
TABLES = ("tick_reports", "decisions", "signals")


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_engine(empty(tmp_path))


def tick(engine: Engine, number: int, *, order: str = "") -> int:
    """The loop's pass at bar ``number``; with ``order`` it entered the first symbol."""
    at = START + number * BAR
    decisions = [
        DecisionRecord(
            at=at,
            real_at=REAL,
            symbol=symbol,
            action="enter" if order and symbol == SYMBOLS[0] else "none",
            reason="because",
            order_id=order if symbol == SYMBOLS[0] else "",
        )
        for symbol in SYMBOLS
    ]
    signals = [
        SignalRecord(at=at, symbol=symbol, timeframe="20m", strategy=name, strength=strength)
        for symbol in SYMBOLS
        for name, strength in (("ema", number / 10), ("young", None))
    ]
    report = TickRecord(program="loop", at=at, real_at=REAL, duration_ms=number + 1.0, outcome="ok")
    return record_tick(engine, report, decisions=decisions, signals=signals)


def counts(engine: Engine) -> dict[str, int]:
    return {table: engine.rows(f"SELECT count(*) FROM {table}")[0][0] for table in TABLES}


def clock_at(number: int) -> ManualClock:
    return ManualClock(market=START + number * BAR)


def tidied(engine: Engine, *, at: int, keep: int) -> str:
    clock = clock_at(at)
    return tidy(engine, clock, ticks=keep * BAR, hourly=timedelta(days=9999), pause=lambda _: None)


def test_old_ticks_become_sums_of_their_hour_and_young_ones_stay(engine: Engine) -> None:
    for number in range(12):
        tick(engine, number)
    assert tidied(engine, at=12, keep=5) == "7 ticks rolled up, 0 hourly sums dropped"
    assert counts(engine) == {"tick_reports": 5, "decisions": 10, "signals": 20}
    hours = metrics(engine, "tick_ms")
    assert [(hour.at - START, hour.label, hour.count, hour.total, hour.low, hour.high) for hour in hours] == [
        (timedelta(hours=0), "loop", 3, 6.0, 1.0, 3.0),
        (timedelta(hours=1), "loop", 3, 15.0, 4.0, 6.0),
        (timedelta(hours=2), "loop", 1, 7.0, 7.0, 7.0),
    ]
    assert sum(hour.count for hour in metrics(engine, "decisions") if hour.label == "BTC/USDT none") == 7
    strength = metrics(engine, "strength")
    assert {hour.label for hour in strength} == {"BTC/USDT 20m ema", "ETH/USDT 20m ema"}, "unknown is not zero"
    assert strength[0].total == pytest.approx(0.3)


def test_an_hour_rolled_up_in_pieces_adds_up_to_the_same(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = open_engine(empty(tmp_path / "other"))
    for number in range(20):
        tick(engine, number)
        tick(other, number)
        tidied(other, at=number, keep=3)
    tidied(engine, at=19, keep=3)
    for name in ("tick_ms", "decisions", "strength"):
        ours, theirs = metrics(engine, name), metrics(other, name)
        assert [hour.label for hour in ours] == [hour.label for hour in theirs]
        for one, two in zip(ours, theirs, strict=True):
            assert (one.count, one.low, one.high) == (two.count, two.low, two.high)
            assert one.total == (two.total if two.total is None else pytest.approx(two.total))


def test_a_decision_that_made_an_order_and_its_signals_stay(engine: Engine) -> None:
    for number in range(10):
        tick(engine, number, order="order-3" if number == 3 else "")
    tidied(engine, at=100, keep=1)
    decision, signals = memory.behind(engine, "order-3")
    assert decision is not None and decision.symbol == SYMBOLS[0]
    assert [signal.strategy for signal in signals] == ["ema", "young"]
    assert counts(engine) == {"tick_reports": 1, "decisions": 1 + 2, "signals": 2 + 4}


def test_the_number_of_a_tick_is_never_given_twice(engine: Engine) -> None:
    last = max(tick(engine, number, order=f"order-{number}") for number in range(3))
    tidied(engine, at=100, keep=1)
    assert tick(engine, 200) == last + 1
    assert memory.behind(engine, "order-2")[0] is not None


def test_hourly_sums_end_too(engine: Engine) -> None:
    for number in range(12):
        tick(engine, number)
    roll_up(engine, before=START + 12 * BAR, most=99)
    before = len(metrics(engine, "tick_ms"))
    assert drop_hours(engine, before=START + timedelta(hours=2), most=1) == 1, "no more at once than was said"
    drop_hours(engine, before=START + timedelta(hours=2), most=99)
    assert [hour.at for hour in metrics(engine, "tick_ms")] == [START + timedelta(hours=n) for n in (2, 3)]
    assert before == 4


def test_nothing_old_writes_nothing(engine: Engine) -> None:
    tick(engine, 0)
    changes = engine.row("PRAGMA data_version")
    assert roll_up(engine, before=START, most=10) == 0
    assert engine.row("PRAGMA data_version") == changes


def test_room_that_became_free_is_used_again(engine: Engine) -> None:
    for number in range(300):
        tick(engine, number)
        if number % 20 == 0:
            tidied(engine, at=number, keep=40)
        if number == 150:
            grown = engine.rows("PRAGMA page_count")[0][0]
    pages = engine.rows("PRAGMA page_count")[0][0]
    assert pages - grown < 0.25 * grown, "what grows is the hourly sums alone"


def test_events_are_written_while_much_is_rolled_up(engine: Engine) -> None:
    log, done, waits = opened(engine), threading.Event(), []
    with engine.transaction() as cursor:
        for table, columns, more in (
            (
                "tick_reports",
                "program, at, real_at, duration_ms, outcome, detail",
                "'loop', '2020-01-01T00', '', 1.0, ''",
            ),
            (
                "decisions",
                "tick, at, real_at, symbol, action, reason, order_id, detail",
                "n, '2020-01-01T00', '', 'A', 'none', '', ''",
            ),
        ):
            cursor.execute(
                f"INSERT INTO {table} ({columns}) WITH RECURSIVE ns(n) AS"
                f" (SELECT 1 UNION ALL SELECT n + 1 FROM ns WHERE n < 20000) SELECT {more}, '{{}}' FROM ns"
            )

    def writing() -> None:
        while not done.is_set():
            began = time.perf_counter()
            with log.writing() as ledger:
                ledger.append(Alarm("still here"))
            waits.append(time.perf_counter() - began)

    writer = threading.Thread(target=writing)
    writer.start()
    try:
        rolled = 0
        while rolled < 19_999:  # a run ends after a while, and the next one goes on
            said = tidy(engine, LiveClock(), ticks=BAR, hourly=timedelta(days=99999))
            rolled += int(said.partition(" ")[0])
    finally:
        done.set()
        writer.join()
    assert rolled == 19_999
    assert len(waits) > 20
    waits.sort()
    print(f"{len(waits)} writers waited {1e3 * waits[len(waits) // 2]:.1f} ms at p50, {1e3 * waits[-1]:.0f} at most")
