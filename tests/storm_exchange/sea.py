"""A sea: the real desk on the ccxt venue, over real sockets, against the practice exchange, both markets moved by hand.

The exchange misbehaves on command (its control port). A desk can be thrown away and built again, as after a kill.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from pathlib import Path
from typing import Any

from desk.stage import BEGIN, STEP, STOP_2, WARM, candle_file, flat
from practice.running import KEY, SECRET, Running, running
from trade_mcp.app import App, build
from trade_mcp.domain.order import OrderRequest, Side
from trade_mcp.feeds.replay import replay_feed
from trade_mcp.ports import Balance
from trade_mcp.settings import load_settings
from trade_mcp.venues.ccxt import CcxtVenue
from venues.stopless import stopless

START = BEGIN + STEP * WARM
CASH = D(10_000)
Bars = Sequence[tuple[float, float, float, float] | None]


class Late:
    """How much later it is in a sea than outside."""

    s = 0.0

    def real(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.s)


class Sea:
    """One exchange and the desks on it."""

    def __init__(
        self,
        folder: Path,
        ledger: Path,
        files: list[Path],
        exchange: Running,
        *,
        late: Late,
        sections: dict[str, Any],
    ):
        self.folder, self.exchange, self.control = folder, exchange, exchange.control
        self._ledger, self._files, self._sections = ledger, files, sections
        self.late = late
        self.desks: list[App] = []

    def desk(self, name: str = "desk", **more: dict[str, Any]) -> App:
        """A desk on the ledger in the folder ``name``; again for a restart, or for a second process."""
        data = self.folder / name
        data.mkdir(exist_ok=True)
        if not (data / "ledger.db").exists():
            shutil.copy(self._ledger, data / "ledger.db")
        own: dict[str, dict[str, Any]] = {
            "desk": {"data_dir": str(data), "venue": "ccxt", "exchange": "binance"},
            "feed": {
                "name": "replay",
                "data": [str(file) for file in self._files],
                "speed": "max",
                "start": START.isoformat(),
                "spread": "0.0002",
            },
        }
        for section, values in (self._sections | more).items():
            own[section] = own.get(section, {}) | values
        secrets = {"KEY": KEY, "SECRET": SECRET, "URL": self.exchange.url}
        env = {f"TRADE_MCP_EXCHANGE_{name}": value for name, value in secrets.items()}
        app = build(load_settings(env=env, overrides=own), "test")
        assert isinstance(app.venue, CcxtVenue)
        app.venue.poll_s = 0.0
        for clock in (app.clock, app.venue.exchange.clock):
            self._put_on(clock)
        app.heartbeats.beat("watch", {})
        self.desks.append(app)
        return app

    def _put_on(self, clock: Any) -> None:
        real, boot = clock.real, clock.boot
        clock.real = lambda: real() + timedelta(seconds=self.late.s)
        clock.boot = lambda: boot() + self.late.s

    def restart(self, app: App) -> App:
        """The process of ``app`` dies and a new one begins on its ledger."""
        app.close()
        self.desks = [other for other in self.desks if other is not app]
        return self.desk(app.settings.desk.data_dir.name)

    def pass_(self, seconds: float) -> None:
        """Real time goes on, for the exchange and for every desk. ccxt's own clock stays behind, until it is set."""
        self.late.s += seconds
        for app in self.desks:
            app.heartbeats.beat("watch", {})

    def bars(self, count: int = 1) -> None:
        """Market time goes on, there and here; nobody looks."""
        for _ in range(count):
            self.control.move_on(STEP.total_seconds())
            for app in self.desks:
                app.clock.advance_to(app.clock.market() + STEP)
                app.heartbeats.beat("watch", {})

    def fault(self, name: str, where: str = "*", **more: Any) -> int:
        """Put one fault in force; how to take it back is `control.clear`."""
        (number,) = self.control.add({"fault": name, "where": where, **more})
        return number

    @staticmethod
    def named(app: App, order_id: str) -> str:
        """What the exchange calls an order of ``app``."""
        assert isinstance(app.venue, CcxtVenue)
        return app.venue.names.out(order_id)

    # What the exchange itself has, asked past the desk

    @property
    def books(self) -> dict[str, Any]:
        return self.control.books(KEY)

    @property
    def orders(self) -> list[dict[str, Any]]:
        return list(self.books["orders"])

    @property
    def resting(self) -> list[dict[str, Any]]:
        return [order for order in self.orders if order["status"] in ("NEW", "PARTIALLY_FILLED", "PENDING_NEW")]

    def balances(self) -> dict[str, Balance]:
        return dict(self.desks[0].venue.balances())


@contextmanager
def sea(
    folder: Path,
    ledger: Path,
    bars: Bars | None = None,
    *,
    eth: Bars | None = None,
    volume: float = 100_000.0,
    holdings: str = "",
    stops: bool = True,
    **sections: dict[str, Any],
) -> Iterator[Sea]:
    """A sea in ``folder``. ``holdings``: what the account holds beside CASH, as "BTC=2"; ``stops``: they rest at the
    exchange, else the desks watch them; ``sections`` are settings.
    """
    files = [candle_file(folder, bars or flat(400), volume=volume)]
    if eth is not None:
        files.append(candle_file(folder, eth, "ETH", volume))
    account = f"{KEY}:{SECRET}:USDT={CASH}" + (f",{holdings}" if holdings else "")
    feed = replay_feed(files, warmup=2, start=START)
    late = Late()
    with (
        nullcontext() if stops else stopless(),
        running(folder, feed=feed, accounts=(account,), speed=0.0, start=START, real=late.real) as exchange,
    ):
        world = Sea(folder, ledger, files, exchange, late=late, sections=sections)
        try:
            yield world
        finally:
            for app in world.desks:
                app.close()


def watched(app: App) -> None:
    """One round that hears everything and fails at nothing."""
    report = app.watch.step()
    assert report.errors == (), report.errors


def buy(order_id: str = "a", size: Any = "1", symbol: str = "BTC/USDT", **more: Any) -> OrderRequest:
    more = {"exits": STOP_2} | more
    amount = {} if "notional" in more else {"size": D(size)}
    return OrderRequest(order_id=order_id, symbol=symbol, side=Side.BUY, **amount, **more)
