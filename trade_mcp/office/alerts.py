"""Alerts: what a person should hear of, once. From the ledger's events and from what health finds wrong.

Every event is looked at once, over restarts too; a kind of alert that was told is only counted for a while, and beyond
so many in an hour only critical ones are told by themselves: the rest comes as one summary.
"""

import re
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Literal

from msgspec import Struct, structs

from trade_mcp.domain import events as e
from trade_mcp.ports import Clock, Message
from trade_mcp.store import alerts as told
from trade_mcp.store import history
from trade_mcp.store import jobs as kept
from trade_mcp.store.engine import Engine

Severity = Literal["info", "warning", "critical"]
RANK = {"info": 0, "warning": 1, "critical": 2}
KINDS = (e.Alarm, e.StateChanged, e.BreakSeen, e.BreakSettled)
HOUR = timedelta(hours=1)
STEADY_S = 20.0  # real seconds a problem must last before it is told: a restart is none
CURSOR = "alerts"  # the row of `jobs` that says how far the events were read


class Alert(Struct, frozen=True):
    """One thing to tell. Alerts with the same ``key`` are the same thing again."""

    key: str
    severity: Severity
    text: str


class Alerts:
    """Finds what is new and puts it into the outbox."""

    def __init__(
        self,
        engine: Engine,
        *,
        clock: Clock,
        problems: Callable[[], Iterable[str]],
        send: Callable[[Message], None],
        new_id: Callable[[], str],
        least: Severity,
        window: timedelta,
        most_per_hour: int,
    ):
        self._engine, self._clock, self._problems, self._send, self._new_id = engine, clock, problems, send, new_id
        self._least, self._window, self._most = least, window, most_per_hour
        self._since: dict[str, float] = {}  # a problem -> when it was first seen, boot time

    def step(self) -> None:
        """Tell what happened since the last look, and what is wrong for a while now."""
        cursor = kept.job(self._engine, CURSOR)
        found = history.since(self._engine, KINDS, after=cursor.cursor)
        for _, event in found:
            self.tell(of_event(event))
        if found:  # after they are in the outbox: a crash between tells one twice rather than never
            kept.keep(self._engine, structs.replace(cursor, cursor=found[-1][0]))
        for problem in self._steady():
            self.tell(Alert(same(problem), "warning", problem))
        for again in told.untold(self._engine, before=self._clock.real() - self._window):
            text = f"{again.count} times more in the last {self._window / HOUR:g} h: {again.text}"
            self._put(Alert(again.key, again.severity, text))  # type: ignore[arg-type]

    def tell(self, alert: Alert) -> None:
        """Tell ``alert`` unless it is too small, was told lately, or too many were."""
        if RANK[alert.severity] < RANK[self._least]:
            return
        now = self._clock.real()
        flood = alert.severity != "critical" and told.told_since(self._engine, now - HOUR) >= self._most
        key = "flood" if flood else alert.key
        if told.note(self._engine, key, alert.text, alert.severity, now=now, window=self._window):
            text = f"more than {self._most} alerts in an hour; the newest: {alert.text}" if flood else alert.text
            self._put(structs.replace(alert, text=text))

    def _put(self, alert: Alert) -> None:
        subject = f"trade-mcp {alert.severity}: {alert.text.splitlines()[0][:100]}"
        at = f"{self._clock.real():%Y-%m-%d %H:%M:%S} UTC"
        self._send(Message(self._new_id(), subject, f"{alert.text}\n\nseen at {at}", severity=alert.severity))

    def _steady(self) -> list[str]:
        """Problems that have lasted for a while."""
        now, wrong = self._clock.boot(), list(self._problems())
        self._since = {problem: self._since.get(problem, now) for problem in wrong}
        return [problem for problem, since in self._since.items() if now - since >= STEADY_S]


def of_event(event: e.Event) -> Alert:
    """What an event tells a person."""
    match event:
        case e.StateChanged(state=state, reason=reason, by=by):
            severity: Severity = "info" if state is e.TradingState.ACTIVE else "critical"
            return Alert(f"state {state}", severity, f"trading is {state} (by {by}: {reason})")
        case e.BreakSeen(currency=currency, reason=reason):
            return Alert(f"break {currency}", "critical", f"no entries in {currency}: {reason}")
        case e.BreakSettled(currency=currency, reason=reason):
            return Alert(f"settled {currency}", "info", f"{currency}: {reason}")
        case e.Alarm(text=text, symbol=symbol):
            return Alert(f"alarm {symbol} {same(text)}", "warning", text)
    raise AssertionError(f"no alert for {type(event).__name__}")


def same(text: str) -> str:
    """``text`` without its numbers: what makes two alerts the same thing."""
    return re.sub(r"\d[\d.,:-]*", "#", text)[:120]
