"""The WebSocket API: requests with their own signature, answers in Binance's shape, and the events of an account."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from practice.listening import Listener, listening, sign
from practice.running import Running, running
from trade_mcp.practice import line

API = "/ws-api/v3"
LIMIT = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("api"), speed=0) as exchange:
        exchange.control.add_account("reader:secret:USDT=1:read:reads")
        yield exchange


@pytest.fixture
def client(exchange: Running) -> Iterator[Listener]:
    with listening(exchange, API) as listener:
        yield listener


@pytest.fixture
def user(client: Listener) -> Listener:
    """Hears what happens to the usual account."""
    assert client.signed("userDataStream.subscribe.signature")["result"] == {"subscriptionId": 0}
    return client


def events(heard: list[Any]) -> list[dict[str, Any]]:
    return [message["event"] for message in heard if "event" in message]


def low(exchange: Running) -> str:
    """A price that does not trade."""
    return f"{float(exchange.client().public_get_ticker_price({'symbol': 'BTCUSDT'})['price']) * 0.8:.2f}"


# Asking


def test_public_methods_answer_as_rest_does(exchange: Running, client: Listener) -> None:
    rest = exchange.client()
    assert client.ask("ping")["result"] == client.ask("v3/ping")["result"] == {}
    assert client.ask("time")["result"].keys() == {"serverTime"}
    for method, params, shown in (
        ("exchangeInfo", {"symbols": ["BTCUSDT"]}, None),
        ("depth", {"symbol": "BTCUSDT", "limit": 5}, rest.public_get_depth({"symbol": "BTCUSDT", "limit": 5})),
        ("klines", {"symbol": "BTCUSDT", "interval": "1h", "limit": 3}, None),
        ("avgPrice", {"symbol": "BTCUSDT"}, rest.public_get_avgprice({"symbol": "BTCUSDT"})),
        ("ticker.book", {"symbol": "BTCUSDT"}, rest.public_get_ticker_bookticker({"symbol": "BTCUSDT"})),
        ("ticker.price", {"symbols": ["BTCUSDT", "ETHUSDT"]}, None),
        ("trades.recent", {"symbol": "BTCUSDT", "limit": 2}, rest.public_get_trades({"symbol": "BTCUSDT", "limit": 2})),
    ):
        answer = client.ask(method, params)
        assert answer["status"] == 200 and shown in (None, answer["result"]), (method, answer)


def test_an_order_lives_over_the_socket(exchange: Running, client: Listener) -> None:
    order = LIMIT | {"price": low(exchange), "newClientOrderId": "one"}
    placed = client.signed("order.place", **order)
    assert (placed["status"], placed["result"]["status"]) == (200, "NEW")
    asked = {"symbol": "BTCUSDT", "origClientOrderId": "one"}
    assert client.signed("order.status", **asked)["result"]["orderId"] == placed["result"]["orderId"]
    assert [each["clientOrderId"] for each in client.signed("openOrders.status")["result"]] == ["one"]
    assert client.signed("order.cancel", **asked)["result"]["status"] == "CANCELED"
    assert client.signed("openOrders.status")["result"] == []
    assert client.signed("order.test", **LIMIT, price=low(exchange))["result"] == {}
    assert client.signed("account.status")["result"]["accountType"] == "SPOT"
    assert client.signed("myTrades", symbol="BTCUSDT")["result"] == []


def test_an_answer_says_what_has_been_used_up_unless_told_not_to(exchange: Running, client: Listener) -> None:
    (weight,) = client.ask("ping")["rateLimits"]
    assert (weight["rateLimitType"], weight["limit"]) == ("REQUEST_WEIGHT", 6000) and weight["count"] > 0
    placed = client.signed("order.place", **LIMIT, price=low(exchange), newClientOrderId="counted")
    assert {limit["rateLimitType"] for limit in placed["rateLimits"]} == {"REQUEST_WEIGHT", "ORDERS"}
    client.signed("order.cancel", symbol="BTCUSDT", origClientOrderId="counted")
    assert "rateLimits" not in client.ask("ping", {"returnRateLimits": False})
    with listening(exchange, API + "?returnRateLimits=false") as quiet:
        assert "rateLimits" not in quiet.ask("ping")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"signature": "0" * 64}, 400, -1022),
        ({"apiKey": "unknown"}, 401, -2015),
        ({"apiKey": "no key!"}, 401, -2014),
        ({"apiKey": None}, 401, -2014),
        ({"timestamp": 1}, 400, -1021),
        ({"signature": None}, 400, -1102),
        ({"nonsense": "1"}, 400, -1022),  # it was not signed
    ],
)
def test_a_request_that_is_not_signed_right_is_refused(
    exchange: Running, client: Listener, change: dict[str, Any], status: int, code: int
) -> None:
    answer = client.ask("account.status", sign(exchange) | change)
    assert (answer["status"], answer["error"]["code"]) == (status, code)


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("nonsense", {}, -1020),
        ("session.logon", {}, -4056),
        ("depth", {}, -1102),
        ("depth", {"symbol": "NOSUCH"}, -1121),
        ("ping", {"more": 1}, -1104),
        ("userDataStream.unsubscribe", {}, -2036),
    ],
)
def test_what_cannot_be_asked_is_refused(client: Listener, method: str, params: dict[str, Any], code: int) -> None:
    answer = client.ask(method, params)
    assert (answer["status"], answer["error"]["code"]) == (400, code)


def test_what_is_no_request_is_refused(client: Listener) -> None:
    for text in ("{", "[]", "1", '{"method": "ping"}', '{"id": 1}', '{"id": 1, "method": "ping", "params": 3}'):
        client.socket.send(text)
        assert client.next()["error"]["code"] == -1135, text


def test_a_key_that_may_only_read_places_nothing(exchange: Running, client: Listener) -> None:
    import copy

    reader = copy.copy(exchange)
    reader.key, reader.secret = "reader", "secret"  # type: ignore[misc]
    assert client.ask("account.status", sign(reader))["result"]["canTrade"] is False
    refused = client.ask("order.place", sign(reader, **LIMIT, price="1"))
    assert refused["error"]["code"] == -2015


# Hearing


def test_a_trade_is_heard_as_it_is_booked(exchange: Running, user: Listener) -> None:
    placed = user.send("order.place", sign(exchange, symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.01"))
    heard = [user.next()]
    while heard[-1].get("id") != placed:
        heard.append(user.next())
    answer = heard[-1]["result"]
    told = events(heard)
    assert [event["e"] for event in told] == ["executionReport", "executionReport", "outboundAccountPosition"]
    assert [event["x"] for event in told[:2]] == ["NEW", "TRADE"]
    trade = told[1]
    assert (trade["X"], trade["i"], trade["c"]) == ("FILLED", answer["orderId"], answer["clientOrderId"])
    assert (trade["t"], trade["l"], trade["L"]) == tuple(
        answer["fills"][0][name] for name in ("tradeId", "qty", "price")
    )
    shown = {each["asset"]: each for each in user.signed("account.status")["result"]["balances"]}
    for balance in told[2]["B"]:
        assert (balance["f"], balance["l"]) == (shown[balance["a"]]["free"], shown[balance["a"]]["locked"])


def test_orders_over_rest_are_heard_too(exchange: Running, user: Listener) -> None:
    rest = exchange.client()
    order = rest.create_order("BTC/USDT", "limit", "buy", 0.01, float(low(exchange)), {"clientOrderId": "heard"})
    new = user.hear(lambda message: "event" in message)["event"]
    assert (new["e"], new["x"], new["c"], new["w"]) == ("executionReport", "NEW", "heard", True)
    rest.cancel_order(order["id"], "BTC/USDT")
    gone = user.hear(lambda message: message["event"].get("x") == "CANCELED")["event"]
    assert (gone["C"], gone["X"]) == ("heard", "CANCELED") and gone["c"] != "heard"


def test_the_legs_of_a_list_are_heard_with_it(exchange: Running, user: Listener) -> None:
    price = float(low(exchange)) / 0.8
    legs = {
        "aboveType": "LIMIT_MAKER",
        "abovePrice": f"{price * 1.2:.2f}",
        "belowType": "STOP_LOSS",
        "belowStopPrice": f"{price * 0.8:.2f}",
    }
    asked = sign(exchange, symbol="BTCUSDT", side="SELL", quantity="0.01", **legs)
    placed = user.send("orderList.place.oco", asked)
    heard = [user.next()]
    while heard[-1].get("id") != placed:
        heard.append(user.next())
    told = events(heard)
    assert [event["e"] for event in told if event["e"] != "outboundAccountPosition"] == [
        "listStatus",
        "executionReport",
        "executionReport",
    ]
    assert (told[0]["l"], told[0]["L"], len(told[0]["O"])) == ("EXEC_STARTED", "EXECUTING", 2)
    user.send("orderList.cancel", sign(exchange, symbol="BTCUSDT", orderListId=told[0]["g"]))
    done = user.hear(lambda message: message.get("event", {}).get("e") == "listStatus")["event"]
    assert (done["g"], done["l"], done["L"]) == (told[0]["g"], "ALL_DONE", "ALL_DONE")


def test_a_transfer_is_heard(exchange: Running, user: Listener) -> None:
    exchange.control.transfer(exchange.key, "USDT", "25")
    update = user.next()["event"]
    assert (update["e"], update["a"], update["d"]) == ("balanceUpdate", "USDT", "25.00000000")


def test_nobody_hears_another_account(exchange: Running, user: Listener) -> None:
    exchange.control.transfer("reads", "USDT", "1")
    assert user.said_within(0.3) == []


def test_a_subscription_ends_when_it_is_told_to(exchange: Running, user: Listener) -> None:
    again = user.signed("userDataStream.subscribe.signature")
    assert (again["status"], again["error"]["code"]) == (400, -2035)
    assert user.ask("session.subscriptions")["result"] == [{"subscriptionId": 0}]
    asked = user.send("userDataStream.unsubscribe", {"subscriptionId": 0})
    heard = [user.next(), user.next()]
    assert [message.get("event", {}).get("e") for message in heard] == ["eventStreamTerminated", None]
    assert heard[1]["id"] == asked and heard[1]["result"] == {}
    exchange.control.transfer(exchange.key, "USDT", "1")
    assert user.said_within(0.3) == []
    assert user.signed("userDataStream.subscribe.signature")["result"] == {"subscriptionId": 1}


# Limits


def test_who_does_not_read_is_cut_off(exchange: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "MOST_WAITING", 20)
    asked = {"symbol": "BTCUSDT", "interval": "1m", "limit": 1000}
    with listening(exchange, API) as deaf, pytest.raises(ConnectionClosed):
        for _ in range(80):
            deaf.send("klines", asked)
        deaf.socket.ping().wait(30)
        deaf.hear(lambda _: False)
    exchange.control.pardon()


def test_who_is_banned_cannot_connect(exchange: Running, client: Listener) -> None:
    exchange.control.add({"fault": "ban", "where": "ws ping", "seconds": 60, "count": 1})
    try:
        banned = client.ask("ping")
        assert (banned["status"], banned["error"]["code"]) == (418, -1003)
        assert banned["error"]["data"]["retryAfter"] > banned["error"]["data"]["serverTime"]
        assert client.ask("time")["status"] == 418
        with pytest.raises(Exception, match="418"), listening(exchange, API):
            pass
        with listening(exchange, "/ws/btcusdt@avgPrice") as market:
            assert json.dumps(market.next())
    finally:
        exchange.control.pardon()
        exchange.control.clear()
