"""In the chat: real MCP clients, with and without somebody who can be asked, in both protocols."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from mcp_types import ErrorData

from approvals.clients import LEGACY, MODERN, PersonBehind, chat
from cli.test_bad_input import run
from desk.stage import BTC, buy
from server.serving import Served, over_stdio, until
from trade_mcp.app import App
from trade_mcp.domain.approvals import By
from trade_mcp.domain.events import Denied
from trade_mcp.domain.order import Source
from trade_mcp.server.server import build_server
from trade_mcp.store import history

Stage = Callable[..., App]
BOTH = pytest.mark.parametrize("mode", [MODERN, LEGACY])
LARGE = {"symbol": BTC, "side": "buy", "size": "12", "stop_loss": "2%", "reason": "the trend"}  # 12 % of equity
SMALL = LARGE | {"size": "9"}


def denied(app: App) -> list[str]:
    events = history.events(app.engine, (Denied,))
    return [f"{event.act}: {event.why}" for event in events if isinstance(event, Denied)]


@BOTH
def test_what_policy_allows_asks_nobody(stage: Stage, mode: str) -> None:
    person = PersonBehind("no")
    with chat(build_server(stage()), person, mode=mode) as call:
        assert call("place_order", **SMALL)["outcome"] == "placed"
    assert person.asked == []


@BOTH
def test_a_yes_places_what_was_shown(stage: Stage, mode: str) -> None:
    app, person = stage(), PersonBehind("yes")
    with chat(build_server(app), person, mode=mode) as call:
        told = call("place_order", **LARGE, order_id="big")
    assert told["outcome"] == "placed" and told["order"]["filled"] == "12"
    assert app.log.refresh().positions[BTC].owner is Source.MODEL
    (asked,) = person.asked
    for shown in ("paper: The model wants to buy 12 BTC", "12.0 % of equity", "above 10.0 %", "98.0", '"the trend"'):
        assert shown in asked, asked
    assert app.log.book.proposals == {}


@BOTH
@pytest.mark.parametrize("says", ["no", "decline"])
def test_a_no_ends_it_for_good(stage: Stage, mode: str, says: str) -> None:
    app, person = stage(), PersonBehind(says)
    with chat(build_server(app), person, mode=mode) as call:
        assert call.refused("place_order", **LARGE, order_id="big")["outcome"] == "rejected"
        again = call.refused("place_order", **LARGE, order_id="big")
        assert again["outcome"] == "refused" and "rejected" in again["message"]
        assert call("list_proposals", status="all")["proposals"][0]["status"] == "rejected"
    assert len(person.asked) == 1 and not app.log.refresh().positions


@BOTH
@pytest.mark.parametrize("says", ["cancel", {"approve": "true"}, {"approve": True, "limit": 1}, {}])
def test_no_clear_answer_is_none_and_the_question_stays_the_same(stage: Stage, mode: str, says: Any) -> None:
    app, person = stage(), PersonBehind(says)
    with chat(build_server(app), person, mode=mode) as call:
        first = call("place_order", **LARGE, order_id="big")
        assert first["outcome"] == "proposed" and first["proposal"]["status"] == "waiting"
        app.gate.submit(buy("small", "0.5"), Source.MODEL)  # the book moves on, the question does not
        call("place_order", **LARGE, order_id="big")
        assert person.asked[0] == person.asked[1]
        (waiting,) = call("list_proposals")["proposals"]
        person.says = "yes"
        assert call("place_order", **LARGE, order_id="big")["outcome"] == "placed"
    assert waiting["id"] == first["proposal"]["id"] and waiting["order_id"] == "big"


def test_a_client_that_fails_at_asking_has_not_answered(stage: Stage) -> None:
    app = stage()

    async def breaks(context: object, params: object) -> Any:
        return ErrorData(code=-32603, message="no window to ask in")

    with chat(build_server(app), breaks, mode=LEGACY) as call:  # type: ignore[arg-type]
        assert call("place_order", **LARGE)["outcome"] == "proposed"
    assert len(app.log.refresh().proposals) == 1


@BOTH
def test_two_chats_one_answer(stage: Stage, mode: str) -> None:
    app = stage()

    class Quicker(PersonBehind):
        async def __call__(self, context: object, params: Any) -> Any:
            (proposal_id,) = app.log.refresh().proposals
            app.proposals.reject(proposal_id, By.TERMINAL)  # somebody at a terminal, while the question stands
            return await super().__call__(context, params)

    with chat(build_server(app), Quicker("yes"), mode=mode) as call:
        late = call.refused("place_order", **LARGE)
        assert late["error"]["kind"] == "NotWaiting" and "rejected" in late["error"]["message"]
    assert not app.log.refresh().positions
    assert any(said.startswith("approve") and "rejected" in said for said in denied(app))


@BOTH
def test_who_cannot_be_asked_sends_a_token_and_waits_for_a_terminal(stage: Stage, mode: str) -> None:
    app = stage()
    with chat(build_server(app), None, mode=mode) as call:
        first = call("place_order", **LARGE)
        assert first["outcome"] == "unconfirmed" and app.log.refresh().proposals == {}
        again = LARGE | {"order_id": first["order_id"], "confirm": first["confirm"]}
        told = call("place_order", **again)
        assert told["outcome"] == "proposed"
        assert call("place_order", **again)["proposal"] == told["proposal"]  # the same once more, not two
        assert call("list_orders", status="all")["orders"] == []
        receipt = app.proposals.approve(told["proposal"]["id"], By.TERMINAL)
        assert receipt.outcome == "placed"
        assert call("place_order", **again)["outcome"] == "already"


def test_a_token_is_of_one_order_and_a_false_one_is_written_down(stage: Stage) -> None:
    app = stage()
    with chat(build_server(app), None) as call:
        first = call("place_order", **LARGE)
        for other in (
            {"order_id": "another", "confirm": first["confirm"]},
            {"order_id": first["order_id"], "confirm": first["confirm"], "size": "14"},
            {"order_id": first["order_id"], "confirm": "yes"},
            {"order_id": first["order_id"], "confirm": "ffffffffffff." + "0" * 32},
        ):
            assert call.refused("place_order", **(LARGE | other))["error"]["kind"] == "RefusedError"
    assert len([said for said in denied(app) if said.startswith("confirm")]) == 4
    assert app.log.refresh().proposals == {} and not app.log.book.positions


def test_a_call_that_reaches_for_a_persons_acts_is_refused_and_written_down(stage: Stage) -> None:
    app = stage()
    with chat(build_server(app), None) as call:
        for tool in ("resume", "approve_order", "set_limits", "arm_live", "adopt_policy", "takeover"):
            told = call.refused(tool, reason="the risk officer said so")
            assert "a person does, in a terminal" in told["error"]["hint"]
        assert "terminal" not in call.refused("place_orders")["error"]["hint"]
        assert "max_order_notional" in str(call.refused("place_order", **LARGE, max_order_notional="1"))
        call.refused("halt_trading", reason="x", resume=True)
    acts = [said.partition(":")[0] for said in denied(app)]
    tools = ["resume", "approve_order", "set_limits", "arm_live", "adopt_policy", "takeover"]
    assert acts == [*tools, "max_order_notional", "resume"]


def test_a_forged_answer_to_a_question_is_refused_and_written_down(stage: Stage) -> None:
    app = stage()
    with chat(build_server(app), PersonBehind()) as call:
        yes = {"approve": {"action": "accept", "content": {"approve": True}}}
        portal, client = call._portal, call._client

        async def forge(**given: Any) -> Any:
            return await client.session.call_tool("place_order", LARGE, input_responses=yes, **given)

        with pytest.raises(Exception, match="requestState"):
            portal.call(lambda: forge(request_state="v1.forged"))
        asked = portal.call(lambda: forge(allow_input_required=True))  # an answer nobody asked for is none
        assert asked.input_requests and not app.log.refresh().positions
        state = asked.request_state
        with pytest.raises(Exception, match="requestState"):  # bound to its call: not to a larger order
            portal.call(
                lambda: client.session.call_tool(
                    "place_order", LARGE | {"size": "14"}, input_responses=yes, request_state=state
                )
            )
        assert portal.call(lambda: forge(request_state=state)).structured_content["outcome"] == "placed"
        replayed = portal.call(lambda: forge(request_state=state))
        assert replayed.is_error and "approved" in str(replayed.structured_content)
    assert len([said for said in denied(app) if said.startswith("approve")]) == 3
    assert app.log.refresh().positions[BTC].size == 12


@pytest.mark.parametrize("mode", [MODERN, pytest.param(LEGACY, marks=pytest.mark.storm)])
def test_over_stdio(tmp_path: Path, mode: str) -> None:
    person = PersonBehind("yes")
    with chat(over_stdio(tmp_path), person, mode=mode) as call:
        until(lambda: any("watch" in program for program in call("get_status")["programs"]))
        told = call("place_order", symbol="BTC/USDT", side="buy", notional="1200", stop_loss="5%")
        assert told["outcome"] == "placed" and len(person.asked) == 1


def test_over_http_and_the_rest_in_a_terminal(tmp_path: Path) -> None:
    served = Served(tmp_path)
    order = {"symbol": "BTC/USDT", "side": "buy", "notional": "1200", "stop_loss": "5%"}
    with chat(served.url, PersonBehind("yes")) as call:
        until(lambda: any("watch" in program for program in call("get_status")["programs"]))
        assert call("place_order", **order)["outcome"] == "placed"
    with chat(served.url, PersonBehind("yes"), mode=LEGACY) as call:  # without sessions nobody can be asked so
        second = order | {"symbol": "ETH/USDT"}
        first = call("place_order", **second)
        assert first["outcome"] == "unconfirmed"
        again = second | {"order_id": first["order_id"], "confirm": first["confirm"]}
        number = call("place_order", **again)["proposal"]["id"]
        listed = run(tmp_path, "proposals", "--json")
        assert listed.returncode == 0, listed.stderr
        (waiting,) = json.loads(listed.stdout)["proposals"]
        assert (waiting["id"], waiting["status"]) == (number, "waiting")
        done = run(tmp_path, "approve", number, "--json")
        assert done.returncode == 0 and json.loads(done.stdout)["outcome"] == "placed", done.stderr
        until(lambda: call("list_orders", symbol="ETH/USDT", status="filled")["orders"] != [])
    late = run(tmp_path, "approve", number)
    assert late.returncode == 3 and "approved" in late.stderr
    foreign = run(tmp_path, "reject", "0123456789")
    assert foreign.returncode == 3 and "no proposal" in foreign.stderr
    served.stop()
    with closing(sqlite3.connect(tmp_path / "desk" / "ledger.db")) as db:
        rows = db.execute("SELECT status, decided_by FROM proposals ORDER BY placed").fetchall()
        kinds = db.execute("SELECT count(*) FROM events WHERE kind = 'denied'").fetchone()
    assert rows == [("approved", "chat"), ("approved", "terminal")] and kinds == (2,)
