"""Leases and heartbeats: who may act in a role, fenced by an epoch that grows with every change of hands; who lives."""

import os
import socket
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
from msgspec import Struct

from trade_mcp.ports import Clock
from trade_mcp.store.engine import BUSY_S, Engine, Reader
from trade_mcp.store.text import as_json, when

FIND = "SELECT holder, epoch, expires_at, host, boot, pid FROM leases WHERE name = ?"
HELD = "SELECT name, holder, epoch, expires_at, host, boot, pid FROM leases ORDER BY name"
KEEP = "INSERT OR REPLACE INTO leases (name, holder, epoch, expires_at, host, boot, pid) VALUES (?, ?, ?, ?, ?, ?, ?)"
RENEW = "UPDATE leases SET expires_at = ? WHERE name = ? AND holder = ? AND epoch = ?"
BEAT = (
    "INSERT INTO heartbeats (program, host, pid, started_at, at, code, detail) VALUES (?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (program, host, pid) DO UPDATE SET started_at = excluded.started_at, at = excluded.at,"
    " code = excluded.code, detail = excluded.detail"
)
GONE = "DELETE FROM heartbeats WHERE program = ? AND host = ? AND pid = ?"
FORGET = "DELETE FROM heartbeats WHERE program = ? AND at < ?"
BEATS = "SELECT program, host, pid, started_at, at, code, detail FROM heartbeats ORDER BY at DESC"
LAST_BEAT = "SELECT max(at) FROM heartbeats WHERE program = ? AND at <= ?"
UP = "up_s"  # kept with what a program tells of itself
SLACK = timedelta(seconds=2)  # between the clocks of two machines
FREE = datetime.min.replace(tzinfo=UTC)


class Lease(Struct, frozen=True):
    """What a process was given. It may be lost at any time: `Log.writing` and the sender check the epoch."""

    name: str
    holder: str
    epoch: int
    ttl_s: float


class Holder(Struct, frozen=True):
    """Who holds a role now, for people to read."""

    name: str
    holder: str
    epoch: int
    expires_at: datetime  # real time
    host: str
    pid: int


class Leases:
    """The roles as this process (``me``, made up if not given) sees them. Times are real, in UTC."""

    def __init__(self, engine: Engine, *, clock: Clock, me: str = ""):
        self._engine, self._clock = engine, clock
        self.me = me or f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"

    def take(self, name: str, ttl_s: float) -> Lease | None:
        """The role for ``ttl_s`` seconds, or None while another living process holds it.

        Free when it expired, or when its process on this machine is dead.
        """
        holder = self.holder(name)
        if holder is not None and holder.holder != self.me:
            return None  # without writing: whoever waits asks every second
        with self._engine.transaction() as cursor:
            now = self._clock.real()
            found = cursor.execute(FIND, (name,)).fetchone()
            epoch = 1
            if found is not None:
                before, epoch, *rest = found
                if before != self.me:
                    if _held(*rest, now=now):
                        return None
                    epoch += 1
            expires = when(now + timedelta(seconds=ttl_s))
            cursor.execute(KEEP, (name, self.me, epoch, expires, socket.gethostname(), boot(), os.getpid()))
        return Lease(name, self.me, epoch, ttl_s)

    def renew(self, lease: Lease) -> bool:
        """Hold ``lease`` for its length of time from now on; False if it is lost."""
        with self._engine.transaction() as cursor:
            expires = when(self._clock.real() + timedelta(seconds=lease.ttl_s))
            return cursor.execute(RENEW, (expires, lease.name, lease.holder, lease.epoch)).rowcount == 1

    def release(self, lease: Lease) -> None:
        """Give the role back; nothing happens if it is lost already."""
        with self._engine.transaction() as cursor:
            cursor.execute(RENEW, (when(FREE), lease.name, lease.holder, lease.epoch))

    def current(self, lease: Lease) -> bool:
        """Whether nobody has taken ``lease`` over."""
        found = self._engine.row(FIND, (lease.name,))
        return found is not None and found[:2] == (lease.holder, lease.epoch)

    def holder(self, name: str) -> Holder | None:
        """Who holds the role now; None while it is free."""
        return next((lease for lease in self.held() if lease.name == name), None)

    def held(self) -> list[Holder]:
        """Every role that is held now, and by whom."""
        return leases(self._engine, now=self._clock.real())


