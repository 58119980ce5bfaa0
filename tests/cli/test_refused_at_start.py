"""More of what a person gets wrong at the start: each refused at once, by name, before anything is made."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cli.test_bad_input import run, told
from feeds.files import HEADER

Write = Callable[[str], Path]
NAME = "made_BTCUSDT_5m.csv"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--feed", "replayed"), ("did you mean 'replay'",)),
        (("--feed", "replay"), ("feed.data", "--data PATH")),
        (("--speed", "fast"), ("feed.speed", '"max"')),
        (("--for", "soon"), ("'soon'", "--for 10m")),
        (("--port", "99999"), ("server.port", "65535")),
        (("--config", "gone.toml"), ("gone.toml",)),
    ],
    ids=" ".join,
)
def test_an_option_that_cannot_be(tmp_path: Path, words: tuple[str, ...], said: tuple[str, ...]) -> None:
    told(run(tmp_path, "up", *words), *said)
    assert not (tmp_path / "desk").exists()


WRONG = """
[limits]
max_trade_risk = 0.01
[paper]
taker_fee = 10
[feed]
seed = 7.5
[dask]
capital = 1
[exits]
stop = 0.02
"""


def test_all_wrong_settings_are_told_at_once(tmp_path: Path) -> None:
    said = (
        "paper.taker_fee",
        "10 % is written 0.1",
        "feed.seed",
        "a whole number",
        "dask",
        "desk",
        "exits.stop",
        "2%",
    )
    told(run(tmp_path, "serve", config=WRONG), "4 settings are wrong", *said)
    assert not (tmp_path / "desk").exists()


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ('[limits]\nmax_open_orders = "many"\n', ("max_open_orders",)),
        ('[server]\ntoken = "abc"\n', ("server.token", "TRADE_MCP_SERVER_TOKEN")),
        ("[desk]\ncapital = 1\ncapital = 2\n", ("trade-mcp.toml", "line 3")),
    ],
)
def test_a_setting_that_cannot_be(tmp_path: Path, config: str, said: tuple[str, ...]) -> None:
    told(run(tmp_path, "serve", config=config), *said)


@pytest.mark.parametrize(
    ("name", "said"),
    [("TRADE_MCP_DESK__CAPITEL", "desk.capital"), ("TRADE_MCP_DESK_CAPITAL", "TRADE_MCP_DESK__CAPITAL")],
)
def test_a_variable_that_cannot_be(tmp_path: Path, name: str, said: str) -> None:
    told(run(tmp_path, "verify", **{name: "5"}), said)


def test_a_symbol_the_candles_do_not_have(tmp_path: Path, candles: Write) -> None:
    words = ("up", "--feed", "replay", "--data", candles(NAME).name, "--for", "5s")
    told(run(tmp_path, *words, config='[desk]\nsymbols = ["BTX/USDT"]\n'), "BTX/USDT", "BTC/USDT")


def test_a_timeframe_the_candles_cannot_give(tmp_path: Path, candles: Write) -> None:
    words = ("up", "--feed", "replay", "--data", candles(NAME).name, "--for", "5s")
    told(run(tmp_path, *words, config='[desk]\ntimeframe = "1m"\n'), "1m", "5m")


@pytest.mark.parametrize("damage", ["cut off", "unsorted"])
def test_candles_that_are_damaged(tmp_path: Path, candles: Write, damage: str) -> None:
    path = candles(NAME)
    lines = path.read_text().splitlines()
    match damage:
        case "cut off":
            lines[-1] = lines[-1][: len(lines[-1]) // 3]
        case "unsorted":
            lines[40], lines[41] = lines[41], lines[40]
    path.write_text("\n".join([HEADER, *lines[1:]]))
    told(run(tmp_path, "up", "--feed", "replay", "--data", NAME, "--for", "5s"), NAME)


@pytest.mark.parametrize("words", [("serve",), ("db", "upgrade")], ids=" ".join)
def test_a_folder_that_cannot_be_made(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "file").write_text("")
    told(run(tmp_path, *words, TRADE_MCP_DESK__DATA_DIR=str(tmp_path / "file" / "desk")), "cannot be written")


def test_a_rebuild_makes_no_ledger(tmp_path: Path) -> None:
    told(run(tmp_path, "rebuild"), "there is no ledger")
    assert not (tmp_path / "desk" / "ledger.db").exists()


def test_a_file_that_cannot_take_the_csv(tmp_path: Path) -> None:
    told(run(tmp_path, "trades", "--csv", "gone/out.csv"), "gone/out.csv")


def test_a_command_that_is_none(tmp_path: Path) -> None:
    done = run(tmp_path, "rum")
    assert done.returncode == 2 and "No such command" in done.stderr and "Traceback" not in done.stderr
