"""analyze-portfolio as a person and a script run it: on a live ledger, a copy, an empty one, and none at all."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import pytest

from tests.office.story import Story, tell_all
from trade_mcp import analyze_portfolio
from trade_mcp.feeds.synthetic import synthetic_feed

KEYS = {
    "as_of",
    "mode",
    "currency",
    "equity",
    "cash",
    "realised",
    "unrealised",
    "fees",
    "drawdown",
    "exposure",
    "heat",
    "positions",
    "orders",
    "fills",
    "trades",
    "by_strategy",
    "by_symbol",
    "by_source",
    "refusals",
    "synthetic",
}


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    told = Story(tmp_path / "desk" / "ledger.db")
    yield told
    told.engine.close()


def answer(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> dict[str, Any]:
    analyze_portfolio.main([*map(str, arguments), "--json"])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def text(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    analyze_portfolio.main([*map(str, arguments)])
    return capsys.readouterr().out


def test_a_live_ledger_is_read_while_it_is_written(story: Story, capsys: pytest.CaptureFixture[str]) -> None:
    tell_all(story)
    with story.log.writing():
        found = answer(capsys, "--database", story.engine.path)
    assert found.keys() >= KEYS
    assert found["positions"][0].keys() >= {"symbol", "size", "entry", "mark", "stop", "target", "owner"}
    assert found["trades"].keys() >= {"closed", "wins", "losses", "win_rate", "profit_factor"}
    assert (found["mode"], found["currency"], found["synthetic"]) == ("paper", "USDT", True)
    assert (found["cash"], found["realised"], found["fees"], found["unrealised"]) == ("7840.75", "50", "9.25", "50")
    assert D(found["equity"]) == D(found["deposits"]) + D(found["realised"]) + D(found["unrealised"]) - D(found["fees"])
    assert found["orders"]["by_source"] == {"loop": 2, "exit": 2, "model": 2}
    assert found["refusals"] == {"heat": 1, "cash": 1}
    assert isinstance(found["drawdown"], float)


def test_a_copy_says_the_same_and_stays_as_it_is(story: Story, capsys: pytest.CaptureFixture[str]) -> None:
    tell_all(story)
    live = answer(capsys, "--database", story.engine.path)
    story.engine.close()
    copy = story.engine.path.parent.with_name("copy.db")
    shutil.copy(story.engine.path, copy)
    before = copy.read_bytes()
    assert answer(capsys, "--database", f"sqlite:///{copy}") == live
    assert copy.read_bytes() == before


def test_money_is_plain_text_to_the_last_digit(story: Story, capsys: pytest.CaptureFixture[str]) -> None:
    story.order("tiny", "buy", "0.000000000001", price="0.00000001", fee="1E-9")
    story.order("big", "buy", "3", price="3E+2", symbol="ETH/USDT")
    found = answer(capsys, "--database", story.engine.path)
    assert found["fees"] == "0.000000001"
    assert D(found["cash"]) == story.log.book.cash
    numbers = [found["cash"], found["equity"], *(held[key] for held in found["positions"] for key in ("size", "cost"))]
    assert not any("E" in number for number in numbers)


@pytest.mark.parametrize("width", [80, 200])
def test_the_text_fits_and_says_that_prices_are_made_up(
    story: Story, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    tell_all(story)
    shown = text(capsys, "--database", story.engine.path)
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= 80
    for part in ("SYNTHETIC", "10,090.75 USDT", "BTC/USDT", "21,560", "rsi_reversion", "profit factor 1.81", "1 heat"):
        assert part in shown
    assert "Since 2023-03-02 00:05" in text(capsys, "--database", story.engine.path, "--period", "2d")


def test_real_prices_are_not_called_synthetic(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    story = Story(tmp_path / "ledger.db", synthetic=False)
    tell_all(story)
    story.engine.close()
    assert "SYNTHETIC" not in text(capsys, "--database", story.engine.path)


def test_a_name_cannot_paint_the_terminal(story: Story, capsys: pytest.CaptureFixture[str]) -> None:
    story.order("m1", "buy", "1", price="10", strategy="\x1b[31m[bold]evil[/bold]\n" + "x" * 100)
    shown = text(capsys, "--database", story.engine.path)
    assert "\x1b" not in shown
    assert "?[31m[bold]evil[/bo…" in shown


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.touch()], ids=["missing", "without a byte"])
def test_no_ledger_is_no_failure_but_a_next_step(tmp_path: Path, capsys: pytest.CaptureFixture[str], make: Any) -> None:
    path = tmp_path / "ledger.db"
    make(path)
    before = sorted(tmp_path.iterdir())
    assert "trade-mcp up" in text(capsys, "--database", path)
    found = answer(capsys, "--database", path)
    assert found.keys() >= KEYS
    assert "trade-mcp up" in found["hint"]
    assert (found["equity"], found["positions"], found["orders"]["total"], found["fills"]) == ("0", [], 0, 0)
    assert sorted(tmp_path.iterdir()) == before


def test_a_ledger_without_an_order_shows_its_cash_and_a_hint(story: Story, capsys: pytest.CaptureFixture[str]) -> None:
    shown = text(capsys, "--database", story.engine.path)
    assert "10,000.00 USDT" in shown
    assert "no order was asked for yet" in shown
    assert answer(capsys, "--database", story.engine.path)["equity"] == "10000"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--period", "7x"], 2, "'7x' is not a period"),
        (["--config", "no-such.toml"], 2, "there is no configuration file"),
        (["--database", "mysql://there"], 2, "not supported"),
        (["--database", "README.txt"], 1, "not a trade-mcp ledger"),
        (["--html"], 2, "--html"),
    ],
)
def test_what_cannot_be_is_said_with_a_hint(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("README.txt").write_text("hello")
    with pytest.raises(SystemExit) as ended:
        analyze_portfolio.main(arguments)
    assert ended.value.code == code
    assert said in capsys.readouterr().err


def test_the_settings_say_where_the_ledger_is(story: Story, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    tell_all(story)
    config = tmp_path / "trade-mcp.toml"
    config.write_text(f'[desk]\ndata_dir = "{story.engine.path.parent}"\n')
    assert answer(capsys, "--config", config)["fills"] == 5


def test_the_command_needs_no_venue_key_network_or_heavy_library(story: Story) -> None:
    tell_all(story)
    code = (
        "import sys, socket; socket.socket = None\n"
        "from trade_mcp.analyze_portfolio import main\n"
        f"main(['--json', '--database', {str(story.engine.path)!r}])\n"
        "heavy = {'rich', 'mcp', 'ccxt', 'pandas', 'alembic', 'pydantic', 'talib', 'sqlalchemy'}\n"
        "sys.exit(f'imported: {heavy & set(sys.modules)}' if heavy & set(sys.modules) else 0)"
    )
    environment = {"PATH": os.environ["PATH"], "HOME": str(story.engine.path.parent)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["fills"] == 5


def test_a_page_is_written_beside_what_is_printed(
    story: Story, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    tell_all(story)
    page = tmp_path / "page.html"
    found = answer(capsys, "--database", story.engine.path, "--html", page, "--period", "week")
    assert found["fills"] == 5
    shown = page.read_text("utf-8")
    assert "Trading report: week" in shown
    assert "the candles of this ledger" in shown  # without settings nothing says where they are
    with pytest.raises(SystemExit) as ended:
        analyze_portfolio.main(["--database", str(story.engine.path), "--html", str(tmp_path / "no" / "page.html")])
    assert ended.value.code == 1
    assert "cannot be written" in capsys.readouterr().err


def test_the_settings_say_where_the_candles_of_a_page_are(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    story = Story(tmp_path / "desk" / "ledger.db", feed=synthetic_feed().identity)
    tell_all(story)
    story.engine.close()
    config = tmp_path / "trade-mcp.toml"
    config.write_text(f'[desk]\ndata_dir = "{story.engine.path.parent}"\n')
    text(capsys, "--config", config, "--html", tmp_path / "page.html")
    shown = (tmp_path / "page.html").read_text("utf-8")
    assert "Holding BTC/USDT, ETH/USDT and SOL/USDT in equal parts would have made" in shown
