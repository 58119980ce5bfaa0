"""The week: the whole desk for days of market time, a client calling throughout, restarts kind and unkind.

    uv run pytest -m soak -n 0 -s                                     # 7 days on made-up and on real candles
    uv run pytest -m soak -n 0 -s -k made_up --soak-days 1 --soak-minutes 0.5

Nothing may grow beyond its bound: memory, open files, threads, the time of a tick, the database.
"""

import contextlib
import signal
import sqlite3
import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from server.serving import until
from soak.caller import Client
from soak.gauges import Bounds, Gauges, grown, log_mb, size_mb, table
from storm.test_kills import Desk, check

pytestmark = pytest.mark.soak

BAR = timedelta(minutes=5)
BOUNDS = Bounds(memory_mb=15.0, files=4, threads=2)
TICK_FACTOR, TICK_MORE_MS = 1.5, 5.0  # the late ticks against the early ones
DATABASE_FACTOR = 1.5  # a late market day against an early one
LOG_MB = 32.0  # a write-ahead log; SQLite empties it at 4 MB when nobody reads
FAILED_READS = 0.01
RESTARTS = (0.1, 0.2, 0.3)  # of the run
RESTART_S = 10.0  # of real time, in which market time goes on at first and nobody decides
LONG = 0.4  # of the run: who lived so long is judged
RETENTION_DAYS = 2


class Length(NamedTuple):
    """How long: market time, and the real time it takes."""

    days: float
    minutes: float

    @property
    def speed(self) -> int:
        return round(self.days * 1440 / self.minutes)


class Tick(NamedTuple):
    at: datetime
    took_ms: float


@pytest.fixture
def length(pytestconfig: pytest.Config) -> Length:
    return Length(pytestconfig.getoption("--soak-days"), pytestconfig.getoption("--soak-minutes"))


def test_a_week_of_made_up_candles(tmp_path: Path, length: Length) -> None:
    overrides = {"feed": {"seed": 11, "speed": length.speed}, "desk": {"timeframe": "5m"}}
    more = {"TRADE_MCP_FEED__SEED": "11", "TRADE_MCP_DESK__TIMEFRAME": "5m"}
    Week(tmp_path, length, more=more).run(overrides, called="made-up candles, three symbols, 5 minutes")


def test_a_week_of_real_candles(tmp_path: Path, length: Length, shared_data: Path) -> None:
    files = [shared_data / "data" / f"binance_{coin}USDT_5m_2022-12_2023-10.parquet" for coin in ("BTC", "ETH")]
    overrides = {"feed": {"name": "replay", "data": [str(file) for file in files], "speed": length.speed}}
    arguments = ["--feed", "replay", *(word for file in files for word in ("--data", str(file)))]
    Week(tmp_path, length, *arguments).run(overrides, called="real candles, two symbols, 5 minutes")


