"""Reports over a large ledger: 50,000 fills in 360 days, equity marked every quarter of an hour.

Run with `uv run pytest tests/benchmarks/bench_report.py -m bench -n 0 -s`. The last table is in docs/benchmarks.md.
"""

import resource
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial

import msgspec
import pytest

from tests.office.story import Standing, Telling
from trade_mcp.app import App, build
from trade_mcp.domain.events import EquityMarked, Event
from trade_mcp.domain.instrument import ZERO
from trade_mcp.domain.order import Role, Source
from trade_mcp.reports.make import make, wanted
from trade_mcp.server.shapes import result
from trade_mcp.server.tools.performance import get_performance
from trade_mcp.settings import load_settings
from trade_mcp.store.log import Ledger

pytestmark = pytest.mark.bench

TRADES, DAYS, MARKS = 25_000, 360, 360 * 96
SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")


class Quick(Telling):
    """Tells everything in one transaction."""

    def __init__(self, app: App, ledger: Ledger):
        super().__init__(app.log, Standing(), app.feed.start)
        self.ledger = ledger

    def tell(self, *events: Event) -> None:
        for event in events:
            self.ledger.append(event, at=self.clock.now)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("large")
    overrides = {"desk": {"data_dir": str(folder)}, "feed": {"speed": "max"}}
    with build(load_settings(env={}, overrides=overrides), "trades") as app:
        with app.log.writing() as ledger:
            tell_a_year(Quick(app, ledger))
        app.clock.advance_to(app.feed.start + timedelta(days=DAYS))
        yield app


def tell_a_year(story: Quick) -> None:
    for number in range(TRADES):
        symbol, strategy, price = SYMBOLS[number % 3], f"strategy_{number % 12}", 1000 + number % 37
        days = number * DAYS / TRADES
        order = partial(story.order, symbol=symbol, strategy=strategy, fee="0.1")
        story.at(days=days)
        order(f"b{number}", "buy", "0.1", price=str(price))
        for mark in range(number * MARKS // TRADES, (number + 1) * MARKS // TRADES):
            cash = story.ledger.book.cash
            story.tell(EquityMarked(story.clock.now, cash + price // 10 + mark % 7, cash, ZERO, ZERO, {}))
        story.at(days=days + DAYS / TRADES / 2)
        order(f"s{number}", "sell", "0.1", price=str(price + number % 5 - 2), source=Source.EXIT, role=Role.STOP)


def timed(work: Callable[[], object], rounds: int) -> float:
    """Median real ms."""
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)


def test_reports_over_a_large_ledger(desk: App) -> None:
    print(f"\n\n| of {2 * TRADES:,} fills | ms | tokens |\n|---|---|---|")
    for period in ("day", "week", "month", "all"):
        ask = partial(get_performance, desk, period=period)
        tokens = len(msgspec.json.encode(result(ask()).structured_content)) // 4
        print(f"| get_performance, {period} | {timed(ask, 5):,.0f} | {tokens} |")
    for period in ("week", "all"):
        what = wanted(desk.settings, made_at=desk.clock.real(), period=period)
        print(f"| the report, {period} | {timed(partial(make, what), 3):,.0f} | - |")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"\nPeak memory of the child that makes the report: {peak:.0f} MiB.")
