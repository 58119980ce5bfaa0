"""Steps: a program's round as named steps, each timed and isolated, so that a failed one never hides the next."""

import time
from collections.abc import Callable, Iterable

import structlog
from msgspec import Struct

from trade_mcp.domain.errors import (
    FeedError,
    LeaseLost,
    LedgerBusy,
    LedgerUnwritable,
    OddAnswer,
    VenueRejected,
    VenueUnreachable,
)

type NamedStep = tuple[str, Callable[[], object]]

log = structlog.get_logger(__name__)


class Step(Struct, frozen=True):
    """One step as it went: how long it took (real ms), and what failed, or ""."""

    name: str
    ms: float
    error: str = ""
    lost: bool = False  # what failed was more than the venue's answer about one thing


def for_each[T](things: Iterable[T], act: Callable[[T], object]) -> None:
    """``act`` on all ``things``: one that fails never keeps it from the next; then the first failure is raised.

    What fails for all alike is raised at once: a line that is down, a ledger that cannot be written, a lost lease.
    """
    failed: Exception | None = None
    for thing in things:
        try:
            act(thing)
        except (LeaseLost, LedgerBusy, LedgerUnwritable):
            raise
        except Exception as failure:
            said = failure.__cause__ if isinstance(failure, FeedError) else failure
            if isinstance(said, VenueUnreachable) and not isinstance(said, OddAnswer):
                raise
            failed = failed or failure
    if failed is not None:
        raise failed


def all_of(*parts: Callable[[], object]) -> None:
    """Every one of ``parts``, as `for_each` does it."""
    for_each(parts, lambda part: part())


def run_steps(steps: tuple[NamedStep, ...]) -> tuple[Step, ...]:
    """Run all steps in order and say how each went. Only a lost lease ends the round: the work is another's now."""
    done = []
    for name, work in steps:
        began, error, lost = time.perf_counter(), "", False
        try:
            work()
        except LeaseLost:
            raise
        except Exception as failure:
            error, lost = f"{type(failure).__name__}: {failure}", not isinstance(failure, VenueRejected | OddAnswer)
            log.exception("step failed", step=name)
        done.append(Step(name, round((time.perf_counter() - began) * 1000, 2), error, lost))
    return tuple(done)
