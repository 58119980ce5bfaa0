"""Goal 7: one durable, risk-checked paper order, beside one raw SQLite commit on the same disk in the same run."""

import itertools
import sqlite3
import time
from decimal import Decimal
from pathlib import Path
from statistics import quantiles

import pytest

from trade_mcp.app import build
from trade_mcp.domain.distances import Distance
from trade_mcp.domain.exits import ExitPlan
from trade_mcp.domain.order import OrderRequest, Side, Source
from trade_mcp.settings import load_settings

pytestmark = pytest.mark.bench
ROUNDS = 400
LIMITS = {"max_orders_per_minute": 10_000, "max_orders_per_day": 1_000_000, "max_position": "1", "max_heat": "1"}


def raw_commits(folder: Path) -> list[float]:
    db = sqlite3.connect(folder / "raw.db", isolation_level=None)
    db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (a INTEGER, b TEXT);")
    took = []
    for number in range(ROUNDS):
        began = time.perf_counter()
        db.execute("BEGIN IMMEDIATE")
        db.execute("INSERT INTO t VALUES (?, ?)", (number, "x" * 600))
        db.execute("COMMIT")
        took.append(time.perf_counter() - began)
    return took


def test_a_durable_order(tmp_path: Path) -> None:
    settings = load_settings(
        overrides={
            "desk": {"data_dir": str(tmp_path / "desk"), "capital": "1000000"},
            "feed": {"speed": 3000},
            "limits": LIMITS,
            "exits": {"target": None},
        }
    )
    with build(settings, "bench") as app:
        app.heartbeats.beat("watch", {})
        sizes = itertools.count(1)
        entry, whole = [], []
        for _ in range(ROUNDS):
            size = Decimal(next(sizes) % 7) * Decimal("0.00001") + Decimal("0.0003")
            request = OrderRequest(
                order_id=app.new_id(),
                symbol="BTC/USDT",
                side=Side.BUY,
                size=size,
                exits=ExitPlan(stop=Distance(fraction=Decimal("0.02"))),
            )
            protect, app.gate.protect = app.gate.protect, lambda symbol, lease=None: None  # type: ignore[method-assign]
            began = time.perf_counter()
            receipt = app.gate.submit(request, Source.MODEL)
            entry.append(time.perf_counter() - began)
            app.gate.protect = protect  # type: ignore[method-assign]
            assert receipt.outcome == "placed", receipt.message
            protect("BTC/USDT")
            whole.append(time.perf_counter() - began)
            app.gate.close("BTC/USDT", Decimal(1), Source.MODEL, reason="bench", order_id=app.new_id())
            app.heartbeats.beat("watch", {})
    raw = raw_commits(tmp_path)
    print("\n| what | p50, ms | p99, ms | raw commits |\n|---|---|---|---|")
    unit = quantiles(raw, n=100)[49]
    for name, took in (("one raw FULL commit", raw), ("durable paper order", entry), ("order and its stop", whole)):
        cuts = quantiles(took, n=100)
        print(f"| {name} | {cuts[49] * 1000:.2f} | {cuts[98] * 1000:.2f} | {cuts[49] / unit:.1f} |")
