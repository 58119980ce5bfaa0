"""Wanted: what a report is asked for with, and what came of it, as they pass between the processes."""

from typing import Any

from msgspec import Struct


class Wanted(Struct, frozen=True, kw_only=True):
    """One report to be made. ``period``, ``start`` and ``end`` are words, as `office.span.asked` reads them."""

    ledger: str
    folder: str  # of the files
    made_at: str  # real time, ISO
    limit_s: float
    period: str | None = None
    start: str | None = None
    end: str | None = None
    desk: dict[str, Any] = {}  # [desk] and [feed] of the settings that candles are found with; {}: no candles
    feed: dict[str, Any] = {}

    @property
    def name(self) -> str:
        """What the span is called, in a title and in a file's name."""
        said = {"": self.period, "from ": self.start, "to ": self.end}
        return " ".join(f"{word}{value}" for word, value in said.items() if value) or "all"


class Told(Struct, frozen=True, kw_only=True):
    """What a report says of itself: where it is, and the first of what it says. Times are ISO, of the market."""

    since: str | None
    until: str | None
    summary: tuple[str, ...]
    html: str
    text: str
    json: str


class Step(Struct, frozen=True):
    """How far it has come, and what it does now."""

    done: int
    of: int
    what: str


class Failure(Struct, frozen=True):
    """Why there is no report."""

    message: str
    hint: str
    bad_input: bool


class Line(Struct, frozen=True, omit_defaults=True):
    """One line that the child writes: a step, or at the end what came of it."""

    step: Step | None = None
    told: Told | None = None
    failure: Failure | None = None
