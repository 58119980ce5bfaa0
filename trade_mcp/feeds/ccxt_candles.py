"""Candles of an exchange: asked for once and kept; final only when that is certain; holes are asked for again.

An exchange shows the bar that is still forming like any other. A bar is final when its successor is there, or when
the question itself was asked later than the bar's close plus a margin: an answer may be old when it arrives.
"""

import contextlib
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import structlog
from msgspec import Struct
from numpy.typing import NDArray

from trade_mcp.domain.errors import FeedError
from trade_mcp.feeds.closed import FIELDS, closed, frozen, step_ms
from trade_mcp.feeds.sound import Row, sound_rows
from trade_mcp.quant.candles import Candles, at_ms, ms_of

PAGE = 500  # candles of one request
MOST = 100_000  # bars kept in memory
AGAIN_S = 0.5  # real seconds until a bar that is due is asked for again; doubles
AGAIN_MOST_S = 5.0
PAUSE_MOST_S = 15.0  # after failures
LATE = 5  # so many margins after its close, a bar that is not there counts as none for now
HOLE_AGAIN_S = 30.0  # real seconds until a hole is asked for again; doubles
HOLE_TRIES = 6  # after that nobody traded then, or the exchange itself was down
ROUNDS = 4  # of going further back for the bars that holes have cost

log = structlog.get_logger(__name__)

type Fetch = Callable[[int, int], Sequence[Sequence[Any]]]  # (since_ms, limit) -> rows from then on, oldest first


class _Hole(Struct):
    """Bars that the exchange did not have: those that open in [``start``, ``end``), in ms."""

    start: int
    end: int
    ask_at: float  # boot time
    tries: int = 0


