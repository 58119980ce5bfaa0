"""Alerts: what a person should hear of, once. From the ledger's events, and from what health finds wrong.

Every event is looked at once, over restarts too: how far was read, what was told and the message itself are one
transaction. A kind of alert that was told is only counted for a while, and beyond so many in an hour new kinds are held
back; both come as one summary.
"""

import re
import sqlite3
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct, structs

from trade_mcp.domain import events as e
from trade_mcp.ports import Clock, Message
from trade_mcp.store import alerts as told
from trade_mcp.store import history, outbox
from trade_mcp.store import jobs as kept
from trade_mcp.store.alerts import Kind
from trade_mcp.store.engine import Engine

Severity = Literal["info", "warning", "critical"]
RANK = {"info": 0, "warning": 1, "critical": 2}
KINDS = (e.Alarm, e.StateChanged, e.BreakSeen, e.BreakSettled, e.BrakeTripped, e.BrakeReleased, e.Armed, e.Denied)
HOUR = timedelta(hours=1)
STEADY_S = 20.0  # real seconds a problem must last before it is told: a restart is none
LOOKED_S = 60.0  # so often it is written down that a problem lasts
GAP = timedelta(minutes=2)  # a problem seen again within it never went away
REMIND = timedelta(days=1)  # of one that lasts
NEWS = timedelta(days=1)  # market time; what is older when a ledger is looked at for the first time is none
LISTED = 20  # kinds in one summary
CURSOR = "alerts"  # the row of `jobs` that says how far the events were read
SUMMARY = "(summary)"  # the row of `alerts` that says when the last one was told


class Alert(Struct, frozen=True):
    """One thing to tell. With the same ``key`` it is the same thing again; those in ``over`` have ended with it."""

    key: str
    severity: Severity
    text: str
    over: tuple[str, ...] = ()


