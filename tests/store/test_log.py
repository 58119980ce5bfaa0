"""The log: appended only inside writing, all or nothing, chained, and the same for everyone who reads it."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from msgspec import structs

from clocks import ManualClock
from store.ledgers import OPENING, POLICY, D, buy, empty, exit_of, opened, refusal, trade
from trade_mcp.domain import events as e
from trade_mcp.domain.book import Book
from trade_mcp.domain.errors import ForeignLedger, LedgerBusy, LedgerError
from trade_mcp.domain.order import Status
from trade_mcp.store import reads
from trade_mcp.store.engine import Engine, open_engine, open_memory, open_read_only
from trade_mcp.store.log import Log, open_ledger
from trade_mcp.store.verify import verify


def test_the_first_process_opens_the_ledger_once(engine: Engine, log: Log) -> None:
    again = opened(engine)
    assert again.book == log.book
    assert (log.book.seq, log.book.cash, log.book.policy) == (2, D(10_000), POLICY.policy)


@pytest.mark.parametrize("name", ["venue", "account", "feed", "quote"])
def test_a_ledger_of_another_desk_is_refused_with_a_folder_to_use(engine: Engine, log: Log, name: str) -> None:
    with pytest.raises(ForeignLedger, match=f"{name} .*(?s:.)*data_dir"):
        open_ledger(engine, structs.replace(OPENING, **{name: "other"}), code="test", clock=ManualClock())


def test_another_capital_or_policy_is_no_other_ledger(engine: Engine, log: Log) -> None:
    other = open_ledger(engine, structs.replace(OPENING, capital=D(5)), code="test", clock=ManualClock())
    assert other.book.cash == D(10_000)


def test_what_is_written_is_read_by_another_process(path: Path, log: Log) -> None:
    other = opened(open_engine(path))
    with log.writing() as ledger:
        trade(ledger, "a")
    assert other.book.seq == 2
    assert other.refresh() == log.book
    assert other.order("a") == log.order("a")
    assert log.book.positions["BTC/USDT"].size == 1


def test_an_exception_leaves_nothing_behind(log: Log) -> None:
    before = log.book
    with pytest.raises(ZeroDivisionError), log.writing() as ledger:
        trade(ledger, "a")
        assert ledger.book.positions
        raise ZeroDivisionError
    assert log.book is before
    assert log.refresh() == before
    assert log.order("a") is None
    with log.writing() as ledger:
        assert ledger.book == before
        trade(ledger, "b")
    assert verify(log.engine, code="test").sound


def test_a_book_never_changes_under_its_reader(log: Log) -> None:
    with log.writing() as ledger:
        trade(ledger, "a")
    held, copy = log.book, log.book.positions["BTC/USDT"]
    with log.writing() as ledger:
        trade(ledger, "b")
        ledger.append(e.BreakSeen("BTC/USDT", D(1), D(2), "test"))
        ledger.append(e.OrderPending(buy("c")))
        assert log.book is held
        assert log.refresh() is held  # what is not committed is nobody's to read
    assert held.positions == {"BTC/USDT": copy}
    assert (held.breaks, held.orders, len(held.entered)) == ({}, {}, 1)
    assert log.book.orders.keys() == {"c"}


def test_writing_inside_writing_is_a_bug(log: Log) -> None:
    with pytest.raises(AssertionError), log.writing(), log.writing():
        pass


def test_threads_write_one_after_the_other(log: Log) -> None:
    def work(name: str) -> None:
        for number in range(20):
            with log.writing() as ledger:
                trade(ledger, f"{name}-{number}", size="0.1")

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log.book.positions["BTC/USDT"].size == D("8.0")
    assert verify(log.engine, code="test").sound


def test_who_holds_the_ledger_too_long_makes_others_busy_not_locked(path: Path, log: Log) -> None:
    other = open_engine(path)
    with log.writing(), pytest.raises(LedgerBusy) as busy, other.transaction(wait_s=0.05):
        pass
    assert busy.value.retryable
    with other.transaction(wait_s=0.05):
        pass


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET payload = '{}' WHERE seq = 1",
        "DELETE FROM events WHERE seq = 1",
        "INSERT OR REPLACE INTO events SELECT * FROM events WHERE seq = 1",
    ],
)
def test_events_can_only_be_added(path: Path, log: Log, statement: str) -> None:
    with closing(sqlite3.connect(path)) as db, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        db.execute(statement)


def test_a_row_changed_by_another_hand_breaks_the_chain(path: Path, log: Log) -> None:
    with log.writing() as ledger:
        trade(ledger, "a")
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DROP TRIGGER events_no_update")
        db.execute("UPDATE events SET code = 'other' WHERE seq = 3")
    found = verify(log.engine, code="test")
    assert not found.sound
    assert "breaks at event 3" in found.broken


def test_a_ledger_replaced_underneath_is_noticed(tmp_path: Path, log: Log) -> None:
    with log.writing() as ledger:
        trade(ledger, "a")
    with closing(sqlite3.connect(log.engine.path, isolation_level=None)) as db:
        db.execute("DROP TRIGGER events_no_delete")
        db.execute("DELETE FROM events WHERE seq > 2")
    for attempt in (log.refresh, lambda: log.writing().__enter__()):
        with pytest.raises(LedgerError, match="not the one this program was reading"):
            attempt()


def test_a_start_from_the_snapshot_is_a_start_from_the_events(engine: Engine, log: Log) -> None:
    for number in range(50):
        with log.writing() as ledger:
            trade(ledger, f"order-{number}", size="0.1")
    assert engine.row("SELECT seq FROM book") is not None
    assert Log(engine, code="test", clock=ManualClock()).book == log.book
    assert Log(engine, code="a version with another fold", clock=ManualClock()).book == log.book


def test_every_event_names_its_policy_and_code(engine: Engine, log: Log) -> None:
    with log.writing() as ledger:
        ledger.append(POLICY)
        ledger.append(structs.replace(POLICY, policy="hash-2"))
        ledger.append(refusal("r", "cash"))
    assert engine.rows("SELECT policy, code FROM events ORDER BY seq") == [
        ("", "test"),
        ("", "test"),
        ("hash-1", "test"),
        ("hash-1", "test"),
        ("hash-2", "test"),
    ]


def test_orders_and_refusals_are_found_by_id_whatever_became_of_them(log: Log) -> None:
    entry = buy("a")
    ended = structs.replace(entry, status=Status.REJECTED, note="no")
    with log.writing() as ledger:
        ledger.append(e.OrderPending(entry))
        assert ledger.order("a") == entry
        ledger.append(e.OrderEnded(ended))
        ledger.append(refusal("b", "cash", "heat"))
        assert ledger.order("a") == ended
        assert ledger.refused("b") == refusal("b", "cash", "heat")
        assert (ledger.order("b"), ledger.refused("a")) == (None, None)
        assert ledger.last_revision("a") == 0
        for revision in (1, 2):
            ledger.append(e.OrderPending(exit_of(entry, revision=revision)))
        assert ledger.last_revision("a") == 2
    assert log.order("a") == ended
    assert log.refused("b") == refusal("b", "cash", "heat")


def test_the_same_fill_twice_is_refused_by_the_ledger_itself(log: Log) -> None:
    with log.writing() as ledger:
        trade(ledger, "a")
    with pytest.raises(LedgerError, match="UNIQUE"), log.writing() as ledger:
        trade(ledger, "a")
    assert log.book.positions["BTC/USDT"].size == 1


def test_a_ledger_in_memory_is_the_same_ledger() -> None:
    log = opened(open_memory())
    with log.writing() as ledger:
        trade(ledger, "a")
        assert log.refresh().seq == 2
    assert log.refresh().seq == 4
    assert verify(log.engine, code="test").sound


def test_a_copy_is_read_and_stays_as_it_was(tmp_path: Path) -> None:
    path = empty(tmp_path)
    log = opened(open_engine(path))
    with log.writing() as ledger:
        trade(ledger, "a")
    log.engine.close()
    copied = tmp_path / "copy" / "ledger.db"
    copied.parent.mkdir()
    copied.write_bytes(path.read_bytes())
    engine = open_read_only(copied)
    read = Log(engine, code="test", clock=ManualClock())
    assert read.book == log.book
    assert read.order("a") == reads.order(engine, "a")
    assert reads.order(engine, "a") is not None
    with pytest.raises(AssertionError), read.writing():
        pass
    engine.close()
    assert copied.read_bytes() == path.read_bytes()


def test_the_empty_book_is_where_everything_begins(engine: Engine) -> None:
    assert Log(engine, code="test", clock=ManualClock()).book == Book()
