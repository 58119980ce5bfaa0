"""A desk whose market time is moved by hand, and its programs: as alive as a test lets them be."""

from pathlib import Path
from typing import Any

from desk.stage import STEP, WARM, candle_file, desk, flat
from trade_mcp.app import App
from trade_mcp.loop import Deciding
from trade_mcp.role import Role
from trade_mcp.watcher import _round

Bars = list[tuple[float, float, float, float] | None]


class Staged:
    """A desk with a watcher and a loop that run one round when they are told to."""

    def __init__(self, folder: Path, ledger: Path, bars: Bars | None = None, **sections: dict[str, Any]):
        self.app: App = desk(folder, ledger, candle_file(folder, bars or flat(WARM + 60)), **sections)
        self.app.heartbeats.gone("watch")
        self._watcher, self._loop = Role(self.app, "watch", beat="watch"), Deciding(self.app)

    def watch(self) -> None:
        assert _round(self.app, self._watcher, "test")

    def decide(self) -> None:
        """At the bar that is closed; afterwards the market goes on to the next."""
        self._loop.round()

    def on(self, bars: int = 1) -> None:
        """Bars pass and nobody decides."""
        self.app.clock.advance_to(self.app.clock.market() + STEP * bars)

    def well(self) -> None:
        self.watch()
        self.decide()

    @property
    def problems(self) -> tuple[str, ...]:
        return self.app.health().problems

    @property
    def failing(self) -> tuple[str, ...]:
        return self.app.health().failing
