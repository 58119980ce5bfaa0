"""A stage: the real desk on candles a test writes, its market time moved by hand, its venue made to lose answers."""

import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from pathlib import Path
from typing import Any

from trade_mcp.app import App, build
from trade_mcp.domain.distances import Distance
from trade_mcp.domain.errors import VenueUnreachable
from trade_mcp.domain.exits import ExitPlan
from trade_mcp.domain.order import Order, OrderRequest, Report, Side
from trade_mcp.settings import load_settings

BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
STEP = timedelta(minutes=5)
WARM = 230  # bars before the desk begins
BTC, ETH = "BTC/USDT", "ETH/USDT"
STOP_2 = ExitPlan(stop=Distance(fraction=D("0.02")))
Bars = Sequence[tuple[float, float, float, float] | None]  # open, high, low, close; None is a hole


def flat(count: int, price: float = 100.01) -> list[tuple[float, float, float, float]]:
    return [(price, price, price, price)] * count


def candle_file(folder: Path, bars: Bars, coin: str = "BTC", volume: float = 100_000.0) -> Path:
    opens = (int((BEGIN + STEP * number).timestamp() * 1000) for number in range(len(bars)))
    rows = [",".join(map(str, (at, *bar, volume))) for at, bar in zip(opens, bars, strict=True) if bar is not None]
    path = folder / f"made_{coin}USDT_5m.csv"
    path.write_text("timestamp,open,high,low,close,volume\n" + "\n".join(rows) + "\n")
    return path


def desk(folder: Path, ledger: Path, *files: Path, **sections: dict[str, Any]) -> App:
    """A desk in ``folder`` that begins after ``WARM`` bars; ``ledger`` is an empty one at head."""
    data = folder / "desk"
    data.mkdir(exist_ok=True)
    if not (data / "ledger.db").exists():
        shutil.copy(ledger, data / "ledger.db")
    start = (BEGIN + STEP * WARM).isoformat()
    feed = {"name": "replay", "data": [str(file) for file in files], "speed": "max", "start": start, "spread": "0.0002"}
    own = {"desk": {"data_dir": str(data)}, "feed": feed}
    for name, values in sections.items():
        own[name] = own.get(name, {}) | values
    app = build(load_settings(env={}, overrides=own), "test")
    app.heartbeats.beat("watch", {})
    return app


def on(app: App, bars: int = 1) -> None:
    """Let ``bars`` bars pass, and watch after each."""
    for _ in range(bars):
        app.clock.advance_to(app.clock.market() + STEP)
        app.heartbeats.beat("watch", {})
        watched(app)


def watched(app: App) -> None:
    report = app.watch.step()
    assert report.errors == (), report.errors


def buy(order_id: str = "a", size: Any = "1", symbol: str = BTC, **more: Any) -> OrderRequest:
    more = {"exits": STOP_2} | more
    amount = {} if "notional" in more else {"size": D(size)}
    return OrderRequest(order_id=order_id, symbol=symbol, side=Side.BUY, **amount, **more)


class Losing:
    """The real venue, behind a line that loses what it is told to lose."""

    def __init__(self, venue: Any):
        self._venue = venue
        self.lose: Callable[[str], str] = lambda call: ""  # "before" or "after" a call, or ""
        self.submitted = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._venue, name)

    def submit(self, orders: tuple[Order, ...]) -> tuple[Report, ...]:
        self.submitted += 1
        return self._carried("submit", lambda: self._venue.submit(orders))

    def cancel(self, order: Order) -> Report:
        return self._carried("cancel", lambda: self._venue.cancel(order))

    def _carried(self, call: str, act: Callable[[], Any]) -> Any:
        lost = self.lose(call)
        if lost == "before":
            raise VenueUnreachable("the line is dead")
        answer = act()
        if lost == "after":
            raise VenueUnreachable("the answer was lost")
        return answer


def losing(app: App) -> Losing:
    """Put a losing line between ``app`` and its venue."""
    line = Losing(app.venue)
    sender = app.gate._sender
    sender._venue = line  # type: ignore[assignment]
    return line
