"""Any sequence: two desks on one ledger, and whatever they are asked while the other is in the middle of something.

The interleavings are chosen: between the look at the market and the writing, and between the writing and the venue,
the other desk does something of its own. No accepted order takes a use above its limit, no entry limit blocks an exit,
money is conserved, and every position ends with exactly one stop.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec import Struct

from desk.oracle import Oracle
from desk.stage import BTC, ETH, WARM, Bars, candle_file, desk, flat
from trade_mcp.app import App
from trade_mcp.desk.reconcile import differences
from trade_mcp.domain.distances import Distance
from trade_mcp.domain.errors import TradeError
from trade_mcp.domain.events import TradingState
from trade_mcp.domain.exits import ExitPlan
from trade_mcp.domain.order import OrderRequest, OrderType, Role, Side, Source
from trade_mcp.risk.rules import RULES

LIMITS = {
    "max_order_notional": "0.12",
    "max_position": "0.2",
    "max_exposure": "0.35",
    "max_cluster": "0.3",
    "max_trade_risk": "0.006",
    "max_heat": "0.012",
    "max_heat_per_strategy": "0.009",
    "max_open_orders": 4,
    "max_orders_per_minute": 3,
    "max_repeats_per_hour": 4,
    "max_daily_loss": "0.01",
    "loss_streak": 2,
    "cooldown_min": 10,
    "ask": "never",
}
STOPS = [Distance(fraction=D(text)) for text in ("0.003", "0.02", "0.05")]


class Move(Struct, frozen=True):
    """What one desk does; ``meanwhile`` is what the other does in the middle of it, ``when`` says where."""

    act: str
    who: int = 0
    symbol: str = BTC
    size: D = D(1)
    stop: int = 0
    offset: int = 0  # per mille of the price, of a limit
    source: Source = Source.MODEL
    when: str = ""  # "look" or "send"
    meanwhile: "Move | None" = None


ACTS = ["buy", "buy", "limit", "close", "sell", "cancel", "exits", "bar", "bar", "watch", "restart", "halt", "decide"]


def moves(depth: int = 1) -> st.SearchStrategy[Move]:
    other = moves(depth - 1) if depth else st.none()
    return st.builds(
        Move,
        act=st.sampled_from(ACTS),
        who=st.integers(0, 1),
        symbol=st.sampled_from([BTC, ETH]),
        size=st.decimals("0.05", "14", places=2),
        stop=st.integers(0, 2),
        offset=st.integers(-15, 15),
        source=st.sampled_from([Source.MODEL, Source.LOOP, Source.OPERATOR]),
        when=st.sampled_from(["", "look", "send"]),
        meanwhile=other,
    )


PATHS = st.lists(st.integers(-30, 30), min_size=8, max_size=8)  # per mille from bar to bar


def bars(path: list[int]) -> Bars:
    made, price = list(flat(WARM)), 100.01
    for step in path:
        close = round(price * (1 + step / 1000), 2)
        made.append((price, max(price, close), min(price, close), close))
        price = close
    return [*made, *flat(10, price)]


class Two:
    """Two desks on one ledger in one folder."""

    def __init__(self, folder: Path, ledger: Path, path: list[int]):
        files = [candle_file(folder, bars(path)), candle_file(folder, bars(path[::-1]), "ETH")]
        self.begin = lambda: desk(folder, ledger, *files, limits=LIMITS)
        self.desks = [self.begin(), self.begin()]
        self.number = 0
        self.oracle = Oracle(self.desks[0].log, self.desks[0].judge.own)
        self._ended = False

    def do(self, move: Move) -> None:
        app = self.desks[move.who]
        act: Callable[[App, Move], None] = getattr(self, move.act)
        if move.act in ("bar", "restart"):  # the market stands while somebody is in the middle of something
            act(app, move)
            return
        with self.meanwhile(app, move), suppress(TradeError):  # said no: what matters is what is true afterwards
            act(app, move)
        self.look()

    def look(self) -> None:
        app = self.desks[0]
        quotes = app.market.quotes([BTC, ETH])
        bids = {symbol: quote.bid for symbol, quote in quotes.items()}
        asks = {symbol: quote.ask for symbol, quote in quotes.items()}
        self.oracle.follow(bids, asks, app.market.instrument(BTC).taker_fee)

    @contextmanager
    def meanwhile(self, app: App, move: Move) -> Iterator[None]:
        """Let the other desk act once, where ``move`` says."""
        inner = move.meanwhile
        if inner is None or not move.when or inner.act in ("bar", "restart"):
            yield
            return
        thing: Any = app.judge if move.when == "look" else app.gate._sender
        name = "view" if move.when == "look" else "_too_late"
        whole = getattr(thing, name)

        def interrupted(*args: Any, **more: Any) -> Any:
            setattr(thing, name, whole)
            found = whole(*args, **more)
            other = self.desks[1 - move.who]
            with suppress(TradeError):
                getattr(self, inner.act)(other, inner)
            return found

        setattr(thing, name, interrupted)
        try:
            yield
        finally:
            setattr(thing, name, whole)

    def _id(self, name: str) -> str:
        self.number += 1
        return f"{name}-{self.number}"

    def buy(self, app: App, move: Move) -> None:
        self._submit(app, move, OrderType.MARKET)

    def limit(self, app: App, move: Move) -> None:
        self._submit(app, move, OrderType.LIMIT)

    def _submit(self, app: App, move: Move, kind: OrderType) -> None:
        ask = app.market.quote(move.symbol).ask
        request = OrderRequest(
            order_id=self._id("loop" if move.source is Source.LOOP else "chat"),
            symbol=move.symbol,
            side=Side.BUY,
            type=kind,
            size=move.size,
            limit_price=(ask * (1000 + move.offset) / 1000).quantize(D("0.01")) if kind is OrderType.LIMIT else None,
            exits=ExitPlan(stop=STOPS[move.stop]),
            strategy="ema_cross" if move.stop else "",
        )
        app.gate.submit(request, move.source)

    def close(self, app: App, move: Move) -> None:
        receipt = app.gate.close(move.symbol, D(1), Source.MODEL, reason="", order_id=self._id("close"))
        may = {rule.name for rule in RULES if rule.reduce}
        assert {verdict.rule for verdict in receipt.failed} <= may, receipt
        assert not receipt.refused or {verdict.rule for verdict in receipt.failed} <= {"self_trade", "holdings"}

    def sell(self, app: App, move: Move) -> None:
        request = OrderRequest(order_id=self._id("sell"), symbol=move.symbol, side=Side.SELL, size=move.size)
        app.gate.submit(request, Source.MODEL)

    def cancel(self, app: App, move: Move) -> None:
        if live := sorted(app.log.refresh().orders):
            app.gate.cancel(live[move.stop % len(live)], Source.MODEL, reason="")

    def exits(self, app: App, move: Move) -> None:
        app.gate.set_exits(move.symbol, ExitPlan(stop=STOPS[move.stop]), Source.MODEL)

    def bar(self, app: App, move: Move) -> None:
        later = max(one.clock.market() for one in self.desks) + timedelta(minutes=5)
        for one in self.desks:  # a process trusts what time it read for a moment
            one.clock.advance_to(later)

    def watch(self, app: App, move: Move) -> None:
        app.heartbeats.beat("watch", {})
        app.watch.step()

    def decide(self, app: App, move: Move) -> None:
        app.decide.step()

    def halt(self, app: App, move: Move) -> None:
        state = TradingState.HALTED if move.stop else TradingState.ACTIVE
        app.gate.set_state(state, Source.OPERATOR, reason="")

    def restart(self, app: App, move: Move) -> None:
        app.close()
        self.desks[move.who] = self.begin()
        if move.who == 0:
            self.oracle._log = self.desks[0].log

    def end(self) -> None:
        """When all is calm: one stop for what is held, and the venue's account is the book's."""
        app = self.desks[0]
        for _ in range(3):
            app.heartbeats.beat("watch", {})
            report = app.watch.step()
            assert report.errors == (), report.errors
        self.look()
        book = app.log.refresh()
        assert differences(book, app.venue) == []
        assert {report.order_id for report in app.venue.open_orders()} == set(book.orders)
        for symbol, held in book.positions.items():
            stops = [order.open_size for order in book.live(symbol) if order.role is Role.STOP]
            stop = held.levels.stop_price or held.entry
            growing = any(order.side is Side.BUY for order in book.live(symbol))  # too small to be sold, so far
            if growing and not app.market.instrument(symbol).sellable(held.size, stop):
                assert stops == [], (symbol, held, stops)
            else:
                assert held.dust or stops == [held.size], (symbol, held, stops)

    def close_all(self) -> None:
        for app in self.desks:
            app.close()


def live(ledger: Path, path: list[int], script: list[Move]) -> Two:
    folder = Path(tempfile.mkdtemp())
    try:
        two = Two(folder, ledger, path)
        try:
            for move in script:
                two.do(move)
            two.end()
        finally:
            two.close_all()
    finally:
        shutil.rmtree(folder)
    return two


QUIET = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None}


@settings(max_examples=8, phases=[Phase.explicit, Phase.generate], **QUIET)
@given(PATHS, st.lists(moves(), min_size=4, max_size=14))
def test_over_any_sequence_no_limit_is_exceeded(ledger_at_head: Path, path: list[int], script: list[Move]) -> None:
    live(ledger_at_head, path, script)


@pytest.mark.nightly
@pytest.mark.parametrize("part", range(8))  # so that it can use every core: uv run pytest -m nightly --dist load
@settings(max_examples=1_250, **QUIET)
@given(path=PATHS, script=st.lists(moves(), min_size=4, max_size=30))
def test_over_ten_thousand_sequences_too(ledger_at_head: Path, part: int, path: list[int], script: list[Move]) -> None:
    live(ledger_at_head, path, script)


def test_the_oracle_sees_what_passes(ledger_at_head: Path) -> None:
    """What the other desk does in the middle of an entry counts, and is counted: of three only two have room."""
    first = Move("buy", size=D(8), meanwhile=Move("buy", symbol=ETH, size=D(8)), when="look")
    two = live(ledger_at_head, [0] * 8, [Move("watch"), first, Move("buy", size=D(15))])
    assert two.oracle.accepted == 2
