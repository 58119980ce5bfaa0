"""Files that were damaged, cut off or only read: what is not whole is never called sound, and errors are ours."""

import random
import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clocks import START, ManualClock
from store.ledgers import empty, opened, trade
from trade_mcp.domain.errors import LedgerError, TradeError
from trade_mcp.store import chain
from trade_mcp.store.engine import open_engine, open_read_only
from trade_mcp.store.log import Log
from trade_mcp.store.projections import PROJECTIONS
from trade_mcp.store.verify import rebuild, verify

TIMES = 30


@cache
def whole() -> bytes:
    """A closed ledger of a few orders."""
    with TemporaryDirectory() as folder:
        engine = open_engine(empty(Path(folder)))
        log = opened(engine)
        for number in range(TIMES):
            with log.writing() as ledger:
                trade(ledger, f"order-{number}", size="0.01", symbol=("BTC/USDT", "ETH/USDT")[number % 2])
        engine.close()
        return engine.path.read_bytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "desk" / "ledger.db"
    path.parent.mkdir()
    path.write_bytes(whole())
    return path


def contents(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(path)) as db:
        return {table: db.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() for table in ("events", *PROJECTIONS)}


def folder_of(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.parent.iterdir()}


@settings(deadline=None, max_examples=60)
@given(st.randoms(use_true_random=False), st.sampled_from([1, 4, 64, 4096]))
def test_what_is_not_whole_is_never_called_sound(chance: random.Random, size: int) -> None:
    content = bytearray(whole())
    at = chance.randrange(len(content) - size)
    content[at : at + size] = chance.randbytes(size)
    with TemporaryDirectory() as folder:
        path, untouched = Path(folder) / "ledger.db", Path(folder) / "whole.db"
        path.write_bytes(content)
        untouched.write_bytes(whole())
        try:
            engine = open_engine(path)
            try:
                book, sound = opened(engine).book, verify(engine, code="test").sound
            finally:
                engine.close()
        except TradeError as error:
            assert len(error.message) < 600
            return
        if sound:
            assert contents(path) == contents(untouched)
            assert book.seq == 2 + 2 * TIMES


@pytest.mark.parametrize("part", [0.0001, 0.01, 0.3, 0.9])
def test_a_file_that_was_cut_off_is_refused(path: Path, part: float) -> None:
    path.write_bytes(whole()[: int(len(whole()) * part)])
    for opening in (open_engine, open_read_only):
        with pytest.raises(LedgerError, match=r"ledger\.db (cannot be read|is not a SQLite database)") as refused:
            opening(path)
        assert refused.value.hint


def test_a_damaged_index_is_found_and_made_anew(path: Path) -> None:
    # Orders are found by it: one that it hides would be placed again.
    with closing(sqlite3.connect(path)) as db:
        (size,) = db.execute("PRAGMA page_size").fetchone()
        (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_orders_1'").fetchone()
    content = bytearray(whole())
    at = content.index(b"order-17", (page - 1) * size)
    assert at < page * size
    content[at : at + 8] = b"order-99"
    path.write_bytes(content)
    engine = open_engine(path)
    assert Log(engine, code="test", clock=ManualClock()).order("order-17") is None
    found = verify(engine, code="test")
    assert "the file is damaged" in found.broken
    rebuild(engine, code="test")
    assert verify(engine, code="test").sound
    assert Log(engine, code="test", clock=ManualClock()).order("order-17") is not None
    engine.close()


def test_a_damaged_snapshot_is_no_more_than_a_slower_start(path: Path) -> None:
    engine = open_engine(path)
    rebuild(engine, code="test")
    book = opened(engine).book
    with engine.transaction() as cursor:
        cursor.execute("UPDATE book SET payload = substr(payload, 1, 100)")
    assert Log(engine, code="test", clock=ManualClock()).book == book
    engine.close()


@pytest.mark.parametrize("column", ["at", "kind", "order_id", "policy", "payload", "hash"])
def test_a_changed_word_is_found_where_it_stands(path: Path, column: str) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DROP TRIGGER events_no_update")
        db.execute(f"UPDATE events SET {column} = {column} || ' ' WHERE seq = 7")
    engine = open_engine(path)
    assert "breaks at event 7" in verify(engine, code="test").broken
    engine.close()


def test_an_event_that_is_left_out_is_found(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DROP TRIGGER events_no_delete")
        db.execute("DELETE FROM events WHERE seq = 7")
    engine = open_engine(path)
    assert "breaks at event 8: it follows event 6" in verify(engine, code="test").broken
    with pytest.raises(LedgerError, match="breaks at event 8"):
        rebuild(engine, code="test")
    engine.close()


def test_an_event_of_a_newer_version_is_said_to_be_one(path: Path) -> None:
    engine = open_engine(path)
    log = opened(engine)
    tip = engine.row("SELECT hash FROM events ORDER BY seq DESC")
    assert tip is not None
    columns = (log.book.seq + 1, str(START), "teleported", "", 1, "", "later", '{"type":"teleported"}')
    with engine.transaction() as cursor:
        cursor.execute(chain.ADD_EVENT, (*columns, chain.chained(tip[0], columns)))
    with pytest.raises(LedgerError, match="event 63 cannot be read") as refused:
        log.refresh()
    assert "newer trade-mcp" in (refused.value.hint or "")
    with pytest.raises(LedgerError, match="event 63 cannot be read"), log.writing():
        raise AssertionError("never reached")
    assert "event 63 cannot be read" in verify(engine, code="test").broken
    engine.close()


def test_who_only_reads_leaves_the_folder_as_it_was(path: Path) -> None:
    before = folder_of(path)
    engine = open_read_only(path)
    assert verify(engine, code="test").sound
    with pytest.raises(LedgerError, match="readonly"):
        engine.rows("DELETE FROM orders")
    engine.close()
    assert folder_of(path) == before


def test_who_only_reads_a_copy_with_its_write_ahead_log_leaves_both(path: Path, tmp_path: Path) -> None:
    engine = open_engine(path)
    log = opened(engine)
    with log.writing() as ledger:
        trade(ledger, "late")
    copy = tmp_path / "copy" / path.name
    copy.parent.mkdir()
    for name, content in folder_of(path).items():
        if not name.endswith("-shm"):
            copy.with_name(name).write_bytes(content)
    before = folder_of(copy)
    read = open_read_only(copy)
    assert Log(read, code="test", clock=ManualClock()).book == log.book
    read.close()
    after = folder_of(copy)
    assert {name: after[name] for name in before} == before
    engine.close()


def test_damage_that_sqlite_cannot_put_into_words_is_told(path: Path) -> None:
    """SQLite quotes the bytes it stumbled over, which are not always text."""
    path.write_bytes(whole().replace(b"CREATE TABLE events", b"CREATE T\xff\xfe\xff\xfe events"))
    for open_ in (open_engine, open_read_only):
        with pytest.raises(LedgerError, match="cannot be read"):
            open_(path)
