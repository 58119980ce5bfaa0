"""Clerk: reports, tidying, alerts and messages, beside the trading and never in its way.

One clerk at a time (a lease), in a thread of whoever watches. What hangs here (a mail server, a report) delays the next
message, never a tick.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from trade_mcp.channels.ping import ping
from trade_mcp.domain.errors import LeaseLost, NotDelivered
from trade_mcp.office.alerts import Alert, Alerts
from trade_mcp.office.jobs import Job, run_due
from trade_mcp.office.reports import forget
from trade_mcp.office.retention import tidy
from trade_mcp.office.switch import Switch
from trade_mcp.ports import Channel, Message
from trade_mcp.role import Role
from trade_mcp.store import outbox

if TYPE_CHECKING:
    from trade_mcp.app import App

EVERY_S = 1.0  # real seconds between rounds
ALERTS_EVERY_S = 3.0
KEPT = timedelta(days=30)  # real time that what was sent is remembered


def jobs(app: "App") -> tuple[Job, ...]:
    """The jobs of this configuration."""
    own = [Job("tidy", timedelta(hours=6), _tidied)]
    if app.settings.reports.every is not None:
        own.append(Job("report", app.settings.reports.every, _reported))
    return tuple(own)


def switch(app: "App") -> Switch | None:
    """The dead man's switch of this configuration; None while none is set."""
    given = app.settings.health
    if given.ping_url is None:
        return None
    return Switch(
        given.ping_url.get_secret_value(),
        every_s=given.ping_every_s,
        tell_why=given.ping_fail,
        failing=lambda: app.health().failing,
        send=ping,
        clock=app.clock,
    )


@contextmanager
def hosted(app: "App") -> Iterator[None]:
    """A clerk in a thread for as long as the block runs, whenever nobody else is it."""
    stop = threading.Event()
    thread = threading.Thread(target=clerking, args=(app, stop), name="clerk", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=2.0)  # one that waits for a mail server is left: what it sends stays in the outbox


def clerking(app: "App", stop: threading.Event) -> None:
    """Rounds of the clerk until ``stop``."""
    role = Role(app, "clerk", beat="clerk")
    clerk = Clerk(app, role)
    try:
        while not stop.wait(EVERY_S):
            clerk.round()
    finally:
        role.release()


class Clerk:
    """One round: tell what is new, send what waits, run what is due."""

    def __init__(self, app: "App", role: Role):
        self._app, self._role = app, role
        self._channels: dict[str, Channel] = app.settings.channels()
        self._jobs = jobs(app)
        alerts = app.settings.alerts
        self._alerts = Alerts(
            app.engine,
            clock=app.clock,
            problems=lambda: app.health().problems,
            send=lambda message: outbox.put(app.engine, message, self._told(message), now=app.clock.real()),
            new_id=app.new_id,
            least=alerts.least,
            window=alerts.window,
            most_per_hour=alerts.most_per_hour,
        )
        self._alerts_at = 0.0
        self._switch = switch(app)

    def round(self) -> None:
        """One round if the role is ours. Whatever fails is told and counted; the next round tries again."""
        try:
            if self._role.hold() is None:
                return
            if self._switch is not None and self._switch.due and (why := self._switch.step()):
                self._role.log.warning("the dead man's switch did not hear us", why=why)
            if self._channels and self._app.clock.boot() >= self._alerts_at:
                self._alerts.step()
                self._alerts_at = self._app.clock.boot() + ALERTS_EVERY_S
            for name, channel in self._channels.items():
                self._deliver(name, channel)
            for job in self._jobs:
                if (failure := run_due(job, self._app, self._app.engine, self._app.clock)) is not None:
                    self._role.failed(f"the job {job.name} failed", failure)
                    self._alerts.tell(Alert(f"job {job.name}", "warning", f"the job {job.name} failed: {failure}"))
            self._role.alive(channels=list(self._channels))
        except LeaseLost as error:
            self._role.lost(error)
        except Exception as error:  # a bug here must not end the messages for good
            self._role.failed("the clerk failed", error)

    def _told(self, message: Message) -> tuple[str, ...]:
        return tuple(self._channels)

    def _deliver(self, name: str, channel: Channel) -> None:
        """The oldest message that waits at one channel."""
        engine, clock = self._app.engine, self._app.clock
        if (one := outbox.due(engine, name, now=clock.real())) is None:
            return
        try:
            channel.deliver(one.message)
        except NotDelivered as error:
            again = outbox.not_sent(engine, one, error.message, retry=error.retry, now=clock.real())
            self._role.log.warning(
                "not delivered", channel=name, why=error.message, message=one.message.id, again=again
            )
            if not again:
                text = f"a message could not be delivered by {name}: {error.message}"
                self._alerts.tell(Alert(f"undelivered {name}", "warning", text))
        else:
            outbox.sent(engine, one)
            self._role.log.info("delivered", channel=name, message=one.message.id)


def _tidied(app: Any) -> str:
    keep = app.settings.retention
    said = tidy(app.engine, app.clock, ticks=timedelta(days=keep.ticks_days), hourly=timedelta(days=keep.hourly_days))
    dropped = outbox.drop_old(app.engine, before=app.clock.real() - KEPT)
    reports = forget(app.engine, before=app.clock.real() - timedelta(days=app.settings.reports.keep_days))
    return f"{said}, {dropped} old messages dropped, {reports} old reports deleted"


def _reported(app: Any) -> str:
    from trade_mcp.reports.job import report_and_mail

    return report_and_mail(app)
