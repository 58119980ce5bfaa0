"""Gauges: what every program of a running desk uses, sampled through its life; what grew, and whether it may."""

import sqlite3
import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

import psutil

WARM_UP = 0.25  # of a process's samples: caches fill, modules load
MB = 1024 * 1024


class Bounds(NamedTuple):
    """What a process that lived long may have gained between its first and its last quarter after warming up."""

    memory_mb: float
    files: int
    threads: int


class Sample(NamedTuple):
    at: float
    memory_mb: float
    files: int
    threads: int


class Life(NamedTuple):
    """One process from start to end."""

    program: str
    pid: int
    samples: list[Sample]

    def early_and_late(self) -> tuple[Sample, Sample]:
        """The medians of the first and the last quarter after warming up."""
        warm = self.samples[int(len(self.samples) * WARM_UP) :]
        part = max(len(warm) // 4, 1)
        return _median(warm[:part]), _median(warm[-part:])

    @property
    def lived_s(self) -> float:
        return self.samples[-1].at - self.samples[0].at


class Gauges(threading.Thread):
    """Samples every program that ``programs`` names, until stopped."""

    def __init__(self, programs: Callable[[], dict[str, psutil.Process]], every_s: float):
        super().__init__(daemon=True, name="gauges")
        self._programs, self._every_s = programs, every_s
        self._done = threading.Event()
        self._samples: dict[tuple[str, int], list[Sample]] = defaultdict(list)

    def run(self) -> None:
        began = time.monotonic()
        while not self._done.wait(self._every_s):
            for name, process in self._programs().items():
                with suppress(psutil.Error), process.oneshot():
                    taken = Sample(
                        time.monotonic() - began,
                        process.memory_info().rss / MB,
                        process.num_fds(),
                        process.num_threads(),
                    )
                    self._samples[name, process.pid].append(taken)

    def stop(self) -> list[Life]:
        """Every process that was seen more than a few times, in the order of their starts."""
        self._done.set()
        self.join()
        return [Life(name, pid, samples) for (name, pid), samples in self._samples.items() if len(samples) >= 8]


def grown(lives: list[Life], bounds: Bounds, *, long_s: float) -> list[str]:
    """A sentence for each process that lived ``long_s`` or longer and gained more than it may."""
    return [
        f"{life.program} ({life.pid}) {what}: {before:.1f} to {after:.1f}, it may gain {bound}"
        for life in lives
        if life.lived_s >= long_s
        for what, before, after, bound in zip(
            ("memory, MB", "open files", "threads"),
            life.early_and_late()[0][1:],
            life.early_and_late()[1][1:],
            bounds,
            strict=True,
        )
        if after - before > bound
    ]


def table(lives: list[Life], *, day_s: float) -> Iterator[str]:
    """Rows for people: the longest life of each program, and its starts. ``day_s``: real seconds in a market day."""
    yield "| program | starts | market days | memory, MB | MB a market day | open files | threads |"
    yield "|---|---|---|---|---|---|---|"
    for name in dict.fromkeys(life.program for life in lives):
        ours = [life for life in lives if life.program == name]
        longest = max(ours, key=lambda life: life.lived_s)
        early, late = longest.early_and_late()
        yield (
            f"| {name} | {len(ours)} | {longest.lived_s / day_s:.1f} | {early.memory_mb:.0f} → {late.memory_mb:.0f}"
            f" | {slope(longest) * day_s:+.2f} | {early.files:.0f} → {late.files:.0f}"
            f" | {early.threads:.0f} → {late.threads:.0f} |"
        )


def slope(life: Life) -> float:
    """MB gained in a real second, after warming up: a straight line through the samples."""
    warm = life.samples[int(len(life.samples) * WARM_UP) :]
    return statistics.linear_regression([s.at for s in warm], [s.memory_mb for s in warm]).slope


def size_mb(folder: Path) -> float:
    """What the databases in ``folder`` hold, wherever it stands: in the file, or still in the log beside it."""
    total = 0
    for file in folder.glob("*.db"):
        with closing(sqlite3.connect(file, timeout=10)) as db:
            total += db.execute("PRAGMA page_count").fetchone()[0] * db.execute("PRAGMA page_size").fetchone()[0]
    return total / MB


def log_mb(folder: Path) -> float:
    """The largest write-ahead log in ``folder``."""
    return max((file.stat().st_size / MB for file in folder.glob("*.db-wal")), default=0.0)


def _median(samples: list[Sample]) -> Sample:
    return Sample(*(statistics.median(column) for column in zip(*samples, strict=True)))
