"""Jobs: work that recurs in market time: reports, tidying. One that fails is told once and tried at its next time."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from msgspec import Struct, structs

from trade_mcp.ports import Clock
from trade_mcp.store import jobs as kept
from trade_mcp.store.engine import Engine


class Job(Struct, frozen=True):
    """``run(desk)`` every so often in market time; it answers one line about what it did."""

    name: str
    every: timedelta
    run: Callable[[Any], str]


def run_due(job: Job, desk: Any, engine: Engine, clock: Clock) -> Exception | None:
    """Run ``job`` if its time has come; how it failed, or None. The first time comes one interval after the start."""
    now, state = clock.market(), kept.job(engine, job.name)
    if state.due_at is None or state.due_at > now + job.every:
        kept.keep(engine, structs.replace(state, due_at=now + job.every))
        return None
    if now < state.due_at:
        return None
    # A job may outlast the clerk's lease: whoever takes the role meanwhile must not begin it again.
    kept.keep(engine, structs.replace(state, due_at=now + job.every))
    failure: Exception | None = None
    try:
        outcome = job.run(desk)
    except Exception as error:  # whatever breaks in a job, the others and the messages go on
        failure, outcome = error, f"failed: {type(error).__name__}: {error}".splitlines()[0][:300]
    missed = max(0, int((clock.market() - state.due_at) / job.every))
    due = state.due_at + (missed + 1) * job.every  # a time that was missed is not made up for
    failures = state.failures + 1 if failure else 0
    kept.keep(engine, structs.replace(state, due_at=due, ran_at=now, outcome=outcome, failures=failures))
    return failure
