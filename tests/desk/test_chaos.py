"""Chaos in one process: two desks on one ledger, answers that get lost, restarts, and everything anyone may ask.

After every storm has calmed down: book and venue agree to the last digit, money is conserved, nothing was doubled, and
every position has exactly one stop for what is held. The seeds that once failed stay in the list.
"""

import contextlib
import random
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal as D

import pytest

from desk.stage import BTC, ETH, Bars, Losing, losing
from trade_mcp import __version__
from trade_mcp.app import App
from trade_mcp.desk.exits import free_size
from trade_mcp.desk.reconcile import differences
from trade_mcp.domain.distances import Distance
from trade_mcp.domain.errors import TradeError
from trade_mcp.domain.events import TradingState
from trade_mcp.domain.exits import ExitPlan, Rung
from trade_mcp.domain.order import OrderRequest, OrderType, Role, Side, Source
from trade_mcp.store import reads
from trade_mcp.store.verify import verify

Stage = Callable[..., App]


def walk(chance: random.Random, bars: int = 600) -> Bars:
    made, price = [], 100.0
    for _ in range(bars):
        close = max(5.0, round(price * (1 + chance.gauss(0, 0.006)), 2))
        high = round(max(price, close) * (1 + abs(chance.gauss(0, 0.003))), 2)
        low = round(min(price, close) * (1 - abs(chance.gauss(0, 0.003))), 2)
        made.append((round(price, 2), high, low, close))
        price = close
    return made


class Storm:
    """One seed: what happens next is drawn."""

    def __init__(self, stage: Stage, seed: int):
        self.chance = random.Random(seed)
        fees = self.chance.choice(["quote", "received"])
        volume = self.chance.choice([30.0, 300.0, 100_000.0])
        self.world = {"volume": volume, "paper": {"fee_currency": fees, "holdings": {"BTC": "2"}}}
        bars, ether = walk(self.chance), walk(self.chance)
        self.begin = lambda: stage(bars, eth=ether, limits={"ask": "never"}, **self.world)
        self.late = timedelta(0)
        self.desks = [self._open(), self._open()]
        self.number = 0

    def _open(self) -> tuple[App, Losing]:
        app = self.begin()
        real = app.clock.real
        app.clock.real = lambda: real() + self.late  # type: ignore[method-assign]
        return app, losing(app)

    def step(self) -> None:
        app, line = self.chance.choice(self.desks)
        odds = self.chance.choice([0.0, 0.0, 0.3])
        line.lose = lambda call: self.chance.choice(["before", "after"]) if self.chance.random() < odds else ""
        act = self.chance.choices(
            [self.buy, self.close, self.exits, self.cancel, self.bar, self.watch, self.decide, self.halt, self.restart],
            [6, 3, 3, 2, 8, 6, 2, 0.3, 0.5],
        )[0]
        app.heartbeats.beat("watch", {})
        with contextlib.suppress(TradeError):  # said no; what matters is what is true afterwards
            act(app)
        self.now_true(app)

    def symbol(self) -> str:
        return self.chance.choice([BTC, ETH])

    def distance(self) -> Distance:
        kind = self.chance.random()
        if kind < 0.2:
            return Distance(atr=D(self.chance.randrange(5, 80)) / 10)
        return Distance(fraction=D(self.chance.randrange(3, 60)) / 1000)

    def plan(self) -> ExitPlan:
        pick = self.chance.random
        return ExitPlan(
            stop=self.distance() if pick() < 0.8 else None,
            target=self.distance() if pick() < 0.5 else None,
            trail=self.distance() if pick() < 0.3 else None,
            rungs=(Rung(D("0.4"), self.distance()), Rung(D("0.3"), self.distance())) if pick() < 0.2 else (),
            break_even=self.distance() if pick() < 0.2 else None,
            max_hold=self.chance.randrange(300, 7200) if pick() < 0.1 else None,
        )

    def buy(self, app: App) -> None:
        symbol, kind = self.symbol(), self.chance.choice(list(OrderType)[:4])
        ask = app.market.quote(symbol).ask
        near = (ask * (1 + D(self.chance.randrange(-15, 15)) / 1000)).quantize(D("0.01"))
        self.number += 1
        request = OrderRequest(
            order_id=f"chat-{self.number}",
            symbol=symbol,
            side=Side.BUY,
            type=kind,
            size=D(self.chance.randrange(5, 1400)) / 100,
            limit_price=near if kind in (OrderType.LIMIT, OrderType.STOP_LIMIT) else None,
            trigger_price=near if kind in (OrderType.STOP, OrderType.STOP_LIMIT) else None,
            exits=self.plan(),
        )
        receipt = app.gate.submit(request, self.chance.choice([Source.MODEL, Source.LOOP]))
        if not receipt.refused and self.chance.random() < 0.3:
            assert app.gate.submit(request, Source.MODEL).outcome == "already"

    def close(self, app: App) -> None:
        fraction = self.chance.choice([D("0.3"), D("0.5"), D(1)])
        self.number += 1
        app.gate.close(self.symbol(), fraction, Source.MODEL, reason="storm", order_id=f"close-{self.number}")

    def exits(self, app: App) -> None:
        app.gate.set_exits(self.symbol(), self.plan(), Source.MODEL, reason="storm")

    def cancel(self, app: App) -> None:
        live = sorted(app.log.refresh().orders)
        if live:
            app.gate.cancel(self.chance.choice(live), Source.MODEL, reason="storm")

    def bar(self, app: App) -> None:
        app.clock.advance_to(app.clock.market() + timedelta(minutes=self.chance.choice([1, 5, 5, 5, 10])))

    def watch(self, app: App) -> None:
        app.watch.step()

    def decide(self, app: App) -> None:
        app.decide.step()

    def halt(self, app: App) -> None:
        app.gate.set_state(TradingState.HALTED, Source.MODEL, reason="storm")
        app.gate.set_state(TradingState.ACTIVE, Source.OPERATOR, reason="calm")

    def restart(self, app: App) -> None:
        index = [desk for desk, _ in self.desks].index(app)
        app.close()
        self.desks[index] = self._open()

    def now_true(self, app: App) -> None:
        """What holds at every moment, whatever is in flight."""
        if app not in [desk for desk, _ in self.desks]:
            app = self.desks[0][0]
        book = app.log.refresh()
        cost = sum((position.cost for position in book.positions.values()), D(0))
        assert book.cash + cost + book.fees == book.deposits + book.realised  # I8
        assert book.cash >= 0
        for symbol, position in book.positions.items():
            assert position.size > 0
            stops = {order.group for order in book.live(symbol) if order.role is Role.STOP}
            assert len(stops) <= 1

    def calm(self) -> App:
        """Nothing is lost any more; every grace passes; the watcher does its rounds."""
        for app, line in self.desks:
            line.lose = lambda call: ""
            app.gate._protection._failed.clear()
        self.late += timedelta(seconds=60)
        app = self.desks[0][0]
        for _ in range(4):
            app.heartbeats.beat("watch", {})
            report = app.watch.step()
            assert report.errors == (), report.errors
        return app


