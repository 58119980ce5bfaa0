"""Fetch: a long history from an exchange, page by page, so that what is there already is not asked for again.

What is kept never has a hole that another run would not know of: from its end it grows forward, from its beginning
backward, so a run that is cut off goes on where it was.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import structlog

from trade_mcp.domain.errors import FeedError
from trade_mcp.feeds.ccxt_candles import made
from trade_mcp.feeds.closed import step_ms
from trade_mcp.feeds.filenames import Label
from trade_mcp.feeds.sound import Row, sound_rows
from trade_mcp.quant.candles import Candles

PAGE = 1000  # candles asked for at once, where the exchange gives so many
PAUSES_S = (1.0, 2.0, 5.0, 15.0, 30.0, 60.0)  # before a page that failed is asked for again

log = structlog.get_logger(__name__)

type Fetch = Callable[[int, int], Sequence[Sequence[Any]]]


class Fetching:
    """The bars of ``label`` that open in [``since``, ``until``) in ms and that ``have`` (first and last open) lacks."""

    def __init__(
        self,
        fetch: Fetch,
        label: Label,
        *,
        since: int,
        until: int,
        have: tuple[int, int] | None,
        wait: Callable[[float], object],
        page: int = PAGE,
    ):
        self._fetch, self._label, self._wait = fetch, label, wait
        self._step, self._most = step_ms(label.timeframe), min(page, PAGE)
        first, last = have or (since, since - self._step)
        self._since, self._first = since, first
        self._after, self._until = last + self._step, until
        self.bars = max(0, until - self._after) // self._step + max(0, first - since) // self._step

    def pages(self) -> Iterator[tuple[Candles | None, int]]:
        """Bars as they come, and how many of ``bars`` are done with them. Raises FeedError when tries do not help."""
        at = self._after
        while at < self._until:
            rows = self._page(at, self._until)
            end = min(rows[-1][0] + self._step if rows else at + self._most * self._step, self._until)
            yield self._made(rows), (end - at) // self._step
            at = end
        yield from self._back()

    def _back(self) -> Iterator[tuple[Candles | None, int]]:
        end = self._first
        while end > self._since:
            start = max(self._since, end - self._most * self._step)
            rows: list[Row] = []
            at = start
            while at < end:
                page = self._page(at, end)
                rows += page
                at = page[-1][0] + self._step if page else at + self._most * self._step
            if not rows and not self._page(self._since, end):  # nothing is older
                yield None, (end - self._since) // self._step
                return
            yield self._made(rows), (end - start) // self._step
            end = start

    def _page(self, start: int, end: int) -> list[Row]:
        """Rows from ``start`` on, none at or after ``end``."""
        limit = min(self._most, (end - start) // self._step + 1)
        for pause in (*PAUSES_S, None):
            try:
                rows, wrong = sound_rows(self._fetch(start, limit), self._step)
            except FeedError as error:
                if pause is None:
                    raise
                log.warning("asked again in a moment", error=error.message, pause_s=pause)
                self._wait(pause)
                continue
            for what in wrong:
                log.warning("refused a candle that cannot be", symbol=self._label.symbol, what=what)
            return [row for row in rows if start <= row[0] < end]
        raise AssertionError("the last try returns or raises")

    def _made(self, rows: list[Row]) -> Candles | None:
        return made(*self._label, rows) if rows else None
