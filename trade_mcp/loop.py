"""Loop: the deciding program. At the close of each bar of the desk's timeframe, in market time, it takes one decision.

One loop decides at a time. At speed "max" it moves market time itself, from one close to the next, never while a
decision is open. It hosts a watcher for as long as nobody else watches.
"""

import threading
from datetime import datetime
from typing import TYPE_CHECKING

from trade_mcp.desk.watch import floor_to
from trade_mcp.domain.errors import LeaseLost
from trade_mcp.domain.market import timeframe_delta
from trade_mcp.role import Role, halt, until_told
from trade_mcp.watcher import STANDBY_S, hosted

if TYPE_CHECKING:
    from trade_mcp.app import App
    from trade_mcp.store.leases import Lease


def run(app: "App", *, for_s: float | None = None) -> None:
    """The program: decide until a signal, or for ``for_s`` real seconds."""
    with until_told(for_s, on_halt=lambda: halt(app)) as stop, hosted(app):
        deciding = Deciding(app)
        try:
            while not stop.wait(deciding.round()):
                pass
        finally:
            deciding.role.release()


class Deciding:
    """The rounds of the loop: which bar was decided, and how long to wait for the next."""

    def __init__(self, app: "App"):
        self._app = app
        self._step = timeframe_delta(app.market.timeframe)
        self._decided: datetime | None = None
        self._said = ""  # the last report, for the heartbeat
        self._ended = False
        self.role = Role(app, "decide", beat="loop")

    def round(self) -> float:
        """Decide if a bar has closed and the role is ours; answers the real seconds to wait until the next look."""
        try:
            if (lease := self.role.hold()) is None:
                return STANDBY_S
            return self._round(lease)
        except LeaseLost as error:
            self.role.lost(error)
        except Exception as error:  # a bug at one bar must not end the trading of all later ones
            self.role.failed("deciding failed", error)
        return STANDBY_S