@pytest.mark.parametrize(("seed", "steps"), [*((seed, 60) for seed in range(8)), (303, 150), (348, 150)])
def test_after_any_storm_book_and_venue_agree(stage: Stage, seed: int, steps: int) -> None:
    weather(stage, seed, steps)


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(100, 400))
def test_after_any_longer_storm_too(stage: Stage, seed: int) -> None:
    weather(stage, seed, 150)


def weather(stage: Stage, seed: int, steps: int) -> None:
    storm = Storm(stage, seed)
    for _ in range(steps):
        storm.step()
    app = storm.calm()
    book = app.log.refresh()
    assert differences(book, app.venue) == []
    assert not book.breaks
    assert not [order for order in book.live() if order.status in ("pending", "cancelling")]
    for symbol, position in book.positions.items():
        stops = [order.open_size for order in book.live(symbol) if order.role is Role.STOP]
        instrument = app.market.instrument(symbol)
        unsold = free_size(book, symbol, instrument)  # the rest is being sold at the market
        stop = position.levels.stop_price or position.entry
        growing = any(order.side is Side.BUY for order in book.live(symbol))  # too small to be sold, so far
        if unsold and not position.dust and (instrument.sellable(unsold, stop) or not growing):
            assert stops == [unsold], (symbol, position.levels)
        else:
            assert stops == [], (symbol, position.levels)
    at_venue = {report.order_id for report in app.venue.open_orders()}
    assert at_venue == set(book.orders)
    fills = reads.fills(app.engine)
    assert len({each.fill.trade_id for each in fills}) == len(fills)
    assert app.venue.balances()["BTC"].total >= 2  # what was there before us
    assert verify(app.engine, code=__version__).sound
