"""The whole desk as real processes on the ccxt venue, against the practice exchange, on real candles, under faults.

5 % of all answers lost, fills in parts, a silent stream, two programs killed. It ends with book = exchange to the last
digit, and says how long positions were without their stop. `TRADE_MCP_SEA_S=600` is the ten-minute run.
"""

import contextlib
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from practice.running import KEY, SECRET, Child, running_child
from server.serving import until
from storm.test_kills import PROGRAMS, Chat, Desk
from storm_exchange.invariants import at_rest
from trade_mcp.app import App, build
from trade_mcp.desk.tally import Verdict, tally
from trade_mcp.domain.book import Book
from trade_mcp.domain.errors import TradeError
from trade_mcp.domain.events import OrderPending, decode
from trade_mcp.domain.fold import fold
from trade_mcp.domain.order import Role, Source
from trade_mcp.quant.candles import at_ms
from trade_mcp.settings import load_settings
from trade_mcp.store import gauges, reads
from venues.stopless import stopless, stopless_programs

pytestmark = pytest.mark.storm
SPEED = 300
BOUND_S = 60.0  # real time that a position may be without its stop: an unknown one is waited for, and placed anew
LOST = 0.05
BID = 1 - 0.0002 / 2  # of the close: half a spread below
FAULTS: list[dict[str, Any]] = [
    {"fault": "drop", "where": "* /api/v3/*", "when": "after", "probability": LOST},
    {"fault": "partial", "where": "fill *", "probability": 0.2, "fraction": "0.4"},
    {"fault": "split", "where": "fill *", "probability": 0.2, "pieces": 3},
]
LIMITS = """
[limits]
ask = "never"
loss_streak = 1000
max_repeats_per_hour = 1000
max_orders_per_day = 100000
max_orders_per_minute = 1000
"""
SILENCE: dict[str, Any] = {"fault": "silent", "where": "stream *"}


@contextlib.contextmanager
def exchange_on(folder: Path, shared_data: Path) -> Iterator[Child]:
    files = [shared_data / "data" / f"binance_{coin}USDT_5m_2022-12_2023-10.parquet" for coin in ("BTC", "ETH")]
    data = [word for file in files for word in ("--data", str(file))]
    books = ("--speed", str(SPEED), "--state", str(folder / "practice.db"))
    with running_child(folder, "--feed", "replay", *data, *books) as exchange:
        yield exchange


def environment_of(exchange: Child) -> dict[str, str]:
    return {
        "TRADE_MCP_DESK__VENUE": "ccxt",
        "TRADE_MCP_DESK__EXCHANGE": "binance",
        "TRADE_MCP_DESK__SYMBOLS": '["BTC/USDT", "ETH/USDT"]',
        "TRADE_MCP_DESK__TIMEFRAME": "5m",
        "TRADE_MCP_FEED__NAME": "ccxt",
        "TRADE_MCP_FEED__SPEED": str(SPEED),
        "TRADE_MCP_EXCHANGE_KEY": KEY,
        "TRADE_MCP_EXCHANGE_SECRET": SECRET,
        "TRADE_MCP_EXCHANGE_URL": exchange.url,
    }


class Holder(Chat):
    """A client that buys with a stop close behind the price, and leaves it to the stop."""

    def _once(self, call: Any) -> None:
        order = {"symbol": self._symbol, "side": "buy", "notional": "300", "trailing": "0.05%"}
        self.placed += not call.raw("place_order", **order).is_error
        time.sleep(1.0)


@contextlib.contextmanager
def voyage(
    folder: Path, shared_data: Path, seed: int, *, seconds: float, client: type[Chat] = Chat, **more: str
) -> Iterator[tuple[App, Child, Chat]]:
    """What the desk and the exchange are after ``seconds`` of trading under faults, with two kills."""
    chance = random.Random(seed)
    with exchange_on(folder, shared_data) as exchange:
        env = environment_of(exchange)
        (folder / "trade-mcp.toml").write_text(LIMITS)
        desk = Desk(folder, for_s=seconds + 300, **env, **more)
        until(lambda: len(desk.programs()) == len(PROGRAMS))
        chat = client(desk, "BTC/USDT", seed)
        chat.start()
        until(lambda: chat.placed > 0)  # everything runs: now it gets bad
        exchange.control.add(*FAULTS)
        for _ in range(2):
            time.sleep(seconds / 3 * chance.uniform(0.8, 1.0))
            exchange.control.add({**SILENCE, "lasts_s": seconds / 6})
            desk.kill_one(chance)
            until(lambda: len(desk.programs()) == len(PROGRAMS), within_s=60)
        time.sleep(seconds / 3)
        until(lambda: any(order["side"] == "SELL" for order in exchange.control.books(KEY)["orders"]), within_s=90)
        chat.stop()
        exchange.control.clear()
        desk.process.send_signal(signal.SIGINT)
        desk.end()
        file = folder / "trade-mcp.toml"
        with build(load_settings(file, env={**env, "TRADE_MCP_DESK__DATA_DIR": str(folder / "desk")}), "check") as app:
            settle(app)
            at_rest(app, exchange.control.books(KEY))
            assert {line.verdict for line in tally(app.log, app.venue)} <= {Verdict.AGREES, Verdict.EXTERNAL}
            yield app, exchange, chat


