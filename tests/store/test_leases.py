"""Leases change hands by epochs that never fall; heartbeats say who lives, in real time."""

import subprocess
import sys
from pathlib import Path

import pytest

from clocks import ManualClock
from store.ledgers import trade
from trade_mcp.domain.errors import LeaseLost
from trade_mcp.store.engine import Engine, open_engine
from trade_mcp.store.leases import Heartbeats, Leases
from trade_mcp.store.log import Log


@pytest.fixture
def leases(engine: Engine, clock: ManualClock) -> tuple[Leases, Leases]:
    return Leases(engine, clock=clock, me="one"), Leases(engine, clock=clock, me="two")


def test_a_role_has_one_holder_until_it_expires(leases: tuple[Leases, Leases], clock: ManualClock) -> None:
    one, two = leases
    first = one.take("watch", 10)
    assert first is not None
    assert (first.epoch, two.take("watch", 10)) == (1, None)
    clock.pass_(9.9)
    assert one.renew(first)
    clock.pass_(9.9)
    assert two.take("watch", 10) is None
    clock.pass_(0.2)
    second = two.take("watch", 10)
    assert second is not None
    assert second.epoch == 2
    assert (one.renew(first), one.current(first), two.current(second)) == (False, False, True)
    assert one.take("watch", 10) is None


def test_taking_what_is_ones_own_keeps_the_epoch(leases: tuple[Leases, Leases]) -> None:
    assert leases[0].take("watch", 10) == leases[0].take("watch", 10)


def test_a_released_role_is_free_at_once_with_a_later_epoch(leases: tuple[Leases, Leases]) -> None:
    one, two = leases
    first = one.take("watch", 10)
    assert first is not None
    assert [(held.name, held.holder) for held in two.held()] == [("watch", "one")]
    one.release(first)
    assert two.holder("watch") is None
    second = two.take("watch", 10)
    assert second is not None
    one.release(first)  # lost already: nothing happens
    assert two.current(second)
    assert second.epoch == 2


def test_who_lost_a_role_writes_nothing_in_it(log: Log, leases: tuple[Leases, Leases], clock: ManualClock) -> None:
    one, two = leases
    stale = one.take("watch", 1)
    with log.writing(stale) as ledger:
        trade(ledger, "a")
    clock.pass_(2)
    with log.writing(stale) as ledger:  # expired, but nobody took over: nobody can be hurt
        trade(ledger, "b")
    fresh = two.take("watch", 1)
    seq = log.book.seq
    with pytest.raises(LeaseLost, match="epoch 1, now it is 2"), log.writing(stale):
        raise AssertionError("never reached")
    assert log.refresh().seq == seq
    with log.writing(fresh) as ledger:
        trade(ledger, "c")


def test_the_role_of_a_dead_process_is_free_at_once(path: Path, engine: Engine, clock: ManualClock) -> None:
    code = (
        "import sys, time; from trade_mcp.clock import LiveClock; from trade_mcp.store.engine import open_engine;"
        " from trade_mcp.store.leases import Leases;"
        " print(Leases(open_engine(sys.argv[1]), clock=LiveClock()).take('watch', 3600).epoch, flush=True);"
        " time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "1\n"
        mine = Leases(engine, clock=clock)
        assert mine.take("watch", 10) is None
        held = mine.holder("watch")
        assert held is not None
        assert held.pid == holder.pid
    finally:
        holder.kill()
        holder.communicate()
    taken = mine.take("watch", 10)
    assert taken is not None
    assert taken.epoch == 2


def test_heartbeats_tell_silence_in_real_time(path: Path, engine: Engine, clock: ManualClock) -> None:
    beats = Heartbeats(engine, clock=clock, code="1.0")
    assert beats.silence_s("watch") is None
    beats.beat("watch", {"host": "serve", "errors": []})
    clock.pass_(4)
    other = Heartbeats(open_engine(path), clock=clock, code="1.1")
    other.beat("loop", {})
    assert other.silence_s("watch") == 4
    newest, oldest = other.all()
    assert (newest.program, newest.code, newest.age_s) == ("loop", "1.1", 0)
    assert (oldest.program, oldest.age_s, oldest.detail) == ("watch", 4, {"host": "serve", "errors": []})


def test_a_program_beats_in_one_row(engine: Engine, clock: ManualClock) -> None:
    beats = Heartbeats(engine, clock=clock)
    for _ in range(3):
        beats.beat("watch", {})
        clock.pass_(1)
    assert len(beats.all()) == 1
