"""Faults: how the exchange misbehaves on demand. A plan is a list of faults; its seed and the order of what happens
decide which strike, so a run can be repeated.

Each fault says where it may strike, as a glob over targets::

    POST /api/v3/order     a request over REST
    ws order.place         a request over WebSocket
    stream btcusdt@trade   a message of a market stream
    user executionReport   an event of a user stream
    fill BTCUSDT           a trade of an order
"""

import random
import tomllib
from collections.abc import Callable, Iterable
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from trade_mcp.domain.errors import BadInput

type Name = Literal[
    "delay", "drop", "reset", "answer", "html", "limit", "ban", "kill",
    "silent", "duplicate", "reorder", "other_event",
    "stale", "lag", "clock", "partial", "split", "late",
]  # fmt: skip
REQUEST = frozenset({"delay", "drop", "reset", "answer", "html", "limit", "ban", "kill"})
STREAM = frozenset({"delay", "drop", "reset", "silent", "duplicate", "reorder", "other_event"})
FILL = frozenset({"partial", "split", "late"})


class Fault(Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of misbehaviour, where, how often and how much. Times are real seconds."""

    fault: Name
    where: str = "*"
    account: str = "*"
    probability: float = 1.0
    count: int | None = None  # strikes at most so often
    skip: int = 0  # lets so many pass first
    begins_s: float = 0.0  # after the plan was made
    lasts_s: float | None = None
    when: Literal["before", "after"] = "before"  # a request is executed, or (a stream) ignored
    seconds: float = 1.0  # of delay, late, lag, limit, ban; of clock: how far it is off
    status: int = 503  # of answer and html
    body: Any = None  # of answer; None: {"code": -1000, ...}
    fraction: Decimal = Decimal("0.5")  # of partial
    pieces: int = 2  # of split


class Rule:
    """A fault at work: its own randomness, its counts."""

    def __init__(self, number: int, fault: Fault, *, seed: int, since: float):
        self.number, self.fault, self.since = number, fault, since
        self._random = random.Random(f"{seed}/{number}")
        self.met = self.struck = 0

    def alive(self, now: float) -> bool:
        age, fault = now - self.since - self.fault.begins_s, self.fault
        return age >= 0 and (fault.lasts_s is None or age < fault.lasts_s)

    def strikes(self, now: float) -> bool:
        """Whether this opportunity is taken; counts it."""
        if not self.alive(now):
            return False
        self.met += 1
        chosen = self.met > self.fault.skip and self._random.random() < self.fault.probability
        if not chosen or (self.fault.count is not None and self.struck >= self.fault.count):
            return False
        self.struck += 1
        return True


class Faults:
    """The faults in force. ``clock`` are real seconds."""

    def __init__(self, *, seed: int, clock: Callable[[], float]):
        self.seed, self._clock = seed, clock
        self.rules: dict[int, Rule] = {}
        self._last = 0

    def add(self, faults: Iterable[Fault]) -> list[int]:
        """Put faults in force; their numbers."""
        numbers = []
        for fault in faults:
            self._last += 1
            self.rules[self._last] = Rule(self._last, fault, seed=self.seed, since=self._clock())
            numbers.append(self._last)
        return numbers

    def remove(self, number: int | None) -> None:
        """Take one fault back, or all of them."""
        if number is None:
            self.rules.clear()
        else:
            self.rules.pop(number, None)

    def struck(self, names: Iterable[str], target: str, account: str = "") -> list[Fault]:
        """The faults of these names that strike now."""
        if not self.rules:
            return []
        now = self._clock()
        return [
            rule.fault
            for rule in self.rules.values()
            if rule.fault.fault in names and self._meant(rule.fault, target, account) and rule.strikes(now)
        ]

    def in_force(self, fault: Fault) -> bool:
        """Whether a fault that has struck is still there: not taken back, not over."""
        now = self._clock()
        return any(rule.fault is fault and rule.alive(now) for rule in self.rules.values())

    def stale_since(self, target: str) -> float | None:
        """Real seconds since which prices stand still for ``target``; None if they do not."""
        now = self._clock()
        since = [
            rule.since + rule.fault.begins_s
            for rule in self.rules.values()
            if rule.fault.fault == "stale" and self._meant(rule.fault, target, "") and rule.strikes(now)
        ]
        return min(since, default=None)

    @property
    def clock_offset_s(self) -> float:
        """How far the exchange's clock is off."""
        now = self._clock()
        return sum(r.fault.seconds for r in self.rules.values() if r.fault.fault == "clock" and r.alive(now))

    def _meant(self, fault: Fault, target: str, account: str) -> bool:
        return fnmatchcase(target, fault.where) and (fault.account == "*" or fault.account == account)


def parse_faults(content: object) -> list[Fault]:
    """Faults from ``{"faults": [...]}``, a list, or one fault. Raises BadInput."""
    if isinstance(content, dict):
        content = content.get("faults", [content])
    try:
        faults = msgspec.convert(content, list[Fault], strict=False)
    except msgspec.ValidationError as error:
        raise BadInput(f"these are no faults: {error}", hint="docs/practice.md lists every fault and field") from None
    for fault in faults:
        in_range = 0 <= fault.probability <= 1 and 0 < fault.fraction < 1 and 1 < fault.pieces <= 20
        if not in_range or not (200 <= fault.status <= 599) or abs(fault.seconds) > 86_400:
            hint = "probability 0..1, fraction between 0 and 1, pieces 2..20, status 200..599, seconds up to a day"
            raise BadInput(f"the fault {fault.fault!r} has a number out of range", hint=hint)
        if fault.seconds < 0 and fault.fault != "clock":
            raise BadInput(f"{fault.fault} for {fault.seconds:g} s", hint="only a clock goes backwards")
    return faults


def read_plan(path: Path) -> list[Fault]:
    """The faults of a TOML or JSON file. Raises BadInput."""
    try:
        text = path.read_text("utf-8")
        content = tomllib.loads(text) if path.suffix.lower() == ".toml" else msgspec.json.decode(text)
    except (OSError, ValueError) as error:  # tomllib and msgspec errors are ValueErrors
        raise BadInput(f"the plan {path} cannot be read: {error}", hint="JSON or TOML, see docs/practice.md") from None
    return parse_faults(content)
