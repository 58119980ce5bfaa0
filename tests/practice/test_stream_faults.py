"""Faults of streams and of requests over a socket strike where and as often as told, and can be taken back."""

from collections.abc import Iterator

import pytest
from websockets.exceptions import ConnectionClosed

from practice.listening import Listener, listening, sign
from practice.running import Running, running

BEST = "btcusdt@bookTicker"
MARKET_BUY = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.001"}


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("faults"), speed=0) as exchange:
        yield exchange


@pytest.fixture
def exchange(still: Running) -> Iterator[Running]:
    """Its market moves on when it is told to; every fault is taken back afterwards."""
    yield still
    still.control.clear()
    still.control.pardon()


@pytest.fixture
def market(exchange: Running) -> Iterator[Listener]:
    """Best prices, the first of which have come."""
    with listening(exchange, "/ws") as listener:
        listener.ask("SUBSCRIBE", [BEST])
        listener.next()
        yield listener


@pytest.fixture
def user(exchange: Running) -> Iterator[Listener]:
    with listening(exchange, "/ws-api/v3") as listener:
        listener.signed("userDataStream.subscribe.signature")
        yield listener


def move(exchange: Running, market: Listener) -> int:
    """The number of the book a second later, as it is told."""
    exchange.control.move_on(1)
    number: int = market.next()["u"]
    return number


def test_a_stream_can_be_silent_from_the_start(exchange: Running) -> None:
    (number,) = exchange.control.add({"fault": "silent", "where": "stream *@bookTicker"})
    with listening(exchange, "/stream?streams=btcusdt@bookTicker/btcusdt@depth5") as listener:
        exchange.control.move_on(1)
        assert {message["stream"] for message in listener.said_within(0.3)} == {"btcusdt@depth5"}
        exchange.control.clear(number)
        exchange.control.move_on(1)
        assert listener.hear(lambda message: message["stream"] == BEST)


def test_a_stream_can_fall_silent_later_and_live_again_on_another_connection(
    exchange: Running, market: Listener
) -> None:
    exchange.control.add({"fault": "silent", "where": f"stream {BEST}", "skip": 2, "count": 1})
    first = move(exchange, market)
    assert move(exchange, market) == first + 1
    for _ in range(3):
        exchange.control.move_on(1)
    assert market.said_within(0.3) == []
    with listening(exchange, f"/ws/{BEST}") as other:
        assert other.next()["u"] == first + 4
        exchange.control.move_on(1)
        assert other.next()["u"] == first + 5
        assert market.said_within(0.2) == []


def test_a_message_can_be_lost(exchange: Running, market: Listener) -> None:
    exchange.control.add({"fault": "drop", "where": f"stream {BEST}", "skip": 1, "count": 1})
    first = move(exchange, market)
    exchange.control.move_on(1)
    assert market.said_within(0.3) == []
    assert move(exchange, market) == first + 2


def test_a_message_can_come_twice(exchange: Running, market: Listener) -> None:
    exchange.control.add({"fault": "duplicate", "where": f"stream {BEST}", "count": 1})
    first = move(exchange, market)
    assert market.next()["u"] == first
    assert move(exchange, market) == first + 1


def test_a_message_can_be_overtaken(exchange: Running, market: Listener) -> None:
    exchange.control.add({"fault": "reorder", "where": f"stream {BEST}", "count": 1})
    exchange.control.move_on(1)
    assert market.said_within(0.2) == []
    second = move(exchange, market)
    assert market.next()["u"] == second - 1


def test_a_message_that_nothing_overtakes_comes_at_last(exchange: Running, market: Listener) -> None:
    exchange.control.add({"fault": "reorder", "where": f"stream {BEST}", "count": 1})
    assert move(exchange, market) > 0


def test_a_late_message_holds_up_those_after_it(exchange: Running, market: Listener) -> None:
    exchange.control.add({"fault": "delay", "where": f"stream {BEST}", "seconds": 0.6, "count": 1})
    exchange.control.move_on(1)
    assert market.said_within(0.2) == []
    exchange.control.move_on(1)
    assert market.said_within(0.1) == []
    first = market.next()["u"]
    assert market.next()["u"] == first + 1


def test_tickers_can_come_as_another_event(exchange: Running) -> None:
    exchange.control.add({"fault": "other_event", "where": "stream *@miniTicker"})
    with listening(exchange, "/ws/btcusdt@miniTicker") as listener:
        assert listener.next()["e"] == "24hrTicker"
    with listening(exchange, "/stream?streams=btcusdt@miniTicker") as listener:
        message = listener.next()
        assert (message["stream"], message["data"]["e"]) == ("btcusdt@miniTicker", "24hrTicker")


