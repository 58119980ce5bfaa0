"""One order through the logs: from the call of an MCP client to the fill that another program saw."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli.test_programs import running
from server.serving import Served, connected, until

FAST = {"TRADE_MCP_FEED__SPEED": "3000", "TRADE_MCP_LOG_JSON": "true"}


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.endswith("}")]


@pytest.mark.storm
def test_an_order_is_followed_from_the_call_to_the_fill_that_the_watcher_saw(tmp_path: Path) -> None:
    with running(tmp_path, "watch", **FAST) as watcher:
        watcher.says('"watch"')
        server = Served(tmp_path, **FAST)
        with connected(server.url) as call:
            bid = float(call("get_quotes", symbols=["BTC/USDT"])["quotes"][0]["bid"])
            limit = f"{bid * 0.999:.2f}"
            placed = call(
                "place_order", symbol="BTC/USDT", side="buy", notional="200", type="limit", limit_price=limit,
                stop_loss="5%",
            )  # fmt: skip
            order_id = placed["order_id"]
            until(lambda: f"{order_id}-stop-1" in watcher.said, within_s=60)
            until(lambda: "position protected" in watcher.said)
        assert server.stop() == 0
        assert watcher.end() == 0

    served, watched = lines(server.said), lines(watcher.said)
    (called,) = [line for line in served if line.get("event") == "tool called" and line.get("order_id") == order_id]
    assert (called["tool"], called["outcome"], called["program"]) == ("place_order", "placed", "serve")
    caused = [line["event"] for line in served if line.get("call") == called["call"]]
    assert caused == ["order written", "order sent", "order working", "tool called"]
    story = [(line["event"], line["order_id"]) for line in watched if order_id in line.get("order_id", "")]
    assert story[0] == ("order filled", order_id)
    assert ("position protected", f"{order_id}-stop-1") in story
    assert {line["parent"] for line in watched if line.get("role") == "stop"} == {order_id}
