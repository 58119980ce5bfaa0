"""Bad input on the command line: exit code 2, what is wrong and what to do, no traceback, nothing half made."""

import socket
import subprocess
from pathlib import Path

import pytest

from cli import forked
from server.serving import environment

GOOD = "timestamp,open,high,low,close,volume\n" + "".join(
    f"{1704067200000 + n * 300000},100,101,99,100,10\n" for n in range(300)
)


def run(folder: Path, *words: str, config: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    if config:
        (folder / "trade-mcp.toml").write_text(config)
    return forked.run(words, environment(folder, **more), folder)


def told(done: subprocess.CompletedProcess[str], *said: str, code: int = 2) -> None:
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    for word in said:
        assert word in done.stderr
    assert "hint:" in done.stderr


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("[desk]\ncapitol = 5\n", ("desk.capitol", "desk.capital")),
        ("[limits]\nmax_order_notional = 15\n", ("max_order_notional", "0.15")),
        ("[limits]\nmax_heet = 0.1\n", ("max_heet", "max_heat")),
        ("[desk\n", ("trade-mcp.toml", "line 1")),
        ('[desk]\ncapital = "lots"\n', ("desk.capital", "a number")),
        ('[desk]\ntimeframe = "7m"\n', ("timeframe", "5m")),
        ("[strategies.ema_cross]\nfats = 5\n", ("fats", "fast")),
        ('[desk]\nsymbols = ["DOGE/USDT"]\nquote = "EUR"\n', ("quote",)),
    ],
)
def test_a_bad_configuration_is_refused_by_name(tmp_path: Path, config: str, said: tuple[str, ...]) -> None:
    told(run(tmp_path, "tick", config=config), *said)
    assert not (tmp_path / "desk").exists()


def test_limits_cannot_come_from_the_environment(tmp_path: Path) -> None:
    told(run(tmp_path, "tick", TRADE_MCP_LIMITS__MAX_HEAT="1"), "LIMITS")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("gone_BTCUSDT_5m.csv", None, "gone_BTCUSDT_5m.csv"),
        ("x_BTCUSDT_5m.csv", "", "x_BTCUSDT_5m.csv"),
        ("x_BTCUSDT_5m.parquet", "PAR1 cut off", "x_BTCUSDT_5m.parquet"),
        ("x_BTCUSDT_5m.csv", GOOD + GOOD.splitlines()[5] + "\n", "x_BTCUSDT_5m.csv"),
        ("x_BTCUSDT_5m.csv", GOOD.replace(",101,99,", ",99,101,", 1), "x_BTCUSDT_5m.csv"),
        ("prices.csv", GOOD, "prices.csv"),
    ],
)
def test_a_bad_candle_file_is_named(tmp_path: Path, name: str, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    told(run(tmp_path, "up", "--feed", "replay", "--data", name, "--for", "5s"), said)


def test_a_folder_that_cannot_be_written_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    told(run(tmp_path, "up", "--for", "5s", TRADE_MCP_DESK__DATA_DIR=str(tmp_path / "file" / "desk")), "desk.data_dir")


def test_a_port_in_use_is_told_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        told(run(tmp_path, "up", "--for", "5s", "--port", str(port)), str(port))
    assert not (tmp_path / "desk" / "ledger.db").exists()


def test_a_speed_that_is_none_is_told(tmp_path: Path) -> None:
    told(run(tmp_path, "up", "--speed", "-3", "--for", "5s"), "speed")


def test_a_ledger_of_other_prices_is_refused_with_the_way_out(tmp_path: Path) -> None:
    assert run(tmp_path, "tick").returncode == 0
    told(run(tmp_path, "tick", TRADE_MCP_FEED__SEED="8"), "data_dir", code=1)
