"""Loop: the deciding program. At the close of each bar of the desk's timeframe, in market time, it takes one decision.

One loop decides at a time. At speed "max" it moves market time itself, from one close to the next, never while a
decision is open. It hosts a watcher for as long as nobody else watches.
"""

from datetime import datetime
from typing import TYPE_CHECKING

from trade_mcp.desk.marks import floor_to
from trade_mcp.domain.errors import LeaseLost
from trade_mcp.domain.market import timeframe_delta
from trade_mcp.logs import get_logger
from trade_mcp.role import Role, halt, until_told
from trade_mcp.watcher import STANDBY_S, hosted

if TYPE_CHECKING:
    from trade_mcp.app import App
    from trade_mcp.store.leases import Lease

PATIENCE = 0.25  # of a bar, in which it must show after its close; entries later than half a bar are not taken


def run(app: "App", *, for_s: float | None = None) -> None:
    """The program: decide until a signal, or for ``for_s`` real seconds."""
    with until_told(for_s, on_halt=lambda: halt(app)) as stop, hosted(app):
        if not app.settings.loop.enabled:  # not an end: a supervisor would start it again and again
            get_logger("loop").warning("the loop is switched off (loop.enabled = false): it decides nothing")
            stop.wait()
            return
        if why := app.trading.flag.why():
            get_logger("loop").warning("the loop does not start while the halt flag is up", why=why)
            while app.trading.flag.why() and not stop.wait(STANDBY_S):
                pass
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

    def _round(self, lease: "Lease") -> float:
        """With the role: the newest bar is decided once; at speed "max" market time moves on after it."""
        app, bar = self._app, floor_to(self._app.clock.market(), self._step)
        if bar != self._decided and self._shown(bar):
            report = app.decide.step(lease)
            self._decided, self._said = bar, report.summary()
            self.role.log.info("decided", bar=bar.isoformat(), said=self._said)
        self.role.alive(decided=bar.isoformat(), said=self._said, ended=app.clock.ended)
        if app.clock.ended:
            if not self._ended:
                self._ended = True
                self.role.log.warning("the data has ended: market time stands still", at=bar.isoformat())
            return STANDBY_S
        if app.clock.mode == "max":
            app.clock.advance_to(bar + self._step)
            return 0.0
        return self._until_next(bar)

    def _shown(self, bar: datetime) -> bool:
        """Whether the bars that closed then are there. It waits a while: then it decides that there is no data."""
        return self._app.clock.market() - bar >= PATIENCE * self._step or self._app.market.shown(bar)

    def _until_next(self, bar: datetime) -> float:
        """Real seconds until the next bar closes, at most the configured interval, so that a signal is heard."""
        left = (bar + self._step - self._app.clock.market()).total_seconds() / self._app.clock.speed
        return min(max(left, 0.005), self._app.settings.loop.interval_s)
