"""Jobs: work that recurs in market time: reports, tidying. One that fails is told once and tried at its next time."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct, structs

from trade_mcp.ports import Clock
from trade_mcp.store import jobs as kept
from trade_mcp.store.engine import Engine
from trade_mcp.store.jobs import JobState


class Job(Struct, frozen=True):
    """``run(desk)`` every so often in market time; it answers one line about what it did.

    ``soon``: for the first time at once.
    """

    name: str
    every: timedelta
    run: Callable[[Any], str]
    soon: bool = False


def is_due(job: Job, engine: Engine, clock: Clock) -> bool:
    """Whether the time of ``job`` has come. The first time comes one interval after the start, or ``soon``."""
    now, state = clock.market(), kept.job(engine, job.name)
    if state.due_at is None and job.soon:
        kept.keep(engine, structs.replace(state, due_at=now))
        return True
    if state.due_at is None or state.due_at > now + job.every:  # new, or done more often than before
        kept.keep(engine, structs.replace(state, due_at=now + job.every))
        return False
    return now >= state.due_at


def run_due(job: Job, desk: Any, engine: Engine, clock: Clock) -> Exception | None:
    """Run ``job`` if its time has come; how it failed, or None."""
    if not is_due(job, engine, clock):
        return None
    now, state = clock.market(), kept.job(engine, job.name)
    # The next time is written before the work: whoever becomes the clerk meanwhile must not begin it again.
    kept.keep(engine, structs.replace(state, due_at=_next(job, state, now)))
    failure: Exception | None = None
    try:
        outcome = job.run(desk)
    except Exception as error:  # whatever breaks in a job, the others and the messages go on
        failure, outcome = error, f"failed: {type(error).__name__}: {error}".splitlines()[0][:300]
    failures = state.failures + 1 if failure else 0
    due = _next(job, state, clock.market())  # a time that was missed is not made up for
    kept.keep(engine, structs.replace(state, due_at=due, ran_at=now, outcome=outcome, failures=failures))
    return failure


def _next(job: Job, state: JobState, now: datetime) -> datetime:
    assert state.due_at is not None
    return state.due_at + (int((now - state.due_at) / job.every) + 1) * job.every
