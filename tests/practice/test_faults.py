"""Every fault a request, an order or the market can be struck by, told over the control port."""

import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import ccxt
import pytest

from practice.running import Running, running
from server.serving import until
from trade_mcp.domain.errors import BadInput
from trade_mcp.practice.faults import Fault, Faults, parse_faults, read_plan

POST = "POST /api/v3/order"


def buy(client: Any, id_: str, amount: float = 0.001) -> Any:
    return client.create_order("BTC/USDT", "market", "buy", amount, None, {"clientOrderId": id_})


def there(client: Any, id_: str) -> bool:
    """Whether the exchange knows our id."""
    try:
        client.fetch_order(None, "BTC/USDT", {"origClientOrderId": id_})
    except ccxt.OrderNotFound:
        return False
    return True


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("fault", ["drop", "reset"])
def test_an_answer_is_lost_before_or_after_the_order_is_booked(
    exchange: Running, client: Any, fault: str, when: str
) -> None:
    exchange.control.add({"fault": fault, "where": POST, "when": when, "count": 1})
    with pytest.raises(ccxt.NetworkError):
        buy(client, f"{fault}-{when}")
    assert there(client, f"{fault}-{when}") is (when == "after")


def test_an_answer_comes_after_the_client_gave_up(exchange: Running, client: Any) -> None:
    exchange.control.add({"fault": "delay", "where": POST, "seconds": 0.5, "count": 1})
    client.timeout = 200
    with pytest.raises(ccxt.RequestTimeout):
        buy(client, "slow")
    client.timeout = 10_000
    until(lambda: there(client, "slow"))


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (504, -1007, ccxt.RequestTimeout),
        (500, -1001, ccxt.OperationFailed),
        (503, -1008, ccxt.ExchangeError),
        (400, -1006, ccxt.OperationFailed),
    ],
)
def test_a_server_that_fails(exchange: Running, client: Any, status: int, code: int, kind: type[Exception]) -> None:
    body = {"code": code, "msg": "as the plan says"}
    exchange.control.add({"fault": "answer", "where": POST, "status": status, "body": body, "when": "after"})
    with pytest.raises(kind):
        buy(client, f"failed{code}")
    exchange.control.clear()
    assert there(client, f"failed{code}")


def test_answers_that_are_none(exchange: Running, client: Any) -> None:
    exchange.control.add({"fault": "html", "where": "GET /api/v3/time", "status": 502})
    with pytest.raises(ccxt.ExchangeNotAvailable):
        client.fetch_time()
    exchange.control.add({"fault": "answer", "where": "GET /api/v3/openOrders", "status": 200, "body": []})
    client.create_order("BTC/USDT", "market", "sell", 0.001, None, {"triggerPrice": 50000})
    assert client.fetch_open_orders("BTC/USDT") == []
    exchange.control.clear()
    assert len(client.fetch_open_orders("BTC/USDT")) == 1


def test_limits_and_bans_on_demand(exchange: Running, client: Any) -> None:
    exchange.control.add(
        {"fault": "limit", "where": "GET *", "count": 1, "seconds": 7},
        {"fault": "ban", "where": "GET *", "skip": 1, "count": 1, "seconds": 60},
    )
    for status in (429, 418, 418):
        with pytest.raises(ccxt.DDoSProtection, match=str(status)):
            client.fetch_time()
    assert int(client.last_response_headers["Retry-After"]) > 50


def test_prices_that_stand_still(exchange: Running, client: Any) -> None:
    before = client.fetch_ticker("BTC/USDT")
    exchange.control.set_speed(3600)
    exchange.control.add({"fault": "stale", "where": "GET /api/v3/ticker*"})
    stale = client.fetch_ticker("BTC/USDT")
    until(lambda: client.fetch_ohlcv("BTC/USDT", "1m", limit=1)[0][0] > stale["timestamp"])
    assert abs(client.fetch_ticker("BTC/USDT")["timestamp"] - stale["timestamp"]) < 1000
    exchange.control.clear()
    assert client.fetch_ticker("BTC/USDT")["timestamp"] > stale["timestamp"]
    exchange.control.set_speed(0)
    assert stale["timestamp"] >= before["timestamp"]


