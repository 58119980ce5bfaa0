"""Market time of a replay: one row, one truth; it stands while nobody runs and never goes back."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clocks import REAL, START, ManualClock
from store.ledgers import empty
from trade_mcp.clock import RUNS_ON, LiveClock, Mode, SharedClock, open_clock
from trade_mcp.store.engine import Engine, open_engine, open_memory

END = START + timedelta(days=1)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(empty(tmp_path))
    yield engine
    engine.close()


@pytest.fixture
def base() -> ManualClock:
    return ManualClock()


def opened(engine: Engine, base: ManualClock, *, mode: Mode = "speed", speed: float = 60) -> SharedClock:
    return open_clock(engine, mode=mode, speed=speed, start=START, end=END, base=base)


def run(clock: SharedClock, base: ManualClock, seconds: int) -> None:
    for _ in range(seconds):
        base.pass_(1)
        clock.touch()


def test_market_time_goes_at_its_speed_while_a_program_runs(engine: Engine, base: ManualClock) -> None:
    clock = opened(engine, base)
    assert clock.market() == START
    run(clock, base, 10)
    assert clock.market() == START + timedelta(minutes=10)
    base.pass_(0.5)
    assert clock.market() == START + timedelta(minutes=10, seconds=30)
    assert clock.real() == REAL + timedelta(seconds=10.5)


def test_every_process_reads_the_same_time(engine: Engine, base: ManualClock) -> None:
    one = opened(engine, base)
    run(one, base, 5)
    two = opened(open_engine(engine.path), base, speed=1)
    assert two.speed == 60  # who joins a running market takes its speed
    run(one, base, 5)
    assert one.market() == two.market()


def test_market_time_stands_still_while_no_program_runs(engine: Engine, base: ManualClock) -> None:
    clock = opened(engine, base)
    run(clock, base, 10)
    base.pass_(3600)
    stood = clock.market()
    assert stood == START + timedelta(seconds=60 * 10) + 60 * RUNS_ON
    base.pass_(3600)
    assert clock.market() == stood


def test_after_a_pause_it_goes_on_from_where_it_stood(engine: Engine, base: ManualClock) -> None:
    clock = opened(engine, base)
    run(clock, base, 10)
    base.pass_(3600)
    stood = clock.market()
    again = opened(engine, base, speed=10)
    assert (again.market(), again.speed) == (stood, 10)  # who starts the market says how fast it goes
    run(again, base, 2)
    assert again.market() == stood + timedelta(seconds=20)


def test_a_machine_that_slept_does_not_jump(engine: Engine, base: ManualClock) -> None:
    clock = opened(engine, base)
    run(clock, base, 10)
    base.pass_(3600)
    stood = clock.market()
    clock.touch()
    assert clock.market() == stood
    run(clock, base, 1)
    assert clock.market() == stood + timedelta(minutes=1)


def test_it_stands_at_the_end_of_the_data(engine: Engine, base: ManualClock) -> None:
    clock = opened(engine, base, speed=86_400)
    assert not clock.ended
    run(clock, base, 2)
    assert clock.market() == END
    assert clock.ended


def test_at_speed_max_it_moves_only_when_moved_and_only_forward(engine: Engine, base: ManualClock) -> None:
    clock = opened(engine, base, mode="max")
    run(clock, base, 100)
    assert clock.market() == START
    clock.advance_to(START + timedelta(hours=2))
    clock.advance_to(START + timedelta(hours=1))
    assert clock.market() == START + timedelta(hours=2)
    assert opened(engine, base, mode="max").market() == START + timedelta(hours=2)
    clock.advance_to(END + timedelta(days=1))
    assert clock.market() == END


def test_a_move_is_seen_by_other_processes_within_a_quarter_second(engine: Engine, base: ManualClock) -> None:
    clock, other = opened(engine, base, mode="max"), opened(engine, base, mode="max")
    clock.advance_to(START + timedelta(hours=2))
    base.pass_(0.3)
    assert other.market() == START + timedelta(hours=2)


def test_market_time_that_goes_by_itself_cannot_be_moved(engine: Engine, base: ManualClock) -> None:
    with pytest.raises(AssertionError):
        opened(engine, base).advance_to(END)


SECONDS = st.integers(0, 20_000).map(lambda ms: ms / 1000)
ACTS = st.sampled_from(["touch", "look", "restart"])


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(ACTS, SECONDS, st.integers(1, 3600)), max_size=20))
def test_it_never_goes_back_over_restarts(steps: list[tuple[str, float, int]]) -> None:
    engine, base = open_memory(), ManualClock()
    clock, last = opened(engine, base), START
    for act, seconds, speed in steps:
        base.pass_(seconds)
        if act == "touch":
            clock.touch()
        elif act == "restart":
            clock = opened(engine, base, speed=speed)
        assert last <= clock.market() <= END
        last = clock.market()


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(ACTS, SECONDS, st.booleans()), max_size=20))
def test_it_never_goes_back_when_the_real_clock_does(steps: list[tuple[str, float, bool]]) -> None:
    engine, base = open_memory(), ManualClock()
    clock, last = opened(engine, base), START
    for act, seconds, back in steps:
        base.pass_(seconds)
        if back:
            base.real_now -= 2 * timedelta(seconds=seconds)
        if act != "look":
            clock.touch()
        if act == "restart":
            clock = opened(engine, base)
        assert last <= clock.market() <= END
        last = clock.market()


def test_live_market_time_is_real_time() -> None:
    clock = LiveClock()
    assert abs((clock.market() - clock.real()).total_seconds()) < 1
    assert clock.market().tzinfo is not None
    assert clock.boot() <= clock.boot()