class Heartbeat(Struct, frozen=True):
    """The last sign of life of one program in one process. Times are real."""

    program: str
    host: str
    pid: int
    started_at: datetime
    at: datetime
    code: str
    detail: dict[str, Any]
    age_s: float  # when it was read; below 0: it comes from a time that is not yet
    up_s: float  # how long the process had run, by the clock that nobody can set

    @property
    def stepped_s(self) -> float:
        """How far the real clock was set forward (+) or back (-) while the process ran."""
        return (self.at - self.started_at).total_seconds() - self.up_s


class Heartbeats:
    """Signs of life of every program on this ledger. ``code`` is the version of this one."""

    def __init__(self, engine: Engine, *, clock: Clock, code: str = ""):
        self._engine, self._clock, self._code = engine, clock, code
        self._started, self._started_boot = clock.real(), clock.boot()

    def beat(self, program: str, detail: dict[str, Any], *, wait_s: float = BUSY_S) -> None:
        """Say that ``program`` lives here and now, and how it does. Signs older than a day are forgotten.

        Raises LedgerBusy after ``wait_s``.
        """
        now, up_s = self._clock.real(), round(self._clock.boot() - self._started_boot, 3)
        values = (program, socket.gethostname(), os.getpid(), when(self._started), when(now), self._code)
        with self._engine.transaction(wait_s=wait_s) as cursor:
            cursor.execute(BEAT, (*values, as_json(detail | {UP: up_s})))
            cursor.execute(FORGET, (program, when(now - timedelta(days=1))))

    def gone(self, program: str) -> None:
        """Take the sign of ``program`` in this process back: it ended as it should."""
        with self._engine.transaction() as cursor:
            cursor.execute(GONE, (program, socket.gethostname(), os.getpid()))

    def all(self) -> list[Heartbeat]:
        """The last sign of every program and process, newest first."""
        return beats(self._engine, now=self._clock.real())

    def silence_s(self, program: str) -> float | None:
        """Real seconds since ``program`` last gave a sign anywhere; None if it never did."""
        now = self._clock.real()
        # A sign from the future was given before the clock was set back: it says nothing about now.
        found = self._engine.row(LAST_BEAT, (program, when(now + SLACK)))
        if found is None or found[0] is None:
            return None
        return max(0.0, (now - datetime.fromisoformat(found[0])).total_seconds())


def beats(reader: Reader, *, now: datetime) -> list[Heartbeat]:
    """The last sign of every program and process as of real time ``now``, newest first."""
    found = []
    for program, host, pid, started, at, code, text in reader.rows(BEATS):
        detail = msgspec.json.decode(text)
        began, last = datetime.fromisoformat(started), datetime.fromisoformat(at)
        up_s = detail.pop(UP, (last - began).total_seconds())
        age_s = (now - last).total_seconds()
        found.append(Heartbeat(program, host, pid, began, last, code, detail, age_s, up_s))
    return found


def leases(reader: Reader, *, now: datetime) -> list[Holder]:
    """Every role that is held at real time ``now``, and by whom."""
    return [
        Holder(name, me, epoch, datetime.fromisoformat(expires), host, pid)
        for name, me, epoch, expires, host, boot_id, pid in reader.rows(HELD)
        if _held(expires, host, boot_id, pid, now=now)
    ]


def _held(expires_at: str, host: str, boot_id: str, pid: int, *, now: datetime) -> bool:
    if datetime.fromisoformat(expires_at) <= now:
        return False
    return not (host == socket.gethostname() and boot_id == boot() and boot_id and dead(pid))


def dead(pid: int) -> bool:
    """Whether there is no process ``pid`` on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


@cache
def boot() -> str:
    """This boot of this machine, and which processes can be seen from here; "" where that cannot be known."""
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""
