"""Ticks: at which closes of a bar the loop decided, and which it missed, counted from what it wrote down."""

from datetime import UTC, datetime, timedelta

from msgspec import Struct

from trade_mcp.store import memory, worth
from trade_mcp.store.engine import Reader

LOOKED_BACK = timedelta(days=1)  # market time
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Ticks(Struct, frozen=True):
    """Bars that closed since ``since`` (market time), and how many of them the loop decided at.

    The newest bar counts only from the next on: it may be decided yet.
    """

    since: datetime
    step_s: int  # of a bar
    due: int
    decided: int

    @property
    def missed(self) -> int:
        return self.due - self.decided


def ticks(reader: Reader, step: timedelta, *, now: datetime) -> Ticks:
    """The last day of market time until ``now`` in bars of ``step``, from the loop's first tick on.

    While it has had none, from the beginning of the ledger on.
    """
    began = memory.first_tick(reader, "loop") or worth.began(reader) or now
    since = max(now - LOOKED_BACK, began)
    length = int(step.total_seconds())
    first, last = _bar(since, length) + length, _bar(now, length) - length
    due = max(0, (last - first) // length + 1)
    most = 2 * int(LOOKED_BACK / step) + 2  # a restarted loop may pass over a bar again
    done = memory.bars_decided(reader, "loop", step_s=length, since=since, most=most)
    return Ticks(since, length, due, sum(first <= bar <= last for bar in done))


def _bar(at: datetime, length: int) -> int:
    return int((at - EPOCH).total_seconds()) // length * length