@pytest.mark.at_most(1)
def test_a_desk_on_a_bad_exchange_ends_with_the_exchanges_book(
    tmp_path: Path, shared_data: Path, storm_seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = float(os.environ.get("TRADE_MCP_SEA_S", "40"))
    with voyage(tmp_path, shared_data, storm_seed, seconds=seconds) as (app, exchange, chat):
        said = summary(app, exchange, seconds)
        waits = protected_after(app)
    with capsys.disabled():
        print(f"\n{said}")
    assert waits and max(waits) <= BOUND_S
    assert chat.closed > 0, chat.said[-3:]


@pytest.mark.at_most(1)
def test_a_desk_that_watches_the_stops_itself_sells_at_them(
    tmp_path: Path, shared_data: Path, storm_seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = float(os.environ.get("TRADE_MCP_SEA_S", "15"))
    told = stopless_programs(tmp_path)
    sea = voyage(tmp_path, shared_data, storm_seed, seconds=seconds, client=Holder, **told)
    with stopless(), sea as (app, exchange, chat):
        waits = sold_after(app, exchange)
        rested = [order for order in reads.orders(app.engine, limit=10_000)[0] if order.role is Role.STOP]
    assert waits and rested == [], chat.said[-3:]
    with capsys.disabled():
        print(f"\n{len(waits)} sales at watched stops, after p50 {waits[len(waits) // 2]:.2f} s, max {waits[-1]:.2f} s")
    assert waits[-1] <= BOUND_S


def sold_after(app: App, exchange: Child) -> list[float]:
    """Real seconds from the bar that put the bid at a watched stop to the sale at it, shortest first."""
    client, book, bids, waits = exchange.client(), Book(), {}, []
    for symbol in app.market.symbols:
        rows = client.fetch_ohlcv(symbol, "5m", limit=1000)
        bids[symbol] = [(at_ms(row[0]) + app.market.step, row[4] * BID) for row in rows]
    client.session.close()
    for seq, payload in app.engine.rows("SELECT seq, payload FROM events ORDER BY seq"):
        event = decode(payload)
        if isinstance(event, OrderPending) and "-stop-" in event.order.order_id:
            order, held = event.order, book.position(event.order.symbol)
            level, since, there = held.levels.stop_price, held.opened_at, event.order.at
            assert level is not None and since is not None
            for closed_at, bid in reversed([one for one in bids[order.symbol] if since < one[0] <= order.at]):
                if bid > level:
                    break
                there = closed_at
            waits.append((order.at - there).total_seconds() / SPEED)
        fold(book, seq, event)
    return sorted(waits)


def settle(app: App) -> None:
    """What was in flight when the last program ended is found out."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        with contextlib.suppress(TradeError):
            report = app.watch.step()
            book = app.log.refresh()
            waiting = [order for order in book.live() if order.status in ("pending", "cancelling")]
            quiet = not (report.errors or waiting or book.breaks or book.unprotected() or app.reconcile.breaks.open)
            if quiet and all(line.verdict != "differs" for line in tally(app.log, app.venue)):
                return
        time.sleep(0.5)
    raise AssertionError((app.log.book.orders, app.log.book.breaks, app.log.book.unprotected()))


def protected_after(app: App) -> list[float]:
    """Real seconds from each entry's fill to its resting stop, shortest first."""
    return sorted(each / SPEED for each in gauges.to_protected_s(app.engine, last=100_000))


def summary(app: App, exchange: Child, seconds: float) -> str:
    waits = protected_after(app)
    orders = exchange.control.books(KEY)["orders"]
    at = [waits[min(len(waits) - 1, int(share * len(waits)))] for share in (0.5, 0.99)] if waits else [0.0, 0.0]
    by = {source.value: 0 for source in Source}
    for fill in reads.fills(app.engine):
        by[fill.source] += 1
    return (
        f"{seconds:.0f} s, {LOST:.0%} of answers lost, 2 kills: {len(orders)} orders at the exchange, fills {by};"
        f" book = exchange; protected after p50 {at[0]:.2f} s, p99 {at[1]:.2f} s, max {max(waits, default=0):.2f} s"
    )
