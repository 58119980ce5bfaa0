"""Steps: a program's round as named steps, each timed and isolated, so that a failed one never hides the next."""

import time
from collections.abc import Callable

import structlog
from msgspec import Struct

from trade_mcp.domain.errors import LeaseLost

log = structlog.get_logger(__name__)


class Step(Struct, frozen=True):
    """One step as it went: how long it took (real ms), and what failed, or ""."""

    name: str
    ms: float
    error: str = ""


def run_steps(steps: tuple[tuple[str, Callable[[], object]], ...]) -> tuple[Step, ...]:
    """Run all steps in order and say how each went. Only a lost lease ends the round: the work is another's now."""
    done = []
    for name, work in steps:
        began, error = time.perf_counter(), ""
        try:
            work()
        except LeaseLost:
            raise
        except Exception as failure:
            error = f"{type(failure).__name__}: {failure}"
            log.exception("step failed", step=name)
        done.append(Step(name, round((time.perf_counter() - began) * 1000, 2), error))
    return tuple(done)
