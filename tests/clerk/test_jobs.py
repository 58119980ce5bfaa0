"""Jobs: each once in its time, one failure is no end, and a time that was missed is not made up for."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from clocks import ManualClock
from trade_mcp.office.jobs import Job, run_due
from trade_mcp.store import jobs as kept
from trade_mcp.store.engine import Engine, open_memory

HOURS = 3600


class Work:
    def __init__(self) -> None:
        self.clock, self.engine = ManualClock(), open_memory()
        self.ran: list[object] = []
        self.does: Callable[[], str] = lambda: "done"
        self.every = timedelta(hours=2)

    def step(self) -> Exception | None:
        def run(desk: object) -> str:
            self.ran.append(desk)
            return self.does()

        return run_due(Job("work", self.every, run), "desk", self.engine, self.clock)


@pytest.fixture
def work() -> Work:
    return Work()


def test_it_runs_once_each_time_and_a_missed_time_is_not_made_up_for(work: Work) -> None:
    work.step()
    assert work.ran == []  # the first time is one interval away
    work.clock.pass_(2 * HOURS)
    assert work.step() is None and work.ran == ["desk"]
    work.step()
    assert len(work.ran) == 1
    work.clock.pass_(5 * HOURS)
    work.step()
    work.step()
    assert len(work.ran) == 2
    work.clock.pass_(HOURS)  # the grid stays: 2, 4, 6, 8
    work.step()
    assert len(work.ran) == 3


def test_a_failure_is_answered_counted_and_tried_at_the_next_time(work: Work) -> None:
    work.step()
    work.does = lambda: str(1 / 0)
    for failures in (1, 2):
        work.clock.pass_(2 * HOURS)
        assert isinstance(work.step(), ZeroDivisionError)
        assert work.step() is None
        assert kept.job(work.engine, "work").failures == failures
    work.does = lambda: "done"
    work.clock.pass_(2 * HOURS)
    assert work.step() is None
    assert (kept.job(work.engine, "work").failures, kept.job(work.engine, "work").outcome) == (0, "done")


def test_one_that_is_to_run_more_often_than_before_does_so(work: Work) -> None:
    work.every = timedelta(days=7)
    work.step()
    work.every = timedelta(hours=1)
    work.step()
    work.clock.pass_(HOURS)
    work.step()
    assert len(work.ran) == 1


def test_a_process_that_dies_in_a_job_leaves_it_for_its_next_time(work: Work) -> None:
    def dies() -> str:
        raise SystemExit

    work.step()
    work.clock.pass_(2 * HOURS)
    work.does = dies
    with pytest.raises(SystemExit):
        work.step()
    work.does = lambda: "done"
    work.step()
    assert len(work.ran) == 1
    work.clock.pass_(2 * HOURS)
    work.step()
    assert len(work.ran) == 2


def test_the_state_of_every_job_can_be_read(work: Work) -> None:
    engine: Engine = work.engine
    work.step()
    assert [state.name for state in kept.jobs(engine)] == ["work"]