def test_a_balance_that_lags(exchange: Running, client: Any) -> None:
    before = client.fetch_balance()["BTC"]["total"]
    exchange.control.add({"fault": "lag", "seconds": 0.5})
    time.sleep(0.6)
    buy(client, "lagging")
    assert client.fetch_balance()["BTC"]["total"] == before
    until(lambda: bool(client.fetch_balance()["BTC"]["total"] > before))


def test_fills_in_part_in_pieces_and_late(exchange: Running, client: Any, price: float) -> None:
    fills = "fill BTCUSDT"
    (part,) = exchange.control.add({"fault": "partial", "where": fills, "fraction": "0.3", "count": 1})
    order = client.create_order("BTC/USDT", "limit", "buy", 0.01, round(price * 1.01, 2))
    assert (order["status"], order["filled"], order["remaining"]) == ("open", 0.003, 0.007)
    market = buy(client, "whole", 0.01)
    assert market["filled"] == 0.01
    exchange.control.clear(part)

    exchange.control.add({"fault": "split", "where": fills, "pieces": 4, "count": 1})
    pieces = buy(client, "pieces", 0.01)
    assert len(pieces["trades"]) == 4
    assert sum(Decimal(str(trade["amount"])) for trade in pieces["trades"]) == Decimal("0.01")

    exchange.control.clear()
    exchange.control.add({"fault": "late", "where": fills, "seconds": 0.5, "count": 1})
    late = client.create_order("BTC/USDT", "limit", "buy", 0.01, round(price * 1.01, 2))
    assert (late["status"], late["filled"]) == ("open", 0)
    assert client.cancel_order(late["id"], "BTC/USDT")["status"] == "canceled"
    until(lambda: client.fetch_order(late["id"], "BTC/USDT")["filled"] == 0.01)  # the fill wins
    assert exchange.control.status()["balanced"]


def test_a_fault_strikes_one_account_only(exchange: Running, client: Any) -> None:
    exchange.control.add({"fault": "drop", "where": "GET /api/v3/account", "account": "hand"})
    assert client.fetch_balance()["USDT"]["total"] > 0
    with pytest.raises(ccxt.NetworkError):
        exchange.client("hand", "hand-secret").fetch_balance()


def test_faults_are_listed_counted_and_taken_back(exchange: Running, client: Any) -> None:
    first, second = exchange.control.add(
        {"fault": "delay", "where": "GET /api/v3/time", "seconds": 0, "skip": 1, "count": 1}, {"fault": "lag"}
    )
    for _ in range(4):
        client.fetch_time()
    listed = {fault["number"]: fault for fault in exchange.control.faults()}
    assert (listed[first]["met"], listed[first]["struck"], listed[second]["struck"]) == (4, 1, 0)
    exchange.control.clear(first)
    assert [fault["number"] for fault in exchange.control.faults()] == [second]
    with pytest.raises(BadInput, match="no faults"):
        exchange.control.add({"fault": "bad mood"})
    with pytest.raises(BadInput, match="out of range"):
        exchange.control.add({"fault": "drop", "probability": 7})


def test_a_seed_repeats_what_strikes() -> None:
    def run(seed: int) -> list[bool]:
        faults = Faults(seed=seed, clock=lambda: 0.0)
        faults.add([Fault("drop", probability=0.3)])
        return [bool(faults.struck({"drop"}, "GET /x")) for _ in range(200)]

    assert run(1) == run(1)
    assert run(1) != run(2)
    assert 30 < sum(run(1)) < 90


def test_a_plan_is_a_toml_file(tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text(
        '[[faults]]\nfault = "drop"\nwhere = "POST *"\nwhen = "after"\nprobability = 0.05\n\n'
        '[[faults]]\nfault = "partial"\nfraction = 0.3\n'
    )
    assert read_plan(plan) == [
        Fault("drop", where="POST *", when="after", probability=0.05),
        Fault("partial", fraction=Decimal("0.3")),
    ]
    told = [{"fault": "drop", "where": "GET /api/v3/time"}]
    with running(tmp_path, faults=told) as exchange, pytest.raises(ccxt.NetworkError):
        exchange.client().fetch_time()
    plan.write_text("[[faults]]\nfault = 3")
    with pytest.raises(BadInput, match="no faults"):
        read_plan(plan)
    with pytest.raises(BadInput, match="cannot be read"):
        read_plan(tmp_path / "missing.toml")
    with pytest.raises(BadInput):
        parse_faults({"fault": "delay", "seconds": -1})
