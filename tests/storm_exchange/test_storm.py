"""The random storm: two desks on one ledger trade on the practice exchange while it lies, drops, delays and dies.

`uv run pytest -m storm --seeds 200 tests/storm_exchange`
"""

import contextlib
import random
from collections.abc import Callable
from typing import Any

import pytest

from desk.stage import BTC
from desk.test_chaos import Storm, walk
from storm_exchange.invariants import BY_HAND, always, at_rest, beyond
from storm_exchange.sea import Sea, watched
from trade_mcp.app import App
from trade_mcp.domain.errors import TradeError

pytestmark = pytest.mark.storm
AtSea = Callable[..., Sea]
STEPS = 60
LIMITS = {  # wide, so that much happens; what they hold back is tested elsewhere
    "ask": "never",
    "duplicate_window_s": 1,
    "max_repeats_per_hour": 1000,
    "max_orders_per_minute": 1000,
    "max_orders_per_day": 10000,
    "max_heat_per_strategy": "0.06",
    "max_cluster": "0.9",
    "max_rejections": 1000,
    "loss_streak": 1000,
    "max_daily_loss": "0.9",
    "max_weekly_loss": "0.9",
    "soft_drawdown": "0.9",
    "hard_drawdown": "0.95",
}
WRITES = ("POST /api/v3/order", "POST /api/v3/orderList*", "DELETE /api/v3/order*")
READS = ("GET /api/v3/order", "GET /api/v3/openOrders", "GET /api/v3/myTrades", "GET /api/v3/account")


def faults(chance: random.Random) -> list[dict[str, Any]]:
    """What goes wrong next."""
    where, read = chance.choice(WRITES), chance.choice(READS)
    when, count = chance.choice(["before", "after"]), chance.choice([1, 1, 2, 4])
    unknown = {"code": -1007, "msg": "Timeout waiting for response from backend server."}
    mixes: list[dict[str, Any]] = [
        {"fault": "drop", "where": where, "when": when, "count": count},
        {"fault": "drop", "where": where, "when": "after", "probability": 0.3, "count": 4},
        {"fault": "reset", "where": where, "when": when, "count": count},
        {"fault": "answer", "where": where, "when": when, "count": count, "status": 503},
        {"fault": "answer", "where": where, "when": when, "count": count, "status": 504, "body": unknown},
        {"fault": "html", "where": where, "when": when, "count": 1, "status": chance.choice([200, 502])},
        {"fault": "drop", "where": read, "when": when, "count": count},
        {"fault": "answer", "where": read, "when": "before", "count": 1, "status": 200, "body": []},
        {"fault": "answer", "where": read, "when": "before", "count": 1, "status": 500},
        {"fault": "limit", "where": read, "count": 1, "seconds": 0.2},
        {"fault": "delay", "where": where, "count": 1, "seconds": 0.2},
        {"fault": "partial", "where": "fill *", "count": count, "fraction": str(chance.choice([0.1, 0.5, 0.9]))},
        {"fault": "split", "where": "fill *", "count": count, "pieces": chance.choice([2, 3, 7])},
        {"fault": "late", "where": "fill *", "count": count, "seconds": chance.choice([0.1, 0.5])},
        {"fault": "lag", "count": count, "seconds": chance.choice([0.2, 1.0])},
        {"fault": "clock", "seconds": chance.choice([-20, 3, 20]), "lasts_s": 0.5},
    ]
    return [chance.choice(mixes)]


class ExchangeStorm(Storm):
    """One seed: what happens next is drawn."""

    def __init__(self, at_sea: AtSea, seed: int, *, stops: bool = True):
        self.chance = random.Random(seed)
        volume = self.chance.choice([300.0, 3000.0, 100_000.0])  # a tenth of it may fill in a bar
        bars, ether = walk(self.chance), walk(self.chance)
        holdings = self.chance.choice(["", "BTC=2"])
        self.sea = at_sea(bars, eth=ether, volume=volume, holdings=holdings, stops=stops, limits=LIMITS)
        self.desks = [(self.sea.desk(), None), (self.sea.desk(), None)]  # type: ignore[assignment]
        self.number = self.hands = 0

    def step(self) -> None:
        app, _ = self.chance.choice(self.desks)
        if self.chance.random() < 0.4:
            self.sea.control.add(*faults(self.chance))
        act = self.chance.choices(
            [
                self.buy,
                self.close,
                self.exits,
                self.cancel,
                self.bar,
                self.watch,
                self.decide,
                self.halt,
                self.restart,
                self.hand,
                self.transfer,
                self.late,
            ],
            [10, 3, 3, 2, 8, 6, 1, 0.3, 0.7, 0.7, 0.5, 0.7],
        )[0]
        app.heartbeats.beat("watch", {})
        with contextlib.suppress(TradeError):  # said no; what matters is what is true afterwards
            act(app)
        always(self.desks[0][0], self.sea.books)

    def bar(self, app: App) -> None:
        self.sea.bars()

    def late(self, app: App) -> None:  # type: ignore[override]
        self.sea.pass_(self.chance.choice([1, 7, 30]))

    def restart(self, app: App) -> None:
        index = [desk for desk, _ in self.desks].index(app)
        for _ in range(50):  # it takes as many tries as its exchange makes it take
            with contextlib.suppress(TradeError):
                self.desks[index] = (self.sea.restart(app), None)  # type: ignore[assignment]
                return
        raise AssertionError("a desk that never came back")

    def hand(self, app: App) -> None:
        """Somebody trades on the account, past the desk."""
        self.hands += 1
        client = self.sea.exchange.client()
        side, amount = self.chance.choice([("buy", 0.4), ("sell", 0.3)])
        with contextlib.suppress(Exception):  # what is not there cannot be sold
            client.create_order(BTC, "market", side, amount, None, {"newClientOrderId": f"{BY_HAND}{self.hands}"})
        client.session.close()

    def transfer(self, app: App) -> None:
        """Somebody brings money or takes some away."""
        asset, amount = self.chance.choice([("USDT", "250"), ("USDT", "-150"), ("BTC", "0.5"), ("ETH", "1")])
        self.sea.control.transfer(self.sea.exchange.key, asset, amount)

    def calm(self) -> App:
        """Nothing goes wrong any more; every grace passes; the watcher does its rounds."""
        self.sea.control.clear()
        self.sea.control.pardon()
        app = self.desks[0][0]
        for app, _ in self.desks:
            app.gate._protection._failed.clear()
        app = self.desks[0][0]
        for _ in range(4):
            self.sea.pass_(60)
            self.sea.bars()  # what was to be sold at the market finds buyers
            app.watch.step()
            assert beyond(app) == {}, "I4: within a minute of the last fault"
        for _ in range(3):
            self.sea.pass_(60)
            watched(app)
        return app


def weather(at_sea: AtSea, seed: int, steps: int = STEPS, *, stops: bool = True) -> None:
    storm = ExchangeStorm(at_sea, seed, stops=stops)
    for _ in range(steps):
        storm.step()
    at_rest(storm.calm(), storm.sea.books)


def test_after_any_storm_book_and_exchange_agree(at_sea: AtSea, storm_seed: int) -> None:
    weather(at_sea, storm_seed)


def test_so_they_do_where_the_desk_watches_the_stops(at_sea: AtSea, storm_seed: int) -> None:
    weather(at_sea, storm_seed, stops=False)
