"""Goal 8: one durable, risk-checked order through ccxt, beside plain ccxt to the same server in the same run."""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from statistics import quantiles

import ccxt
import pytest

from practice.running import KEY, SECRET, running_child
from server.serving import free_port
from trade_mcp.app import build
from trade_mcp.domain.distances import Distance
from trade_mcp.domain.exits import ExitPlan
from trade_mcp.domain.order import OrderRequest, Side, Source
from trade_mcp.settings import load_settings
from trade_mcp.venues.exchange import at_base

from .bench_order import LIMITS

pytestmark = pytest.mark.bench
ROUNDS = 400
PRICE = "60000"
WIDE = LIMITS | {
    "loss_streak": 1000,
    "max_repeats_per_hour": 10_000,
    "max_daily_loss": "1",
    "max_weekly_loss": "1",
    "ask": "never",
}


def timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def test_a_durable_order_through_ccxt(tmp_path: Path) -> None:
    account = f"{KEY}:{SECRET}:USDT=1000000"
    with running_child(tmp_path, accounts=(account,)) as practice:
        port = free_port()
        command = [sys.executable, str(Path(__file__).with_name("order_stub.py")), str(port), str(practice.port), PRICE]
        stub = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert stub.stdout is not None and stub.stdout.readline() == b"up\n"
        try:
            raw, plain, entry = orders(tmp_path, f"http://127.0.0.1:{port}")
        finally:
            stub.terminate()
            stub.wait(10)
            stub.stdout.close()
    print("\n| what | p50, ms | p99, ms |\n|---|---|---|")
    for name, took in (("one raw FULL commit", raw), ("ccxt alone", plain), ("durable order through ccxt", entry)):
        cuts = quantiles(took, n=100)
        print(f"| {name} | {cuts[49] * 1000:.2f} | {cuts[98] * 1000:.2f} |")


def orders(folder: Path, url: str) -> tuple[list[float], list[float], list[float]]:
    """Seconds of raw commits, of plain orders by ccxt, and of ours, in turns: a disk has good and bad moments."""
    env = {"TRADE_MCP_EXCHANGE_URL": url, "TRADE_MCP_EXCHANGE_KEY": KEY, "TRADE_MCP_EXCHANGE_SECRET": SECRET}
    settings = load_settings(
        env=env,
        overrides={
            "desk": {
                "data_dir": str(folder / "desk"),
                "capital": "1000000",
                "venue": "ccxt",
                "exchange": "binance",
                "symbols": "BTC/USDT",
            },
            "limits": WIDE,
            "exits": {"target": None},
        },
    )
    client = ccxt.binance({"apiKey": KEY, "secret": SECRET, "enableRateLimit": False})
    client.urls["api"] = at_base(client.urls["api"], url)
    db = sqlite3.connect(folder / "raw.db", isolation_level=None)
    db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (a INTEGER, b TEXT);")
    raw, plain, entry = [], [], []
    with build(settings, "bench") as app:
        client.set_markets(app.venue.exchange.markets().spot)  # type: ignore[attr-defined]
        app.gate.protect = lambda symbol, lease=None: None  # type: ignore[method-assign, assignment, return-value]
        for number in range(ROUNDS):
            raw.append(timed(lambda: db.execute("INSERT INTO t VALUES (1, ?)", ("x" * 600,))))
            plain.append(timed(lambda: client.create_order("BTC/USDT", "market", "buy", 0.001)))
            request = OrderRequest(
                order_id=app.new_id(),
                symbol="BTC/USDT",
                side=Side.BUY,
                size=Decimal("0.0003") + number * Decimal("0.00001"),  # the same twice would be a duplicate
                exits=ExitPlan(stop=Distance(fraction=Decimal("0.02"))),
            )
            app.heartbeats.beat("watch", {})
            app.clock.touch()
            began = time.perf_counter()
            receipt = app.gate.submit(request, Source.MODEL)
            entry.append(time.perf_counter() - began)
            assert receipt.outcome == "placed", receipt.message
            app.gate.close("BTC/USDT", Decimal(1), Source.MODEL, reason="bench", order_id=app.new_id())
    db.close()
    return raw, plain, entry
