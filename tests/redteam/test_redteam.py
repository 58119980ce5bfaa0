"""Red team: families of hostile calls by a real client. No limit is exceeded, and every one gets a clear answer."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from desk.oracle import Oracle
from desk.stage import BTC, ETH, flat, on
from redteam.attacks import FAMILIES, Attack
from server.serving import Caller, connected
from trade_mcp.app import App
from trade_mcp.domain.events import TradingState
from trade_mcp.risk.policy import LIMITS
from trade_mcp.risk.rules import RULES
from trade_mcp.server.server import build_server
from trade_mcp.store.verify import verify

Stage = Callable[..., App]
ASKING = ("unconfirmed", "proposed")  # nothing was sent: a person decides
CONTROLS = set(LIMITS) | {rule.name for rule in RULES} | {"journal"}


@pytest.mark.parametrize("family", FAMILIES)
def test_no_call_of_a_family_exceeds_a_limit_and_each_is_answered(stage: Stage, family: str) -> None:
    app = stage(flat(400), eth=flat(400), limits={"max_orders_per_minute": 100, "max_repeats_per_hour": 100})
    oracle, policy = Oracle(app.log, app.judge.own), app.log.refresh().policy
    with connected(build_server(app)) as call:  # type: ignore[arg-type]
        for attack in FAMILIES[family]:
            answered(call, attack)
            quotes = app.market.quotes([BTC, ETH])
            oracle.follow(
                {symbol: quote.bid for symbol, quote in quotes.items()},
                {symbol: quote.ask for symbol, quote in quotes.items()},
                app.market.instrument(BTC).taker_fee,
            )
        assert "over" not in call("get_risk")
    on(app, 2)
    book = app.log.refresh()
    assert (book.policy, book.state) == (policy, TradingState.ACTIVE)
    assert book.unprotected() == []
    assert verify(app.engine, code="test").sound


def answered(call: Caller, attack: Attack) -> None:
    """The call got a clear answer, from the control or the error that it names."""
    assert attack.limit in CONTROLS, attack
    answer = call.raw(attack.tool, **attack.arguments)
    text: str = answer.content[0].text  # type: ignore[union-attr]
    said: dict[str, Any] = json.loads(text)
    assert len(json.dumps(said)) < 16_000, attack
    if "error" in said:
        assert answer.is_error and said["error"]["message"] and said["error"]["hint"], said
        found = {said["error"]["kind"]}
    else:
        verdicts = [one for one in said.get("verdicts", []) if not one["passed"]]
        assert all(one["reason"] for one in verdicts), said
        assert answer.is_error == (said["outcome"] == "refused"), said
        found = {one["rule"] for one in verdicts} | ({"approval"} if said.get("outcome") in ASKING else set())
    assert not attack.by or attack.by in found, f"{attack}\n{json.dumps(said)[:800]}"


def test_ten_at_once_get_no_more_than_one_after_the_other(stage: Stage) -> None:
    """A race through one server: each alone would fit, all together would be twice what may be held."""
    app = stage(flat(400), eth=flat(400), limits={"max_orders_per_minute": 100, "max_repeats_per_hour": 100})
    oracle = Oracle(app.log, app.judge.own)
    with connected(build_server(app)) as call:  # type: ignore[arg-type]

        def ask(number: int) -> bool:
            order = {"symbol": BTC, "side": "buy", "size": f"5.{number}", "stop_loss": "2%"}
            return not call.raw("place_order", **order, order_id=f"race-{number}").is_error

        with ThreadPoolExecutor(10) as pool:
            placed = list(pool.map(ask, range(10)))
    quotes = app.market.quotes([BTC, ETH])
    oracle.follow(
        {symbol: quote.bid for symbol, quote in quotes.items()},
        {symbol: quote.ask for symbol, quote in quotes.items()},
        app.market.instrument(BTC).taker_fee,
    )
    assert sum(placed) == oracle.accepted == 4  # a quarter of the equity in one symbol


def test_the_families_are_six_or_more_of_ten_or_more() -> None:
    assert len(FAMILIES) >= 6
    assert all(len(attacks) >= 10 for attacks in FAMILIES.values())
