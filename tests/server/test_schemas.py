"""What a client sees of the tools is fixed here: a change to it is a decision, shown in the diff of a snapshot.

Update with TRADE_MCP_UPDATE_SNAPSHOTS=1 uv run pytest tests/server/test_schemas.py
"""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from trade_mcp.server import manual
from trade_mcp.server.server import entries
from trade_mcp.server.tool import Entry
from trade_mcp.server.tools import TOOLSETS

HERE = Path(__file__).parent
ALL = entries(None, read_only=False)
NAMED = pytest.mark.parametrize("entry", ALL, ids=lambda entry: entry.name)


def seen(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "title": entry.title,
        "description": entry.manual,
        "annotations": entry.annotations.model_dump(by_alias=True, exclude_none=True),
        "inputSchema": manual.schema(entry),
    }


@NAMED
def test_a_tool_is_seen_as_its_snapshot_says(entry: Entry) -> None:
    file = HERE / "snapshots" / f"{entry.name}.json"
    text = json.dumps(seen(entry), indent=2, ensure_ascii=False) + "\n"
    if os.environ.get("TRADE_MCP_UPDATE_SNAPSHOTS"):
        file.write_text(text, "utf-8")
    assert file.read_text("utf-8") == text


def test_no_snapshot_is_left_of_a_tool_that_is_gone() -> None:
    assert {file.stem for file in (HERE / "snapshots").iterdir()} == {entry.name for entry in ALL}


def test_the_tools_are_those_the_interface_promises() -> None:
    desk = """find_instruments get_quotes get_candles get_signals preview_order place_order cancel_order
        close_position set_exits list_orders get_portfolio get_risk halt_trading get_status"""
    later = """get_order_book scan_market run_backtest list_proposals get_performance explain_trade generate_report
        get_learning"""
    names = {entry.name for entry in ALL}
    assert set(desk.split()) <= names <= set(f"{desk} {later}".split())


def test_the_page_about_the_tools_is_what_the_code_says() -> None:
    page = HERE.parents[1] / "docs" / "tools.md"
    assert page.read_text("utf-8") == manual.page(), "uv run python -m trade_mcp.server.manual > docs/tools.md"


def test_the_whole_list_is_cheap() -> None:
    assert sum(map(manual.tokens, ALL)) < 3_000
    assert sum(map(manual.tokens, entries(("market", "orders", "portfolio"), read_only=False))) < 2_000


@NAMED
def test_schemas_keep_to_what_claude_openai_and_gemini_all_accept(entry: Entry) -> None:
    schema = manual.schema(entry)
    assert set(schema) <= {"type", "properties", "required", "additionalProperties"}
    assert schema["additionalProperties"] is False
    for argument in schema["properties"].values():
        assert set(argument) <= {"type", "description", "enum", "items"}
        assert isinstance(argument["type"], str)
    assert re.fullmatch(r"[a-z_]{1,63}", entry.name)


@NAMED
def test_every_tool_has_a_title_and_says_what_it_does(entry: Entry) -> None:
    hints = entry.annotations
    assert hints.title
    assert hints.destructive_hint is (not entry.reads)
    assert hints.read_only_hint is (entry.reads and not entry.keeps)
    assert len(entry.manual.splitlines()[0]) > 30


def test_read_only_serves_nothing_that_changes_the_book() -> None:
    served = {entry.name for entry in entries(None, read_only=True)}
    assert served.isdisjoint({"place_order", "cancel_order", "close_position", "set_exits", "halt_trading"})
    assert {"preview_order", "get_portfolio", "list_orders"} <= served


def test_a_toolset_is_served_alone() -> None:
    assert entries(("market",), read_only=False) == TOOLSETS["market"]
