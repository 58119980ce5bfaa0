"""Clerk: reports, tidying, alerts and messages, beside the trading and never in its way.

One clerk at a time (a lease), in a thread of whoever watches. Its round only looks; each channel, and the jobs
together, work in a lane of their own: what hangs there (a mail server, a report) holds up no tick and no other lane.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from trade_mcp.channels.ping import ping
from trade_mcp.domain.errors import LeaseLost, NotDelivered
from trade_mcp.logs import redacted
from trade_mcp.office.alerts import Alert, Alerts, same
from trade_mcp.office.jobs import Job, is_due, run_due
from trade_mcp.office.post import Post
from trade_mcp.office.reports import forget
from trade_mcp.office.retention import tidy
from trade_mcp.office.switch import Switch
from trade_mcp.ports import Channel
from trade_mcp.role import Role
from trade_mcp.store import alerts as told
from trade_mcp.store import outbox
from trade_mcp.store.outbox import Claimed

if TYPE_CHECKING:
    from trade_mcp.app import App

EVERY_S = 1.0  # real seconds between rounds
ALERTS_EVERY_S = 3.0
LONG_S = 900.0  # a job that works for longer is told of
LEAVE_S = 1.0  # how long the end of the program waits for a message on its way
KEPT = timedelta(days=30)  # real time that what was sent and told is remembered


def jobs(app: "App") -> tuple[Job, ...]:
    """The jobs of this configuration."""
    own = [
        Job("correlations", timedelta(hours=1), _correlated, soon=True),
        Job("tidy", timedelta(hours=6), _tidied),
    ]
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
        thread.join(timeout=2 * LEAVE_S)  # what a lane was sending then stays in the outbox


def clerking(app: "App", stop: threading.Event) -> None:
    """Rounds of the clerk until ``stop``."""
    role, desk = Role(app, "clerk", beat="clerk"), None
    try:
        while not stop.wait(EVERY_S):
            try:
                if role.hold() is not None:
                    desk = desk or Clerk(app, role, stop)  # channels and keyring are opened by who needs them
                    desk.round()
            except LeaseLost as error:
                role.lost(error)
            except Exception as error:  # a bug here must not end the messages for good
                role.failed("the clerk failed", error)
    finally:
        role.release()
        if desk is not None:
            desk.leave()


class Lane:
    """One piece of work at a time, in a thread of its own."""

    def __init__(self, name: str, failed: Callable[[BaseException], object]):
        self._name, self._failed = name, failed
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self, work: Callable[[], object]) -> None:
        """Do ``work``; the lane must not be busy."""
        self._thread = threading.Thread(target=self._run, args=(work,), name=f"clerk {self._name}", daemon=True)
        self._thread.start()

    def leave(self, timeout_s: float) -> None:
        """Wait for the work under way, no longer than this."""
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _run(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception as error:
            self._failed(error)


class Clerk:
    """One round: tell what is new, send what waits, run what is due."""

    def __init__(self, app: "App", role: Role, stop: threading.Event):
        self._app, self._role, self._stop = app, role, stop
        channels: dict[str, Channel] = app.settings.channels()
        alerts = app.settings.alerts
        self._alerts = Alerts(
            app.engine,
            clock=app.clock,
            problems=self._problems,
            channels=tuple(name for name in channels if alerts.channels is None or name in alerts.channels),
            new_id=app.new_id,
            least=alerts.least,
            window=alerts.window,
            most_per_hour=alerts.most_per_hour,
            sign=f"desk {app.settings.desk.account} ({app.venue.name}) on {socket.gethostname()}",
            clean=redacted,
        )
        self._posts = [(self._post(name, channel), self._lane(name)) for name, channel in channels.items()]
        self._jobs, self._work = jobs(app), self._lane("jobs")
        self._job, self._job_began = "", 0.0
        self._alerts_at = 0.0
        self._switch, self._pings = switch(app), self._lane("ping")

    def round(self) -> None:
        """One round. What fails in a lane is told there."""
        now = self._app.clock.boot()
        if now >= self._alerts_at:
            self._alerts_at = now + ALERTS_EVERY_S
            self._alerts.step()
        if self._switch is not None and self._switch.due and not self._pings.busy:
            self._pings.start(partial(self._ping, self._switch))
        for post, lane in self._posts:
            if not lane.busy and post.waits():
                lane.start(partial(self._hand_over, post))
        if not self._work.busy:
            if due := [job for job in self._jobs if is_due(job, self._app.engine, self._app.clock)]:
                self._job = ""
                self._work.start(partial(self._run, due))
        elif self._job and now - self._job_began >= LONG_S:
            self._alerts.tell(Alert(f"job {self._job}", "warning", f"the job {self._job} does not come to an end"))
            self._job_began = now
        self._role.alive(channels=[post.name for post, _ in self._posts])

    def leave(self) -> None:
        """Wait a little for messages that are on their way; then the next clerk sends them again."""
        for _, lane in self._posts:
            lane.leave(LEAVE_S / len(self._posts))

    def _hand_over(self, post: Post) -> None:
        while not self._stop.is_set() and post.hand_over():
            pass

    def _ping(self, switch: Switch) -> None:
        if why := switch.step():
            self._role.log.warning("the dead man's switch did not hear us", why=why)

    def _run(self, due: list[Job]) -> None:
        for job in due:
            self._job, self._job_began = job.name, self._app.clock.boot()
            if (failure := run_due(job, self._app, self._app.engine, self._app.clock)) is not None:
                self._failed(f"the job {job.name} failed", failure)
                self._alerts.tell(Alert(f"job {job.name}", "warning", f"the job {job.name} failed: {failure}"))

    def _problems(self) -> list[Alert]:
        return [
            Alert(same(problem.text), "critical" if problem.failing else "warning", str(problem))
            for problem in self._app.health().found
        ]

    def _post(self, name: str, channel: Channel) -> Post:
        return Post(
            self._app.engine,
            name,
            channel,
            clock=self._app.clock,
            delivered=lambda one: self._role.log.info("delivered", channel=name, message=one.message.id),
            failed=partial(self._not_delivered, name),
            broken=lambda why: self._alerts.tell(Alert(f"broken {name}", "warning", why), but_not=name),
        )

    def _not_delivered(self, name: str, one: Claimed, error: Exception) -> None:
        if isinstance(error, NotDelivered):
            said = {"why": error.message, "fault": error.fault}
            self._role.log.warning("not delivered", channel=name, message=one.message.id, tries=one.attempts, **said)
        else:
            self._failed(f"{name} failed", error)

    def _lane(self, name: str) -> Lane:
        return Lane(name, partial(self._failed, f"the lane {name} of the clerk failed"))

    def _failed(self, what: str, error: BaseException) -> None:
        if not self._stop.is_set():  # at the end the ledger is closed under a lane that still sends
            self._role.failed(what, error)


def _tidied(app: Any) -> str:
    keep, before = app.settings.retention, app.clock.real() - KEPT
    said = tidy(app.engine, app.clock, ticks=timedelta(days=keep.ticks_days), hourly=timedelta(days=keep.hourly_days))
    dropped = outbox.drop_old(app.engine, before=before)
    with app.engine.transaction() as cursor:
        told.drop_old(cursor, before=before)
    reports = forget(app.engine, before=app.clock.real() - timedelta(days=app.settings.reports.keep_days))
    return f"{said}, {dropped} old messages dropped, {reports} old reports deleted"


def _correlated(app: Any) -> str:
    from trade_mcp.office.correlations import correlate

    return correlate(app.log, app.market, clock=app.clock)


def _reported(app: Any) -> str:
    from trade_mcp.reports.job import report_and_mail

    return report_and_mail(app)
