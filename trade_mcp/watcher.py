"""Watcher: the watching program. It calls the watching half of the desk several times a second, while the role is its.

A lone server or loop hosts it in a thread: no entry is ever without somebody who watches its exits.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from trade_mcp import clerk
from trade_mcp.domain.errors import LeaseLost
from trade_mcp.role import Role, halt, until_told

if TYPE_CHECKING:
    from trade_mcp.app import App

EVERY_S = 0.2  # real seconds between rounds
STANDBY_S = 0.5  # real seconds between looks at a role that another holds
VITAL = ("fills", "pending", "audit", "exits", "stops")  # who cannot do these does not watch, and must not look as if


def run(app: "App", *, for_s: float | None = None) -> None:
    """The program: watch until a signal, or for ``for_s`` real seconds."""
    with until_told(for_s, on_halt=lambda: halt(app)) as stop, clerk.hosted(app):
        watching(app, stop, host="watch")


@contextmanager
def hosted(app: "App") -> Iterator[None]:
    """Watch in a thread for as long as the block runs, whenever nobody else does."""
    stop = threading.Event()
    thread = threading.Thread(target=watching, args=(app, stop), kwargs={"host": app.program}, name="watcher")
    thread.start()
    try:
        with clerk.hosted(app):
            yield
    finally:
        stop.set()
        thread.join()


def watching(app: "App", stop: threading.Event, *, host: str) -> None:
    """Rounds of the watcher until ``stop``; standing by while another process holds the role."""
    role = Role(app, "watch", beat="watch")
    try:
        with role.kept():
            while not stop.wait(EVERY_S if _round(app, role, host) else STANDBY_S):
                pass
    finally:
        role.release()


def _round(app: "App", role: Role, host: str) -> bool:
    """One round if the role is ours. Whatever fails is told and counted; the next round tries again."""
    try:
        if (lease := role.hold()) is None:
            return False
        report = app.watch.step(lease)
        if broken := [step for step in report.steps if step.error and step.name in VITAL]:
            role.failed("watching failed", RuntimeError("; ".join(f"{step.name}: {step.error}" for step in broken)))
        else:
            role.alive(host=host, unprotected=list(report.unprotected), errors=list(report.errors))
        return True
    except LeaseLost as error:
        role.lost(error)
        return False
    except Exception as error:  # a bug in one round must not leave the positions unwatched for good
        role.failed("watching failed", error)
        return True