class Series:
    """The final candles of one symbol and timeframe, as far as they were asked for. Safe for threads.

    ``margin`` is market time after a bar's close; ``boot`` answers real seconds; ``page`` is how many candles the
    exchange gives at once.
    """

    def __init__(
        self,
        symbol: str,
        timeframe: str,
        fetch: Fetch,
        *,
        margin: timedelta,
        boot: Callable[[], float],
        page: int = PAGE,
    ):
        self._fetch, self._boot, self._page = fetch, boot, min(page, PAGE)
        self._step, self._margin = step_ms(timeframe), margin // timedelta(milliseconds=1)
        self._lock = threading.Lock()
        self._bars = made(symbol, timeframe, [])
        self._since = self._until = 0  # every bar that opens in [since, until) was asked for
        self._answered = 0  # bars that closed before it would have been in the last answer
        self._begins = False  # there is nothing before `since`
        self._holes: list[_Hole] = []
        self._ask_at, self._wait_s = 0.0, AGAIN_S  # for a bar that is due
        self._quiet_until, self._pause_s = 0.0, AGAIN_S  # after a failure
        self._error: FeedError | None = None

    def newest(self, now: datetime, limit: int) -> Candles:
        """The newest ``limit`` bars that are final and closed at or before ``now``; those known while asking fails.

        Raises FeedError where there are none.
        """
        with self._lock:
            seen = closed(self._bars, now=now, limit=limit)
            if self._boot() >= self._quiet_until:
                try:
                    seen = self._asked_for(now, limit)
                except FeedError as error:
                    self._error, self._quiet_until = error, self._boot() + self._pause_s
                    self._pause_s = min(2 * self._pause_s, PAUSE_MOST_S)
            if not len(seen) and self._error is not None:
                raise self._error
            return seen

    def between(self, after: datetime, until: datetime, *, now: datetime) -> Candles:
        """The final bars with ``after`` < close <= ``until``. Raises FeedError where there are none at all."""
        count = max(1, (self._floor(until) - self._floor(after)) // self._step)
        seen = self.newest(min(until, now), count)
        return seen.each(lambda array: array[seen.open_ms + self._step > ms_of(after)])

    def known_until(self, now: datetime) -> datetime:
        """What closed by then is known, be it that there is none: a market that nobody trades in shows no bars."""
        with contextlib.suppress(FeedError):
            self.newest(now, 1)
        return now if self._until >= self._floor(now) else min(now, at_ms(max(self._until, self._answered)))

    def _asked_for(self, now: datetime, limit: int) -> Candles:
        self._forward(now, limit)
        seen = closed(self._bars, now=now, limit=limit)
        for _ in range(ROUNDS):
            if len(seen) >= limit or self._begins:
                break
            self._back(limit - len(seen))
            seen = closed(self._bars, now=now, limit=limit)
        if len(seen) and self._refilled(int(seen.open_ms[0])):
            seen = closed(self._bars, now=now, limit=limit)
        self._error, self._pause_s = None, AGAIN_S
        return seen

    def _floor(self, at: datetime) -> int:
        return ms_of(at) // self._step * self._step

    def _forward(self, now: datetime, limit: int) -> None:
        """Ask for the bars that closed since the last time, with the newest one again: is it still so?"""
        due = self._floor(now)
        if self._until >= due or self._boot() < self._ask_at:
            return
        if not self._until:
            self._since = self._until = due - max(limit, PAGE) * self._step
        self._ask_at = self._boot() + self._wait_s
        self._wait_s = min(2 * self._wait_s, AGAIN_MOST_S)
        before = self._until
        rows = [
            row for row in self._asked(before - self._step, due) if row[0] <= due + self._step
        ]  # none of the future
        self._answered = ms_of(now) - LATE * self._margin
        if rows:
            newest, certain = rows[-1][0], ms_of(now) - self._margin - self._step
            self._take([row for row in rows if row[0] < due and (row[0] < newest or row[0] <= certain)])
        if len(self._bars) and (until := int(self._bars.open_ms[-1]) + self._step) > before:
            self._until, self._wait_s = until, AGAIN_S
            self._note_holes(before, until)
            if until >= due:
                self._ask_at = 0.0

    def _back(self, missing: int) -> None:
        """Ask for bars before the first one."""
        start = self._since - max(missing, PAGE) * self._step
        rows = [row for row in self._asked(start, self._since) if row[0] < self._since]
        if rows:
            self._take(rows)
            self._note_holes(rows[0][0], self._since)
        self._begins = not rows
        self._since = start

    def _refilled(self, since: int) -> bool:
        """Ask again for a page of bars from the first hole after ``since`` whose time has come; whether any came."""
        now = self._boot()
        due = [hole for hole in self._holes if hole.start >= since and hole.ask_at <= now]
        if not due:
            return False
        start, end = due[0].start, due[0].start + PAGE * self._step
        asked = [hole for hole in due if hole.end <= end] or due[:1]
        before = len(self._bars)
        for hole in asked:
            hole.tries += 1
            hole.ask_at = now + HOLE_AGAIN_S * 2**hole.tries
        rows = self._asked(start, min(asked[-1].end, end))
        self._take([row for row in rows if row[0] < self._until])
        self._holes = [hole for hole in self._holes if hole.tries < HOLE_TRIES and self._missing(hole.start, hole.end)]
        if found := len(self._bars) - before:
            log.info("missing candles are there now", symbol=self._bars.symbol, candles=found)
        return bool(found)

    def _asked(self, start: int, end: int) -> list[Row]:
        """Rows from ``start`` up to ``end`` and perhaps beyond, page by page. Raises FeedError."""
        found: list[Row] = []
        at = start
        while at < end:
            limit = min(self._page, (end - at) // self._step + 2)
            rows, wrong = sound_rows(self._fetch(at, limit), self._step)
            for what in wrong:
                log.warning("refused a candle that cannot be", symbol=self._bars.symbol, what=what)
            if rows := [row for row in rows if row[0] >= at]:
                found += rows
                at = rows[-1][0] + self._step
            else:
                at += limit * self._step  # some exchanges show one window, and it may be empty
        return found

    def _take(self, rows: Sequence[Row]) -> None:
        """Keep ``rows``; what the exchange changed after it was final is taken over, and told."""
        old = self._bars
        if not rows:
            return
        new = made(old.symbol, old.timeframe, rows)
        _, mine, its = np.intersect1d(old.open_ms, new.open_ms, assume_unique=True, return_indices=True)
        changed = np.zeros(len(mine), bool)
        for name in FIELDS[1:]:
            changed |= getattr(old, name)[mine] != getattr(new, name)[its]
        if changed.any():
            at = at_ms(int(new.open_ms[its][changed][0]))
            log.warning("the exchange changed a closed candle", symbol=old.symbol, at=at.isoformat())
        keep = np.ones(len(old), bool)
        keep[mine] = False
        order = np.argsort(np.concatenate([old.open_ms[keep], new.open_ms]), kind="stable")[-MOST:]

        def merged(name: str) -> NDArray[Any]:
            return np.concatenate([getattr(old, name)[keep], getattr(new, name)])[order]

        self._bars = frozen(Candles(old.symbol, old.timeframe, *(merged(name) for name in FIELDS)))
        self._since = max(self._since, int(self._bars.open_ms[0])) if len(self._bars) == MOST else self._since

    def _note_holes(self, start: int, end: int) -> None:
        """Remember what is missing in [``start``, ``end``), to ask for it again."""
        for first, last in self._missing(start, end):
            self._holes.append(_Hole(first, last, self._boot()))
        self._holes.sort(key=lambda hole: hole.start)

    def _missing(self, start: int, end: int) -> list[tuple[int, int]]:
        """The ranges of bars that are not there."""
        wanted = np.arange(start, end, self._step)
        absent = wanted[~np.isin(wanted, self._bars.open_ms)]
        if not len(absent):
            return []
        cuts = np.flatnonzero(np.diff(absent) > self._step) + 1
        return [(int(part[0]), int(part[-1]) + self._step) for part in np.split(absent, cuts)]


def made(symbol: str, timeframe: str, rows: Sequence[Row]) -> Candles:
    open_ms = np.array([row[0] for row in rows], np.int64)
    columns = np.array([row[1:] for row in rows], np.float64).reshape(len(rows), len(FIELDS) - 1).T.copy()
    return frozen(Candles(symbol, timeframe, open_ms, *columns))
