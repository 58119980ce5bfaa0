"""What the desk tells of its performance: small answers, pages of them, a report on request."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server.serving import Caller
from tests.office.story import Standing, Telling
from trade_mcp.app import App, build
from trade_mcp.domain.order import Source
from trade_mcp.server.shapes import MAX_CHARS, plain
from trade_mcp.server.tools.performance import PAGE, get_performance
from trade_mcp.settings import load_settings

TYPICAL = 600 * 4  # characters


def test_a_desk_that_did_nothing_says_why_nothing_is_known(call: Caller) -> None:
    found = call("get_performance", period="day")
    assert found["synthetic"] is True
    assert found["trades"] == {"closed": 0, "won": 0, "lost": 0, "net": "0"}
    assert found["ratios"]["profit_factor"] == "unknown: not enough trades: 0 of 5"
    assert found["by_strategy"] == []


def test_what_is_no_period_is_refused_with_examples(call: Caller) -> None:
    for tool in ("get_performance", "generate_report"):
        assert "week" in call.refused(tool, period="fortnight")["error"]["hint"]
    assert "not a cursor" in call.refused("get_performance", cursor="abc")["error"]["message"]


def test_a_report_is_written_while_the_caller_sees_how_far_it_is(call: Caller) -> None:
    call("place_order", symbol="BTC/USDT", side="buy", notional="200", stop_loss="2%", strategy="chat")
    call("close_position", symbol="BTC/USDT")
    steps: list[tuple[float, str | None]] = []

    async def on_progress(done: float, of: float | None, what: str | None) -> None:
        steps.append((done, what))

    found = call.followed("generate_report", on_progress, period="day")
    assert [done for done, _ in steps] == [0, 1, 2, 3]
    assert found["summary"][1].startswith("1 trade closed")
    page = Path(found["html"]).read_text("utf-8")
    assert "SYNTHETIC" in page
    assert json.loads(Path(found["json"]).read_text("utf-8"))["closed"][0]["strategy"] == "chat"
    performance = call("get_performance", period="day", by="exit")
    assert performance["by_exit"][0]["name"] == "model"
    assert len(json.dumps(performance)) < TYPICAL


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """A desk of sixty strategies, four trades each."""
    settings = load_settings(env={}, overrides={"desk": {"data_dir": str(tmp_path_factory.mktemp("busy"))}})
    with build(settings, "trades") as app:
        story = Telling(app.log, Standing(), app.feed.start)
        for number in range(240):
            name = f"a-long-name-of-strategy-number-{number % 60:02d}"
            at = story.at(hours=number)
            at.order(f"b{number}", "buy", "0.01", price="20000", fee="0.2", strategy=name, source=Source.MODEL)
            at.order(f"s{number}", "sell", "0.01", price=str(19_000 + 10 * number), fee="0.2", source=Source.MODEL)
        yield app


def pages(desk: App, by: str) -> Iterator[dict[str, Any]]:
    cursor = ""
    while cursor is not None:
        page = plain(get_performance(desk, period="all", by=by, cursor=cursor))
        yield page
        cursor = page.get("next")


@pytest.mark.parametrize("by", ["strategy", "symbol", "source", "hour", "exit"])
def test_a_busy_desk_answers_in_pages_that_a_model_can_bear(busy: App, by: str) -> None:
    names = []
    for page in pages(busy, by):
        assert len(json.dumps(page)) < MAX_CHARS / 2
        assert len(page[f"by_{by}"]) <= PAGE
        names += [group["name"] for group in page[f"by_{by}"]]
        assert page["trades"]["closed"] == 240
    assert len(names) == len(set(names)) == {"strategy": 60, "symbol": 1, "source": 1, "hour": 24, "exit": 1}[by]


def test_the_ratios_of_a_busy_desk_name_their_samples(busy: App) -> None:
    ratios = get_performance(busy, period="all")["ratios"]
    assert ratios["win_rate"].endswith("of 240 trades")
    assert ratios["sharpe"].startswith("unknown: equity did not move")
    assert isinstance(get_performance(busy, period="all")["buy_and_hold"], float)


def test_a_cursor_beyond_the_end_is_an_empty_page(busy: App) -> None:
    assert get_performance(busy, period="all", cursor="999")["by_strategy"] == []
