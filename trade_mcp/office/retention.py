"""Retention: how long the desk remembers each tick, and what remains of it. A job of the clerk, polite to writers."""

import time
from collections.abc import Callable
from datetime import timedelta

from trade_mcp.ports import Clock
from trade_mcp.store import retention
from trade_mcp.store.engine import Engine

HOLD_S = 0.01  # what one transaction should take; a writer waits for one at most
MOST_TICKS = 256  # in one transaction
MOST_HOURS = 500
WORK_S = 5.0  # a run ends after this; the next one goes on


def tidy(
    engine: Engine, clock: Clock, *, ticks: timedelta, hourly: timedelta, pause: Callable[[float], object] = time.sleep
) -> str:
    """Roll up what is older than ``ticks``, drop sums older than ``hourly`` (market time); says what was done."""
    began, now = clock.boot(), clock.market()
    rolled, batch = 0, 1
    while clock.boot() - began < WORK_S:
        start = clock.boot()
        done = retention.roll_up(engine, before=now - ticks, most=batch)
        took = clock.boot() - start
        rolled += done
        if done < batch:
            break
        batch = min(2 * batch, MOST_TICKS) if took < HOLD_S / 2 else max(batch // 2, 1) if took > HOLD_S else batch
        pause(took)  # others first
    dropped = 0
    while clock.boot() - began < WORK_S:
        dropped += (done := retention.drop_hours(engine, before=now - hourly, most=MOST_HOURS))
        if done < MOST_HOURS:
            break
        pause(HOLD_S)
    return f"{rolled} ticks rolled up, {dropped} hourly sums dropped"