def test_prices_can_stand_still_while_messages_go_on(exchange: Running) -> None:
    with listening(exchange, "/stream?streams=btcusdt@miniTicker/ethusdt@miniTicker") as listener:
        times: dict[str, list[int]] = {"btcusdt@miniTicker": [], "ethusdt@miniTicker": []}
        exchange.control.add({"fault": "stale", "where": "stream btcusdt@miniTicker"})
        exchange.control.set_speed(100)
        try:
            while len(times["btcusdt@miniTicker"]) < 2:
                message = listener.next()
                times[message["stream"]].append(message["data"]["E"])
        finally:
            exchange.control.set_speed(0)
    stood = times["btcusdt@miniTicker"]
    assert max(stood) - min(stood) <= 1, "milliseconds: it may be rounded either way"
    assert len(set(times["ethusdt@miniTicker"])) > 2


def test_a_stream_can_be_reset(exchange: Running, market: Listener) -> None:
    exchange.control.add({"fault": "reset", "where": f"stream {BEST}", "count": 1})
    exchange.control.move_on(1)
    with pytest.raises(ConnectionClosed) as closed:
        market.next()
    assert closed.value.rcvd is None, "without a word"


def test_events_of_an_account_can_be_lost_and_come_twice(exchange: Running, user: Listener) -> None:
    exchange.control.add(
        {"fault": "drop", "where": "user executionReport", "account": exchange.key, "count": 1},
        {"fault": "duplicate", "where": "user outboundAccountPosition", "account": exchange.key, "count": 1},
        {"fault": "drop", "where": "user *", "account": "another"},
    )
    asked = user.send("order.place", sign(exchange, **MARKET_BUY))
    heard = [user.next()]
    while heard[-1].get("id") != asked:
        heard.append(user.next())
    told = [message["event"] for message in heard[:-1]]
    kinds = ["executionReport", "outboundAccountPosition", "outboundAccountPosition"]
    assert [event["e"] for event in told] == kinds and told[0]["x"] == "TRADE" and told[1] == told[2]


# Requests


def placed(exchange: Running) -> int:
    return len(exchange.client().private_get_allorders({"symbol": "BTCUSDT"}))


@pytest.mark.parametrize(("when", "there"), [("before", 0), ("after", 1)])
def test_an_answer_can_be_lost(exchange: Running, user: Listener, when: str, there: int) -> None:
    before = placed(exchange)
    exchange.control.add({"fault": "drop", "where": "ws order.place", "when": when, "count": 1})
    asked = user.send("order.place", sign(exchange, **MARKET_BUY))
    assert [message for message in user.said_within(0.3) if message.get("id") == asked] == []
    assert placed(exchange) == before + there
    assert user.signed("order.place", **MARKET_BUY)["status"] == 200


@pytest.mark.parametrize(("when", "there"), [("before", 0), ("after", 1)])
def test_a_request_can_end_the_connection(exchange: Running, user: Listener, when: str, there: int) -> None:
    before = placed(exchange)
    exchange.control.add({"fault": "reset", "where": "ws order.place", "when": when, "count": 1})
    with pytest.raises(ConnectionClosed):
        user.signed("order.place", **MARKET_BUY)
    assert placed(exchange) == before + there


def test_an_answer_can_be_another(exchange: Running, user: Listener) -> None:
    body = {"code": -1007, "msg": "Timeout waiting for response from backend server."}
    exchange.control.add({"fault": "answer", "where": "ws order.place", "status": 504, "body": body, "count": 1})
    answer = user.signed("order.place", **MARKET_BUY)
    assert (answer["status"], answer["error"]) == (504, body)
    exchange.control.add({"fault": "limit", "where": "ws ping", "seconds": 3, "count": 1})
    assert user.ask("ping")["status"] == 429
    exchange.control.add({"fault": "html", "where": "ws ping", "count": 1})
    user.send("ping")
    assert user.socket.recv(timeout=10).startswith("<html>")  # type: ignore[union-attr,arg-type]


def test_a_late_answer_holds_up_no_other(exchange: Running, user: Listener) -> None:
    exchange.control.add({"fault": "delay", "where": "ws time", "seconds": 0.5, "count": 1})
    slow, fast = user.send("time"), user.send("ping")
    assert [user.next()["id"], user.next()["id"]] == [fast, slow]
