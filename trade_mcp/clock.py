"""Clock: real time, and market time. Live they are the same; in a replay every process reads one shared row.

Market time of a replay stands still while no program runs: it never goes further than a moment after the last `touch`,
and the first touch after a pause lets it go on from there. It stands still at the end of the data, too. A live market
waits for nobody: its time is the clock's (or, of a practice exchange, goes as fast as that says), whoever runs.
"""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from msgspec import Struct, structs

from trade_mcp.ports import Clock
from trade_mcp.store.engine import Engine, Reader
from trade_mcp.store.text import when, whenever

RUNS_ON = timedelta(seconds=3)  # real time that market time goes on after the last touch
FRESH_S = 0.25  # real seconds a process trusts the row it read

READ = "SELECT mode, speed, anchor_market, anchor_real, touched_real, ends_at FROM market_time WHERE id = 1"
KEEP = (
    "INSERT OR REPLACE INTO market_time (id, mode, speed, anchor_market, anchor_real, touched_real, ends_at)"
    " VALUES (1, ?, ?, ?, ?, ?, ?)"
)

type Mode = Literal["speed", "max", "live"]


class LiveClock:
    """Market time is real time."""

    def market(self) -> datetime:
        return datetime.now(UTC)

    def real(self) -> datetime:
        return datetime.now(UTC)

    def boot(self) -> float:
        return _boot()


class MarketTime(Struct, frozen=True):
    """The shared row: market time was ``anchor_market`` at ``anchor_real`` and goes ``speed`` times as fast."""

    mode: Mode  # "max": it stands, and the loop moves it from bar to bar; "live": nothing stops it
    speed: float
    anchor_market: datetime
    anchor_real: datetime
    touched_real: datetime
    end: datetime | None

    def at(self, real: datetime) -> datetime:
        """Market time at real time ``real``."""
        market = self.anchor_market
        if self.mode == "live":
            return market + (real - self.anchor_real) * self.speed
        if self.mode == "speed":
            # Between the last touch and a moment after it, wherever the real clock was set.
            until = min(max(real, self.touched_real), self.touched_real + RUNS_ON)
            market += (until - self.anchor_real) * self.speed
        return market if self.end is None else min(market, self.end)

    def touched(self, real: datetime) -> "MarketTime":
        """The row after a program said at ``real`` that it runs; after a pause it goes on from where it stood."""
        if self.mode != "live" and self.paused(real):
            return structs.replace(self, anchor_market=self.at(real), anchor_real=real, touched_real=real)
        return structs.replace(self, touched_real=max(real, self.touched_real))

    def paused(self, real: datetime) -> bool:
        """Whether no program has run lately (or the real clock was set back far)."""
        return abs(real - self.touched_real) > RUNS_ON


class SharedClock:
    """Market time, the same for every process on one ledger; that of a replay never goes back within one."""

    def __init__(self, engine: Engine, *, base: Clock):
        self._engine, self._base = engine, base
        self._lock = threading.Lock()
        row = _read(engine)
        assert row is not None, "open_clock makes the row"
        self._row, self._read_at, self._last = row, base.boot(), row.at(base.real())

    def market(self) -> datetime:
        now = self._base.boot()
        if now - self._read_at > FRESH_S:
            self._row, self._read_at = _read(self._engine) or self._row, now
        market = self._row.at(self._base.real())
        if self._row.mode == "live":
            return market
        with self._lock:
            self._last = max(self._last, market)
            return self._last

    def real(self) -> datetime:
        return self._base.real()

    def boot(self) -> float:
        return self._base.boot()

    @property
    def mode(self) -> Mode:
        return self._row.mode

    @property
    def speed(self) -> float:
        """Market seconds in a real one, but at mode "max"."""
        return self._row.speed

    @property
    def ended(self) -> bool:
        """Whether market time has reached the end of the data."""
        return self._row.end is not None and self.market() >= self._row.end

    def touch(self) -> None:
        """Say that this program runs. Every program does so about once a second."""

        def touched(row: MarketTime) -> MarketTime:
            row = row.touched(self._base.real())
            if row.mode == "live" or row.at(row.touched_real) >= self._last:
                return row
            # The real clock was set back a little: nobody may see an earlier market than we did.
            return structs.replace(row, anchor_market=self._last, anchor_real=row.touched_real)

        self._change(touched)

    def advance_to(self, at: datetime) -> None:
        """Move market time on to ``at``, at mode "max"; never back."""

        def moved(row: MarketTime) -> MarketTime:
            assert row.mode == "max", "market time goes by itself"
            market = row.at(self._base.real())
            return structs.replace(row, anchor_market=max(at, market), touched_real=self._base.real())

        self._change(moved)

    def _change(self, change: Any) -> None:
        with self._engine.transaction() as cursor:
            row = _parsed(cursor.execute(READ).fetchone())
            assert row is not None
            row = change(row)
            _keep(cursor, row)
        self._row, self._read_at = row, self._base.boot()


def open_clock(
    engine: Engine, *, mode: Mode, speed: float, start: datetime, end: datetime | None, base: Clock
) -> SharedClock:
    """The shared clock of this ledger; at first it starts at ``start``, later it goes on from where it stood.

    The program that starts the market says how fast it goes: one that joins running ones takes theirs. At mode "live"
    ``start`` is the market's time now.
    """
    real = base.real()
    with engine.transaction() as cursor:
        row = _parsed(cursor.execute(READ).fetchone())
        if row is None or (mode == "live" and row.paused(real)):
            row = MarketTime(mode, speed, start, real, real, end)
        elif row.paused(real):
            row = structs.replace(row.touched(real), mode=mode, speed=speed, end=end)
        _keep(cursor, row)
    return SharedClock(engine, base=base)


def market_time(reader: Reader) -> datetime | None:
    """Market time as far as the programs of this ledger brought it, live or copied; None where time is not shared."""
    row = _read(reader)
    return None if row is None else row.at(row.touched_real)


def _read(reader: Reader) -> MarketTime | None:
    return _parsed(reader.row(READ))


def _parsed(row: tuple[Any, ...] | None) -> MarketTime | None:
    if row is None:
        return None
    mode, speed, *times, end = row
    market, real, touched = map(datetime.fromisoformat, times)
    return MarketTime(mode, speed, market, real, touched, None if end is None else datetime.fromisoformat(end))


def _keep(cursor: Any, row: MarketTime) -> None:
    times = (when(row.anchor_market), when(row.anchor_real), when(row.touched_real))
    cursor.execute(KEEP, (row.mode, row.speed, *times, whenever(row.end)))


def _boot() -> float:
    """Seconds since boot with suspended time, where the system can tell; else since an arbitrary point."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)
