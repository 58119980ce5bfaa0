"""Two real processes ask the gate at the same moment for what only one of them may have."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from desk_races.racer import Outcome, Round
from store.ledgers import D, empty
from trade_mcp.app import App, build
from trade_mcp.domain.book import Book
from trade_mcp.domain.distances import Distance
from trade_mcp.domain.exits import ExitPlan
from trade_mcp.domain.order import OrderRequest, OrderType, Side
from trade_mcp.settings import load_settings
from trade_mcp.store.text import as_json
from trade_mcp.store.verify import verify

TESTS = Path(__file__).parents[1]
WIDE: dict[str, Any] = {
    "max_order_notional": "1",
    "max_position": "1",
    "max_exposure": "1",
    "max_trade_risk": "1",
    "max_heat": "1",
    "max_heat_per_strategy": "1",
    "max_cluster": "1",
    "ask": "never",
}
SYMBOLS = ("BTC/USDT", "ETH/USDT")
CAPITAL = D(10_000)
PLACED = "SELECT count(*) FROM events WHERE kind = 'order_pending' AND order_id = ?"


class Racers:
    """Two processes that live through all rounds, so that their start is paid once."""

    def __init__(self) -> None:
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-m", "desk_races.racer"],
                env={**os.environ, "PYTHONPATH": str(TESTS)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                bufsize=1,
            )
            for _ in SYMBOLS
        ]

    def race(self, folder: Path, requests: Sequence[OrderRequest], **limits: Any) -> list[Outcome]:
        """What each was told; both open the desk in ``folder`` at once and submit at the same moment."""
        turns = [Round(str(folder), WIDE | limits, request) for request in requests]
        self._say([as_json(turn) for turn in turns])
        assert self._hear() == ["ready", "ready"]
        self._say([str(time.monotonic() + 0.02)] * 2)
        return [msgspec.json.decode(line, type=Outcome) for line in self._hear()]

    def close(self) -> None:
        for process in self._processes:
            process.communicate(timeout=10)

    def _say(self, lines: list[str]) -> None:
        for process, line in zip(self._processes, lines, strict=True):
            assert process.stdin is not None
            process.stdin.write(f"{line}\n")

    def _hear(self) -> list[str]:
        return [process.stdout.readline().strip() for process in self._processes if process.stdout is not None]


@pytest.fixture(scope="module")
def racers() -> Iterator[Racers]:
    racers = Racers()
    yield racers
    racers.close()


def buy(order_id: str, symbol: str, share: str, *, limit: Decimal | None = None) -> OrderRequest:
    """A buy for ``share`` of the capital; with ``limit`` it rests in the book of the venue."""
    return OrderRequest(
        order_id=order_id,
        symbol=symbol,
        side=Side.BUY,
        type=OrderType.MARKET if limit is None else OrderType.LIMIT,
        notional=CAPITAL * D(share),
        limit_price=limit,
        exits=ExitPlan(stop=Distance(fraction=D("0.01"))),
    )


def desk(folder: Path, turn: int) -> Path:
    """The folder of a desk that nobody has opened yet."""
    place = folder / f"desk-{turn}"
    place.mkdir()
    empty(place)
    return place


@contextmanager
def opened(folder: Path, **limits: Any) -> Iterator[App]:
    """The desk after the race, checked: one chain that adds up, one opening, the venue's account is the book's."""
    settings = load_settings(env={}, overrides={"desk": {"data_dir": str(folder)}, "limits": WIDE | limits})
    with build(settings, "test") as app:
        found = verify(app.engine, code="test")
        assert found.sound, found
        assert app.engine.row("SELECT count(*) FROM events WHERE kind = 'ledger_opened'") == (1,)
        assert app.venue.balances()["USDT"].total == app.log.book.cash
        yield app


def used(book: Book) -> Decimal:
    """Quote currency in positions and in live buys."""
    return sum((position.cost for position in book.positions.values()), D(0)) + book.reserved


@pytest.mark.parametrize("kind", ["market", "limit"])
@pytest.mark.storm
def test_of_two_that_race_for_the_last_cash_one_gets_it(racers: Racers, tmp_path: Path, kind: str) -> None:
    for turn in range(20):
        folder = desk(tmp_path, turn)
        with opened(folder) as app:  # in odd rounds the racers open the ledger, too
            rests = {name: app.market.quote(name).bid * D("0.99") // 1 if kind == "limit" else None for name in SYMBOLS}
        folder = folder if turn % 2 == 0 else desk(tmp_path, 100 + turn)
        requests = [buy(f"order-{name[:3]}", name, "0.6", limit=rests[name]) for name in SYMBOLS]
        told = racers.race(folder, requests)
        assert sorted(outcome.outcome for outcome in told) == ["placed", "refused"], told
        assert "cash" in next(outcome.failed for outcome in told if outcome.outcome == "refused")
        with opened(folder) as app:
            assert D(5_900) < used(app.log.book) <= CAPITAL
            assert app.log.book.available > 0


def test_two_that_race_never_exceed_a_limit_together(racers: Racers, tmp_path: Path) -> None:
    for turn in range(10):
        folder = desk(tmp_path, turn)
        told = racers.race(folder, [buy(f"order-{name[:3]}", name, "0.3") for name in SYMBOLS], max_exposure="0.5")
        assert sorted(outcome.outcome for outcome in told) == ["placed", "refused"], told
        assert ("exposure",) in {outcome.failed for outcome in told}
        with opened(folder, max_exposure="0.5") as app:
            assert 0 < used(app.log.book) <= CAPITAL / 2


def test_one_order_sent_by_two_is_placed_once(racers: Racers, tmp_path: Path) -> None:
    for turn in range(10):
        folder = desk(tmp_path, turn)
        told = racers.race(folder, [buy("the-order", SYMBOLS[0], "0.3")] * 2)
        assert sorted(outcome.outcome for outcome in told) == ["already", "placed"], told
        with opened(folder) as app:
            assert D(2_900) < used(app.log.book) <= D(3_100)
            assert app.engine.row(PLACED, ("the-order",)) == (1,)


def test_what_both_can_pay_both_get(racers: Racers, tmp_path: Path) -> None:
    for turn in range(10):
        folder = desk(tmp_path, turn)
        told = racers.race(folder, [buy(f"order-{name[:3]}", name, "0.3") for name in SYMBOLS])
        assert [outcome.outcome for outcome in told] == ["placed", "placed"], told
        with opened(folder) as app:
            assert app.log.book.positions.keys() == set(SYMBOLS)
            assert app.log.book.unprotected() == []


LAST = {  # rule -> the limits under which only one of two entries of 3 % passes, by symbol
    "order_notional": ({"max_order_notional": "0.02"}, SYMBOLS),
    "exposure": ({"max_exposure": "0.05"}, SYMBOLS),
    "concentration": ({"max_position": "0.05"}, SYMBOLS[:1] * 2),
    "correlation": ({"max_cluster": "0.05"}, SYMBOLS),
    "heat": ({"max_heat": "0.0005"}, SYMBOLS),
    "heat_per_strategy": ({"max_heat_per_strategy": "0.0005"}, SYMBOLS),
    "open_positions": ({"max_open_positions": 1}, SYMBOLS),
    "repeats": ({"max_repeats_per_hour": 1}, SYMBOLS[:1] * 2),
    "orders_per_minute": ({"max_orders_per_minute": 1}, SYMBOLS),
    "orders_per_day": ({"max_orders_per_day": 1}, SYMBOLS),
}


@pytest.mark.nightly
@pytest.mark.parametrize("rule", LAST)
def test_of_two_that_race_for_the_last_of_any_limit_one_gets_it(racers: Racers, tmp_path: Path, rule: str) -> None:
    limits, symbols = LAST[rule]
    placed = ["refused", "refused"] if rule == "order_notional" else ["placed", "refused"]
    for turn in range(20):
        folder = desk(tmp_path, turn)
        told = racers.race(folder, [buy(f"order-{n}", name, f"0.03{n}") for n, name in enumerate(symbols)], **limits)
        assert sorted(outcome.outcome for outcome in told) == placed, told
        assert all((rule,) == outcome.failed for outcome in told if outcome.outcome == "refused"), told
        with opened(folder, **limits):
            pass