class Alerts:
    """Finds what is new and puts it into the outbox for ``channels``; ``sign`` says below each text where it is from.

    ``clean`` takes secrets out of what others may have written.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        clock: Clock,
        problems: Callable[[], Iterable[Alert]],
        channels: tuple[str, ...],
        new_id: Callable[[], str],
        least: Severity,
        window: timedelta,
        most_per_hour: int,
        sign: str = "",
        clean: Callable[[str], str] = str,
    ):
        self._engine, self._clock, self._problems, self._new_id = engine, clock, problems, new_id
        self._channels, self._sign, self._clean = channels, sign, clean
        self._least, self._window, self._most = least, window, most_per_hour
        self._since: dict[str, float] = {}  # a problem -> when it was first seen, boot time
        self._lasts: dict[str, float] = {}  # a problem that was told -> when that was written down, boot time

    def step(self) -> None:
        """Tell what happened since the last look, and what is wrong for a while now."""
        before = kept.job(self._engine, CURSOR).cursor
        earliest = None if before else self._clock.market() - NEWS
        found = history.since(self._engine, KINDS, after=before, earliest=earliest)
        if not self._channels:  # who sets one up tomorrow does not want to hear of today
            if found:
                with self._engine.transaction() as cursor:
                    kept.read_to(cursor, CURSOR, before=before, now=found[-1][0])
            return
        lasting = self._lasting()
        with self._engine.transaction() as cursor:
            if found and kept.read_to(cursor, CURSOR, before=before, now=found[-1][0]):
                for event in _news(event for _, event in found):
                    self._tell(cursor, of_event(event))
            for alert in lasting:
                self._tell_lasting(cursor, alert)
            self._summary(cursor)

    def tell(self, alert: Alert, *, but_not: str = "") -> None:
        """Tell ``alert`` unless it is too small, was told lately, or too many were; not by the channel ``but_not``."""
        if channels := tuple(name for name in self._channels if name != but_not):
            with self._engine.transaction() as cursor:
                self._tell(cursor, alert, channels)

    def _tell(self, cursor: sqlite3.Cursor, alert: Alert, channels: tuple[str, ...] = ()) -> None:
        told.forget(cursor, alert.over)
        if RANK[alert.severity] < RANK[self._least]:
            return
        now, known = self._clock.real(), told.kind(cursor, alert.key)
        kind = Kind(alert.key, alert.severity, alert.text, now, now)
        if known is not None and known.told_at is not None and now - known.told_at < self._window:
            kind = structs.replace(kind, told_at=known.told_at, untold=known.untold + 1)
        elif self._too_many(cursor, alert.severity, now):
            kind = structs.replace(kind, told_at=None, untold=(known.untold if known else 0) + 1)
        else:
            more = f"\n(and {known.untold} times since it was told last)" if known is not None and known.untold else ""
            self._put(cursor, alert.severity, alert.text, alert.text + more, channels or self._channels)
        told.keep(cursor, kind)

    def _tell_lasting(self, cursor: sqlite3.Cursor, alert: Alert) -> None:
        """A problem is one thing for as long as it lasts, over restarts of ours; of a long one a person is reminded."""
        now, known = self._clock.real(), told.kind(cursor, alert.key)
        if known is None or (alert.key not in self._lasts and now - known.seen_at >= GAP):
            self._tell(cursor, alert)
        elif known.told_at is not None and now - known.told_at >= REMIND:
            text = f"still so: {alert.text}"
            self._put(cursor, alert.severity, text, text, self._channels)
            told.keep(cursor, structs.replace(known, told_at=now, seen_at=now, untold=0))
        else:
            told.keep(cursor, structs.replace(known, seen_at=now))
        self._lasts[alert.key] = self._clock.boot()

    def _summary(self, cursor: sqlite3.Cursor) -> None:
        now = self._clock.real()
        last = told.kind(cursor, SUMMARY)
        if last is not None and now - last.seen_at < self._window:
            return
        if not (kinds := told.untold(cursor, before=now - self._window)):
            return
        severity: Severity = "critical" if any(kind.severity == "critical" for kind in kinds) else "warning"
        lines = [f"{kind.untold} times: {kind.text}" for kind in kinds[:LISTED]]
        if len(kinds) > LISTED:
            lines.append(f"and {len(kinds) - LISTED} other kinds")
        title = f"{sum(kind.untold for kind in kinds)} alerts more, seen again or held back"
        self._put(cursor, severity, title, "\n".join((f"{title}:", *lines)), self._channels)
        for kind in kinds:
            told.keep(cursor, structs.replace(kind, told_at=now, untold=0))
        told.keep(cursor, Kind(SUMMARY, severity, title, now, now))

    def _too_many(self, cursor: sqlite3.Cursor, severity: Severity, now: datetime) -> bool:
        """Critical ones and the others have their own allowance: a flood of small things hides no halt."""
        return outbox.alerts_since(cursor, now - HOUR, critical=severity == "critical") >= self._most

    def _put(
        self, cursor: sqlite3.Cursor, severity: Severity, title: str, text: str, channels: tuple[str, ...]
    ) -> None:
        now, market = self._clock.real(), self._clock.market()
        subject = self._clean(f"trade-mcp {severity}: {title.splitlines()[0][:100]}")
        below = f"{self._sign}\n{now:%Y-%m-%d %H:%M:%S} UTC, market time {market:%Y-%m-%d %H:%M:%S} UTC".strip()
        message = Message(self._new_id(), subject, f"{self._clean(text)}\n\n{below}", severity=severity)
        outbox.add(cursor, message, channels, now=now)

    def _lasting(self) -> list[Alert]:
        """Problems that have lasted for a while, and of which that was not written down just now."""
        now, wrong = self._clock.boot(), {problem.key: problem for problem in self._problems()}
        self._since = {key: self._since.get(key, now) for key in wrong}
        self._lasts = {key: at for key, at in self._lasts.items() if key in wrong}
        return [
            problem
            for key, problem in wrong.items()
            if now - self._since[key] >= STEADY_S and now - self._lasts.get(key, -LOOKED_S) >= LOOKED_S
        ]


def _news(events: Iterable[e.Event]) -> list[e.Event]:
    """``events`` without the alarms that say what another of them says."""
    found = list(events)
    said = {event.reason for event in found if isinstance(event, e.StateChanged | e.BreakSeen)}
    return [event for event in found if not (isinstance(event, e.Alarm) and event.text in said)]


def of_event(event: e.Event) -> Alert:
    """What an event tells a person."""
    match event:
        case e.StateChanged(state=state, reason=reason, by=by):
            severity: Severity = "info" if state is e.TradingState.ACTIVE else "critical"
            others = tuple(_state(other) for other in e.TradingState)
            return Alert(_state(state), severity, f"trading is {state} (by {by}: {reason})", over=others)
        case e.BrakeTripped(brake=brake, scope=scope, reason=reason, until=until):
            end = "a person resumes" if until is None else f"{until:%Y-%m-%d %H:%M} UTC"
            worst: Severity = "critical" if event.effect is not e.TradingState.ACTIVE else "warning"
            return Alert(_brake(brake, scope), worst, f"{reason}; it holds until {end}")
        case e.BrakeReleased(brake=brake, scope=scope, reason=reason):
            said = f"{brake} holds {scope or 'the desk'} no more: {reason}"
            return Alert(f"released {_brake(brake, scope)}", "info", said, over=(_brake(brake, scope),))
        case e.BreakSeen(currency=currency, reason=reason):
            return Alert(_break(currency), "critical", f"no entries in {currency}: {reason}")
        case e.BreakSettled(currency=currency, reason=reason):
            return Alert(f"settled {currency}", "info", f"{currency}: {reason}", over=(_break(currency),))
        case e.Armed(until=until):
            return Alert("armed", "info", f"live trading is armed until {until:%Y-%m-%d %H:%M} UTC")
        case e.Denied(act=act, why=why, by=by):
            return Alert(f"denied {act}", "warning", f"{by} tried what is not theirs to do ({act}): {why}")
        case e.Alarm(text=text, symbol=symbol):
            return Alert(f"{symbol} {same(text)}", "warning", text)
    raise AssertionError(f"no alert for {type(event).__name__}")


def _state(state: e.TradingState) -> str:
    """As health calls it: the event and the problem it leaves behind are one thing."""
    return f"trading is {state}"


def _brake(name: str, scope: str) -> str:
    return f"brake {name} {scope}".strip()


def _break(currency: str) -> str:
    return same(f"no entries in {currency}")


def same(text: str) -> str:
    """``text`` without its numbers and ids: what makes two alerts the same thing.

    >>> same("the stop of order 0190ab-3f was refused at 12.5")
    'the stop of order # was refused at #'
    """
    return re.sub(r"\S*\d\S*", "#", text)[:120]
