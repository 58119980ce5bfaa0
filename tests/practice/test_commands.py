"""`trade-mcp practice` and its status, as a person runs them, and the control port as a script asks it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from practice.running import ACCOUNT, Running, running_child
from server.serving import environment, free_port
from trade_mcp.domain.errors import BadInput, TradeError
from trade_mcp.practice.remote import Remote

DESK = {  # of a desk that trades on a practice exchange
    "TRADE_MCP_EXCHANGE_URL": "http://127.0.0.1:9100",
    "TRADE_MCP_DESK__VENUE": "ccxt",
    "TRADE_MCP_DESK__EXCHANGE": "binance",
    "TRADE_MCP_DESK__SYMBOLS": "BTC/USDT",
}


def command(folder: Path, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "trade_mcp", "practice", *arguments],
        env=environment(folder, **more),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.storm
def test_it_runs_and_tells_its_books(tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text('[[faults]]\nfault = "delay"\nseconds = 0.001\n')
    with running_child(tmp_path, "--faults", "plan.toml", "--seed", "3", "--json") as child:
        client = child.client()
        client.create_order("BTC/USDT", "market", "buy", 0.01)
        port = ("--control-port", str(child.control_port))
        told = json.loads(command(tmp_path, "status", *port, "--json").stdout)
        assert (told["orders"], told["fills"], told["balanced"]) == (1, 1, True)
        assert told["accounts"]["practice-key"]["balances"]["BTC"]["free"] == "0.50999000"
        assert [(fault["fault"], fault["struck"] > 0) for fault in told["faults"]] == [("delay", True)]
        text = command(tmp_path, "status", *port).stdout
        assert "1 orders, 1 trades; the books add up" in text
        taken = command(tmp_path, "--port", str(child.port), "--control-port", str(free_port()))
        assert (taken.returncode, "in use" in taken.stderr) == (2, True)
    begun = json.loads((tmp_path / "practice.log").read_text("utf-8").splitlines()[0])
    assert (begun["url"], begun["keys"], begun["faults"]) == (child.url, ["practice-key"], 1)
    assert "practice-secret" not in (tmp_path / "practice.log").read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--host", "0.0.0.0"], "--beyond-localhost"),
        (["--account", "key"], "is no account"),
        (["--account", "k:s:USDT=much"], "is no balance"),
        (["--account", "k:s:USDT=1:everything"], "unknown permission"),
        (["--account", "k:s:USDT=1", "--account", "k:s:USDT=1"], "given twice"),
        (["--speed", "-1"], "out of range"),
        (["--faults", "missing.toml"], "cannot be read"),
        (["--feed", "replay"], "--data"),
        (["--exchange-info", "missing.json"], "cannot be read"),
        (["--feed", "ccxt"], "from a practice exchange"),
    ],
)
def test_bad_usage_says_what_is_wrong(tmp_path: Path, arguments: list[str], said: str) -> None:
    ports = ["--port", str(free_port()), "--control-port", str(free_port())]
    ended = command(tmp_path, *ports, *arguments, **DESK)
    assert (ended.returncode, said in ended.stderr) == (2, True), ended.stderr
    assert "Traceback" not in ended.stderr


def test_nobody_there_is_said(tmp_path: Path) -> None:
    ended = command(tmp_path, "status", "--control-port", str(free_port()))
    assert (ended.returncode, "no practice exchange answers" in ended.stderr) == (1, True)


def test_money_comes_and_goes_by_hand(exchange: Running, client: Any) -> None:
    before = client.fetch_balance()["USDT"]["total"]
    exchange.control.transfer("practice-key", "USDT", "12.5")
    assert client.fetch_balance()["USDT"]["total"] == pytest.approx(before + 12.5)
    exchange.control.transfer("practice-key", "USDT", "-12.5")
    with pytest.raises(BadInput, match="free"):
        exchange.control.transfer("practice-key", "USDT", "-1000000")
    assert exchange.control.status()["balanced"]


def test_accounts_come_later_too(exchange: Running) -> None:
    exchange.control.add_account("late-key:late-secret:USDT=77")
    assert exchange.client("late-key", "late-secret").fetch_balance()["USDT"]["total"] == 77
    with pytest.raises(BadInput):
        exchange.control.add_account("nonsense")


def test_every_order_of_an_account_can_be_read(exchange: Running, client: Any) -> None:
    placed = client.create_order("BTC/USDT", "market", "buy", 0.001)
    books = exchange.control.books("practice-key")
    assert books["orders"][-1]["orderId"] == int(placed["id"])
    assert books["trades"][-1]["orderId"] == int(placed["id"])
    with pytest.raises(BadInput, match="no account"):
        exchange.control.books("nobody")


def test_market_time_goes_forward_only(exchange: Running) -> None:
    with pytest.raises(BadInput, match="out of range"):
        exchange.control.move_on(-1)
    with pytest.raises(BadInput, match="out of range"):
        exchange.control.set_speed(-1)
    before = exchange.control.status()["market"]["at"]
    assert exchange.control.move_on(60)["at"] > before


def test_a_web_page_cannot_run_the_exchange(exchange: Running) -> None:
    url = exchange.control.url
    assert httpx.post(f"{url}/kill", content="{}", headers={"content-type": "text/plain"}).status_code == 400
    assert httpx.get(f"{url}/status", headers={"host": "evil.example"}).status_code == 400


def test_a_control_port_that_is_none(exchange: Running) -> None:
    with pytest.raises((TradeError, BadInput)):
        Remote(exchange.url).status()


def test_accounts_show_no_secret(exchange: Running) -> None:
    assert ACCOUNT.split(":")[1] not in json.dumps(exchange.control.status())
