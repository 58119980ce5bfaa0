"""The life of an entry with its exits, in a process that dies (kill -9) at one chosen point of it.

Points are the moments before and after every journal write, and before and after every request to the exchange.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from decimal import Decimal as D
from pathlib import Path
from typing import Any

from msgspec import structs

from desk.stage import BTC, STOP_2
from storm_exchange.sea import buy
from trade_mcp.app import App, build
from trade_mcp.domain.distances import Distance
from trade_mcp.domain.exits import ExitPlan
from trade_mcp.domain.order import OrderType, Source
from trade_mcp.settings import Settings
from trade_mcp.store.engine import Engine
from trade_mcp.venues.exchange_connection import Connection
from venues.stopless import stopless

PAIR = ExitPlan(stop=Distance(fraction=D("0.02")), target=Distance(fraction=D("0.05")))


class Points:
    """Counts the points that are passed; at number ``at`` the process is gone."""

    def __init__(self, at: int, told: Callable[[str], object]):
        self.at, self.passed, self._told = at, 0, told

    def reach(self, name: str) -> None:
        self.passed += 1
        self._told(name)
        if self.passed == self.at:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(self) -> None:
        """From here on every journal write and every request is a point."""
        write, request = Engine.transaction, Connection.request

        @contextmanager
        def transaction(engine: Engine, **given: Any) -> Iterator[Any]:
            with write(engine, **given) as cursor:
                yield cursor
                self.reach("before a write")
            self.reach("after a write")

        def asked(connection: Connection, method: str, url: str, **given: Any) -> Any:
            where = f"{method} {url.partition('?')[0].rpartition('/')[2]}"
            self.reach(f"before {where}")
            answer = request(connection, method, url, **given)
            self.reach(f"after {where}")
            return answer

        Engine.transaction = transaction  # type: ignore[method-assign,assignment]
        Connection.request = asked  # type: ignore[method-assign,assignment]


def live(settings: Settings, at: int, file: Path, stops: bool) -> None:
    """Live it, and die at point ``at`` (0: live to the end); the points passed are lines of ``file``. ``stops``: they
    rest at the exchange.
    """
    with (
        nullcontext() if stops else stopless(),
        build(settings, "test") as app,
        file.open("w", buffering=1) as lines,
    ):
        app.venue.poll_s = 0.0  # type: ignore[attr-defined]
        Points(at, lambda name: lines.write(f"{name}\n")).watch()
        (_resting if stops else _watching)(app)


def _watching(app: App) -> None:
    app.heartbeats.beat("watch", {})
    app.watch.step()
    assert app.gate.submit(buy("a", "1", exits=PAIR), Source.MODEL).outcome == "placed"
    app.watch.step()
    assert app.gate.close(BTC, D("0.4"), Source.MODEL, reason="part", order_id="c").outcome == "closed"
    quoted = app.market.quote
    app.market.quote = lambda symbol: structs.replace(quoted(symbol), bid=D(97))  # type: ignore[method-assign]
    for _ in range(2):
        app.watch.step()
    assert app.log.refresh().positions == {}


def _resting(app: App) -> None:
    app.heartbeats.beat("watch", {})
    app.watch.step()
    assert app.gate.submit(buy("a", "1", exits=PAIR), Source.MODEL).outcome == "placed"
    app.watch.step()
    app.gate.set_exits(BTC, ExitPlan(stop=Distance(fraction=D("0.01"))), Source.MODEL)
    app.watch.step()
    limit = buy("b", "0.5", type=OrderType.LIMIT, limit_price=D(99), exits=STOP_2)
    assert app.gate.submit(limit, Source.MODEL).outcome == "placed"
    app.gate.cancel("b", Source.MODEL, reason="changed my mind")
    assert app.gate.close(BTC, D("0.4"), Source.MODEL, reason="part", order_id="c").outcome == "closed"
    app.watch.step()
    assert app.gate.close(BTC, D(1), Source.MODEL, reason="rest", order_id="d").outcome == "closed"
    app.watch.step()
