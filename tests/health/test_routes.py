"""/healthz and /metrics of a real server: who may ask, what is said, and that green means evidence."""

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest

from cli.test_programs import running
from server.serving import Served, connected, until

FAST = {"TRADE_MCP_FEED__SPEED": "600"}
DOCS = Path(__file__).parents[2] / "docs" / "health.md"


def asked(served: Served, path: str, **headers: str) -> httpx2.Response:
    return httpx2.get(f"http://127.0.0.1:{served.port}{path}", headers=headers, timeout=20)


def health(served: Served) -> tuple[int, dict[str, Any]]:
    answer = asked(served, "/healthz")
    return answer.status_code, answer.json()


def says(served: Served, *words: str, key: str = "failing") -> bool:
    return all(any(word in said for said in health(served)[1][key]) for word in words)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for those that leave it as it was, and at last one that halts it."""
    server = Served(tmp_path_factory.mktemp("served"), **FAST)
    yield server
    server.stop()


@pytest.fixture
def served_fast(tmp_path: Path) -> Iterator[Served]:
    server = Served(tmp_path, **FAST)
    yield server
    if server.process.poll() is None:
        server.stop()


@pytest.mark.storm
def test_green_needs_a_watcher_and_a_loop_and_each_that_dies_is_said(tmp_path: Path, served_fast: Served) -> None:
    """The old page was green while nothing ran."""
    until(lambda: says(served_fast, "no loop is running"))
    assert health(served_fast)[0] == 503
    with running(tmp_path, "loop", **FAST) as loop:
        until(lambda: health(served_fast)[0] == 200)
        assert health(served_fast)[1]["failing"] == []
        loop.process.kill()
        until(lambda: says(served_fast, "no loop is running"))
    with connected(served_fast.url) as call:
        assert any("no loop is running" in problem for problem in call("get_status")["problems"])


@pytest.mark.storm
def test_a_watcher_that_dies_is_said_although_the_server_lives(tmp_path: Path) -> None:
    with running(tmp_path, "watch", **FAST) as watcher:
        watcher.says('"watch"')
        served = Served(tmp_path, **FAST)
        until(lambda: not says(served, "watches the exits"))
        watcher.process.kill()
        # The server's own watcher takes over. Nobody is left to when it is held up as well:
        with closing(sqlite3.connect(tmp_path / "desk" / "ledger.db", isolation_level=None)) as ledger:
            ledger.execute("DELETE FROM leases")
            ledger.execute(
                "INSERT INTO leases VALUES ('watch', 'a ghost', 99, '9999-01-01T00:00:00+00:00', '?', '', 1)"
            )
            until(lambda: says(served, "has the role and finishes no round"))
            assert health(served)[0] == 503
            with connected(served.url) as call:
                assert any("finishes no round" in problem for problem in call("get_status")["problems"])
        assert served.stop() == 0


def test_a_ledger_without_its_tables_is_said(served_fast: Served) -> None:
    with closing(sqlite3.connect(served_fast.folder / "desk" / "ledger.db")) as ledger:
        ledger.execute("DROP TABLE heartbeats")
    until(lambda: says(served_fast, "no such table: heartbeats"))
    assert health(served_fast)[0] == 503
    with connected(served_fast.url) as call:
        told = call.refused("get_status")
        assert "no such table: heartbeats" in told["error"]["message"]
        assert "verify" in told["error"]["hint"]
    assert asked(served_fast, "/metrics").status_code == 503


@pytest.mark.storm
def test_with_a_token_healthz_is_open_to_this_machine_and_metrics_to_nobody_else(tmp_path: Path) -> None:
    server = Served(tmp_path, TRADE_MCP_SERVER_TOKEN="a-long-secret-of-mine")
    try:
        assert asked(server, "/healthz").status_code in (200, 503)
        assert asked(server, "/metrics").status_code == 401
        assert asked(server, "/metrics", authorization="Bearer a-long-secret-of-mine").status_code == 200
        assert httpx2.post(f"http://127.0.0.1:{server.port}/healthz").status_code == 405
    finally:
        server.stop()
    assert "a-long-secret-of-mine" not in server.said


def test_a_website_cannot_read_them(served: Served) -> None:
    for path in ("/healthz", "/metrics"):
        assert asked(served, path, host="evil.example").status_code == 421
        assert asked(served, path, origin="https://evil.example").status_code == 403


def test_a_program_of_older_code_is_said(served: Served) -> None:
    until(lambda: not says(served, "watches the exits"))
    with closing(sqlite3.connect(served.folder / "desk" / "ledger.db", isolation_level=None)) as ledger:
        ledger.execute("UPDATE heartbeats SET code = '0.0.1+000000000000'")  # it is written anew in a moment
        ledger.execute(
            "INSERT INTO heartbeats SELECT 'older', host, pid, started_at, '9999', code, detail FROM heartbeats LIMIT 1"
        )
        ledger.execute("UPDATE heartbeats SET at = (SELECT max(at) FROM heartbeats WHERE program = 'watch')")
        assert says(served, "older (process", "runs code 0.0.1+000000000000, installed is", key="problems")


def test_healthz_says_no_amount_and_no_words_of_others(served: Served) -> None:
    with connected(served.url) as call:
        call("halt_trading", reason="sell all 12345")
    until(lambda: says(served, "trading is halted", key="problems"))
    assert "12345" not in asked(served, "/healthz").text


@pytest.mark.storm
def test_the_metrics_tell_what_the_desk_did(tmp_path: Path, served_fast: Served) -> None:
    with running(tmp_path, "loop", **FAST), connected(served_fast.url) as call:
        until(lambda: health(served_fast)[0] == 200)
        call("place_order", symbol="BTC/USDT", side="buy", notional="200", stop_loss="5%")
        call.refused("place_order", symbol="BTC/USDT", side="buy", notional="90000")
        decided = ("trade_mcp_tick_seconds ", 'trade_mcp_heartbeat_age_seconds{program="loop"}')
        until(lambda: all(name in asked(served_fast, "/metrics").text for name in decided))
        worth = call("get_portfolio")
        found = read(asked(served_fast, "/metrics").text)
    assert found["trade_mcp_equity"] == pytest.approx(float(worth["equity"]), rel=0.01)
    assert found['trade_mcp_orders{source="model",status="filled"}'] == 1
    assert found['trade_mcp_refusals{rule="order_notional"}'] == 1
    assert 0 <= found['trade_mcp_to_protected_seconds{of="last"}'] < 600
    assert 0 <= found['trade_mcp_heartbeat_age_seconds{program="loop"}'] < 10
    assert found["trade_mcp_failing"] == 0
    assert found["trade_mcp_positions_unprotected"] == 0
    assert found["trade_mcp_event_seq"] > 5
    assert found["trade_mcp_server_process_resident_memory_bytes"] > 10_000_000
    assert 0 <= found['trade_mcp_quote_age_seconds{symbol="BTC/USDT"}'] < 3600


def test_every_metric_has_a_line_in_the_documentation() -> None:
    """Read in a process of its own: importing it here would hide a server that loads it too early."""
    code = "import json; from trade_mcp.server.metrics import GAUGES; print(json.dumps([g.name for g in GAUGES]))"
    names = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    told = re.findall(r"^\| `trade_mcp_([a-z_]+)", DOCS.read_text("utf-8"), re.MULTILINE)
    assert told == names


def read(text: str) -> dict[str, float]:
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}
