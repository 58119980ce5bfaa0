"""Patient: the desk as it is found, opened for reading alone, once, for all checks; and what a check says of it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Literal

from msgspec import Struct

from trade_mcp import __version__
from trade_mcp.clock import LiveClock, market_time
from trade_mcp.domain.book import Book
from trade_mcp.domain.errors import LedgerError
from trade_mcp.office.health import Problem, alive
from trade_mcp.ports import Feed
from trade_mcp.settings import Settings
from trade_mcp.store.engine import Engine, open_as_it_is, path_of
from trade_mcp.store.leases import Heartbeat, Holder, beats, leases
from trade_mcp.store.log import Log
from trade_mcp.store.schema import revision

Verdict = Literal["ok", "warn", "fail"]


class Finding(Struct, frozen=True):
    """What one check found: the verdict, the number behind it, and what to do."""

    verdict: Verdict
    said: str
    hint: str = ""


def ok(said: str) -> Finding:
    return Finding("ok", said)


def warn(said: str, hint: str) -> Finding:
    return Finding("warn", said, hint)


def fail(said: str, hint: str) -> Finding:
    return Finding("fail", said, hint)


def of_problems(problems: Iterable[Problem], otherwise: str, *, hint: str) -> Finding:
    """All ``problems`` as one finding; ``otherwise`` where there are none."""
    found = list(problems)
    if not found:
        return ok(otherwise)
    said = "; ".join(map(str, found))
    return fail(said, hint) if any(problem.failing for problem in found) else warn(said, hint)


class Patient:
    """A desk that may be alive or dead. ``engine`` is None while there is no ledger that could be read."""

    def __init__(self, settings: Settings, config: Path | None, engine: Engine | None):
        self.settings, self.config, self.engine = settings, config, engine
        self.folder = settings.desk.data_dir
        self.path = path_of(settings.desk.ledger_url)
        self.clock = LiveClock()
        self.now = self.clock.real()

    @cached_property
    def book(self) -> Book:
        """What the ledger says. Raises LedgerError."""
        if self.engine is None:
            return Book()
        return Log(self.engine, code=__version__, clock=self.clock).book

    @cached_property
    def beats(self) -> list[Heartbeat]:
        return [] if self.engine is None else beats(self.engine, now=self.clock.real())

    @cached_property
    def holders(self) -> list[Holder]:
        return [] if self.engine is None else leases(self.engine, now=self.now)

    @property
    def runs(self) -> bool:
        """Whether any program of the desk gives signs of life."""
        return any(map(alive, self.beats))

    @cached_property
    def feed(self) -> Feed:
        """The feed of the settings. Raises CandleFileError, BadInput."""
        from trade_mcp.app import open_feed

        return open_feed(self.settings)

    @property
    def symbols(self) -> tuple[str, ...]:
        return self.settings.desk.symbols or self.feed.symbols

    @property
    def market_at(self) -> datetime:
        """Market time as far as the programs brought it."""
        found = None if self.engine is None else market_time(self.engine)
        return self.feed.start if found is None else found


@contextmanager
def admitted(settings: Settings, config: Path | None) -> Iterator[Patient]:
    """The desk of ``settings``; nothing is made that is not there."""
    path = path_of(settings.desk.ledger_url)
    try:
        engine = open_as_it_is(path) if revision(path) is not None else None
    except LedgerError:
        engine = None  # the check of the schema says why
    try:
        yield Patient(settings, config, engine)
    finally:
        if engine is not None:
            engine.close()