class Week:
    """One run: the desk, its client, its gauges, and what is found in the end."""

    def __init__(self, folder: Path, length: Length, *arguments: str, more: dict[str, str] | None = None):
        self._folder, self._length = folder, length
        self._arguments = (*arguments, "--speed", str(length.speed))
        self._more = (more or {}) | {"TRADE_MCP_RETENTION__TICKS_DAYS": str(RETENTION_DAYS)}
        self._real_s = length.minutes * 60
        self._ticks: dict[int, Tick] = {}
        self._sizes: list[tuple[datetime, float]] = []
        self._log_mb = 0.0
        self._desk = self._start()

    def run(self, overrides: dict[str, dict[str, object]], *, called: str) -> None:
        gauges = Gauges(self._programs, every_s=max(self._real_s / 300, 0.25))
        client = Client(f"http://127.0.0.1:{self._desk.port}/mcp", 11, pause_s=0.02)
        gauges.start()
        client.start()
        began = time.monotonic()
        for part, restart in zip(RESTARTS, (self._kill_one, self._stop_kindly, self._kill_all), strict=True):
            self._look_until(began + part * self._real_s)
            restart()
        first = min(tick.at for tick in self._ticks.values())
        end = first + timedelta(days=self._length.days)
        self._look_until(began + 3 * self._real_s, end=end)
        client.stop()
        lives = gauges.stop()
        self._desk.process.send_signal(signal.SIGTERM)
        self._desk.end()

        day_s = self._real_s / self._length.days
        ticks = [tick.took_ms for _, tick in sorted(self._ticks.items())]
        quarter = len(ticks) // 4
        early, late = statistics.median(ticks[quarter : 2 * quarter]), statistics.median(ticks[-quarter:])
        growth = self._growth_mb_a_day(first)
        bars = (max(tick.at for tick in self._ticks.values()) - first) / BAR
        took = sum(client.answered.values()), sum(client.failed.values())
        told = [
            f"\n**{called}**: {bars / 288:.1f} days of market time in {(time.monotonic() - began) / 60:.1f} minutes"
            f" ({self._length.speed} times the clock), {took[0]} tool calls answered, {took[1]} refused or failed,"
            f" {client.lost} attempts to connect in vain around restarts",
            "",
            *table(lives, day_s=day_s),
            "",
            f"tick p50 {early:.1f} → {late:.1f} ms; {len(ticks)} of {bars:.0f} bars decided;"
            f" database {self._sizes[-1][1]:.1f} MB, {growth[0]:.2f} → {growth[1]:.2f} MB a market day;"
            f" write-ahead log {self._log_mb:.0f} MB at most",
        ]
        print("\n".join(told))

        check(self._folder, overrides)
        assert grown(lives, BOUNDS, long_s=LONG * self._real_s) == []
        assert late <= TICK_FACTOR * early + TICK_MORE_MS
        assert growth[1] <= DATABASE_FACTOR * growth[0] + 0.2
        assert self._log_mb <= LOG_MB
        missed = bars - len(ticks)
        assert missed <= 0.05 * bars + len(RESTARTS) * RESTART_S * self._length.speed / BAR.total_seconds()
        reads = sum(count for tool, count in client.failed.items() if tool.startswith("get_"))
        assert reads <= FAILED_READS * took[0], client.said[-5:]

    def _start(self) -> Desk:
        return Desk(self._folder, *self._arguments, for_s=24 * 3600, **self._more)

    def _restarted(self) -> None:
        port = self._desk.port
        self._desk.out.close()
        self._desk = Desk(self._folder, *self._arguments, for_s=24 * 3600, port=port, **self._more)

    def _programs(self) -> dict[str, psutil.Process]:
        with contextlib.suppress(psutil.Error):
            up = psutil.Process(self._desk.process.pid)
            found = {"up": up} | self._desk.programs()
            supervisor = next(
                (child for child in up.children() if child.pid not in {p.pid for p in found.values()}), None
            )
            return found | ({"supervisord": supervisor} if supervisor else {})
        return {}

    def _kill_one(self) -> None:
        self._desk.programs()["watch"].kill()

    def _stop_kindly(self) -> None:
        self._desk.process.send_signal(signal.SIGTERM)
        self._desk.end()
        self._restarted()

    def _kill_all(self) -> None:
        everyone = list(self._programs().values())
        for process in everyone:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._desk.process.wait(timeout=20)
        until(lambda: not any(process.is_running() for process in everyone))
        self._restarted()

    def _look_until(self, deadline: float, *, end: datetime | None = None) -> None:
        """Collect ticks and sizes until real time ``deadline``, or until the market is at ``end``."""
        while time.monotonic() < deadline:
            time.sleep(min(self._real_s / 300, 1.0))
            self._ticks |= dict(self._new_ticks())
            if self._ticks:
                at = max(tick.at for tick in list(self._ticks.values())[-20:])
                self._sizes.append((at, size_mb(self._folder / "desk")))
                self._log_mb = max(self._log_mb, log_mb(self._folder / "desk"))
                if end is not None and at >= end:
                    return
            assert self._desk.process.poll() is None, (self._folder / "out").read_text()[-3000:]
        assert end is None, "market time did not get there"

    def _new_ticks(self) -> Iterator[tuple[int, Tick]]:
        after = max(self._ticks, default=0)
        with closing(sqlite3.connect(self._folder / "desk" / "ledger.db", timeout=10)) as db:
            rows = db.execute(
                "SELECT id, at, duration_ms FROM tick_reports WHERE id > ? AND program = 'loop'", (after,)
            ).fetchall()
        for number, at, took in rows:
            yield number, Tick(datetime.fromisoformat(at), took)

    def _growth_mb_a_day(self, first: datetime) -> tuple[float, float]:
        """MB a market day in the first and the second half of the run: a line through all that was seen."""

        def line(half: list[tuple[datetime, float]]) -> float:
            days = [(at - first) / timedelta(days=1) for at, _ in half]
            return statistics.linear_regression(days, [size for _, size in half]).slope

        middle = len(self._sizes) // 2
        return line(self._sizes[:middle]), line(self._sizes[middle:])
