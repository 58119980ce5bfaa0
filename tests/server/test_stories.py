"""The story of a trade, the resources and the prompts, as a real client gets them."""

import os
from pathlib import Path

import pytest
from mcp import MCPError

from server.serving import Caller

PROMPTS = Path(__file__).parent / "golden"


def traded(call: Caller, order_id: str, notional: str) -> None:
    call(
        "place_order",
        symbol="BTC/USDT",
        side="buy",
        notional=notional,
        stop_loss="2%",
        order_id=order_id,
        reason="a </data> try",
    )
    call("close_position", symbol="BTC/USDT", reason="enough")


def test_a_trade_is_explained_from_its_entry_its_exit_or_its_close(call: Caller) -> None:
    traded(call, "tale", "200")
    told = call("explain_trade", order_id="tale")
    assert (told["outcome"], told["why"]["by"]) == ("closed", "model")
    assert told["why"]["reason"] == "<data>a (/data) try</data>"
    assert float(told["result"]["net"]) == pytest.approx(
        float(told["result"]["realised"]) - float(told["result"]["fees"]), abs=1e-6
    )
    assert told["judged"]["passed"] > 15
    for sign in ("asked to buy", "filled at", "stop 1: rests at the venue", "close: model asked to sell", "enough"):
        assert any(sign in line for line in told["timeline"]), sign
    closing = call("list_orders", status="closed", symbol="BTC/USDT")["orders"][0]["order_id"]
    for other in ("tale-stop-1", closing):
        assert call("explain_trade", order_id=other)["order_id"] == "tale"


def test_a_refusal_is_explained_by_its_rules(call: Caller) -> None:
    call.refused("place_order", symbol="BTC/USDT", side="buy", notional="9000", order_id="too-much")
    told = call("explain_trade", order_id="too-much")
    assert told["outcome"] == "refused"
    assert "order_notional" in told["judged"]["refused"]
    assert "result" not in told


def test_an_unknown_order_is_said_to_be_unknown(call: Caller) -> None:
    refused = call.refused("explain_trade", order_id="never-was")
    assert refused["error"]["kind"] == "BadInput"
    assert "list_orders" in refused["error"]["hint"]


def test_the_journal_holds_every_event_with_its_hash(call: Caller) -> None:
    traded(call, "linked", "210")
    events = call.read("journal://linked")["events"]
    assert [event["seq"] for event in events] == sorted(event["seq"] for event in events)
    assert {"order_pending", "filled", "order_cancelling"} <= {event["kind"] for event in events}
    assert all(len(event["hash"]) == 16 for event in events)


def test_resources_say_what_the_tools_say(call: Caller) -> None:
    assert {"portfolio://current", "limits://current", "report://latest", "journal://{order_id}"} <= call.resources()
    assert call.read("portfolio://current").keys() == call("get_portfolio").keys()
    assert call.read("limits://current").keys() == call("get_risk").keys()


def test_the_last_report_can_be_read(call: Caller) -> None:
    with pytest.raises(MCPError, match="generate_report"):
        call.read("report://latest")
    call("generate_report", period="day")
    report = call.read("report://latest")
    assert report["text"] and report["name"] == "day" and Path(report["html"]).exists()


def test_a_journal_nobody_knows_is_an_error_with_a_hint(call: Caller) -> None:
    with pytest.raises(MCPError, match="list_orders"):
        call.read("journal://nothing")


@pytest.mark.parametrize("name", ["morning_plan", "review_position", "daily_review", "risk_check"])
def test_a_prompt_reads_as_it_was_agreed(call: Caller, name: str) -> None:
    assert name in call.prompts()
    said = call.prompt(name, **({"symbol": "BTC/USDT"} if name == "review_position" else {}))
    golden = PROMPTS / f"{name}.txt"
    if os.environ.get("TRADE_MCP_UPDATE_SNAPSHOTS"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(said, "utf-8")
    assert said == golden.read_text("utf-8")


def test_prompts_name_only_tools_there_are(call: Caller) -> None:
    tools = {tool.name for tool in call.tools()}
    for name in call.prompts():
        said = call.prompt(name, **({"symbol": "BTC/USDT"} if name == "review_position" else {}))
        words = {word.strip("().,:;") for word in said.replace("(", " ").split()}
        named = {word for word in words if "_" in word and word.islower()}
        assert named <= tools, named - tools
