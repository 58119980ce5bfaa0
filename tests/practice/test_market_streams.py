"""Market streams: what each says is what REST says, and the book's changes lead from one snapshot to the next."""

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import ccxt
import pytest
from websockets.exceptions import ConnectionClosed

from practice.listening import Listener, listening
from practice.running import Running, running
from trade_mcp.domain.market import TIMEFRAMES


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Market time stands still until a test moves it on."""
    with running(tmp_path_factory.mktemp("streams"), speed=0) as exchange:
        yield exchange


@pytest.fixture(scope="module")
def rest(exchange: Running) -> "ccxt.binance":
    return exchange.client(enableRateLimit=False)


def first(exchange: Running, name: str) -> Any:
    with listening(exchange, f"/ws/{name}") as listener:
        return listener.next()


def test_tickers_say_what_rest_says(exchange: Running, rest: "ccxt.binance") -> None:
    shown = rest.public_get_ticker_24hr({"symbol": "BTCUSDT"})
    full, mini = first(exchange, "btcusdt@ticker"), first(exchange, "btcusdt@miniTicker")
    names = {
        "priceChange": "p", "priceChangePercent": "P", "weightedAvgPrice": "w", "prevClosePrice": "x", "lastPrice": "c",
        "lastQty": "Q", "bidPrice": "b", "bidQty": "B", "askPrice": "a", "askQty": "A", "openPrice": "o",
        "highPrice": "h", "lowPrice": "l", "volume": "v", "quoteVolume": "q", "openTime": "O", "closeTime": "C",
        "firstId": "F", "lastId": "L", "count": "n", "symbol": "s",
    }  # fmt: skip
    assert {name: full[letter] for name, letter in names.items()} == {name: shown[name] for name in names}
    assert full["e"] == "24hrTicker" and full["E"] == full["C"]
    assert mini["e"] == "24hrMiniTicker"
    assert {letter: mini[letter] for letter in "cohlvqsE"} == {letter: full[letter] for letter in "cohlvqsE"}


def test_all_tickers_come_in_one_message(exchange: Running) -> None:
    shown = first(exchange, "!miniTicker@arr")
    assert [each["s"] for each in shown] == ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
    assert {each["e"] for each in first(exchange, "!ticker@arr")} == {"24hrTicker"}


def test_books_and_best_prices_say_what_rest_says(exchange: Running, rest: "ccxt.binance") -> None:
    shown = rest.public_get_depth({"symbol": "BTCUSDT", "limit": 20})
    for name, count in (("btcusdt@depth5", 5), ("btcusdt@depth20@100ms", 20)):
        book = first(exchange, name)
        assert book["lastUpdateId"] == shown["lastUpdateId"]
        assert (book["bids"], book["asks"]) == (shown["bids"][:count], shown["asks"][:count])
    best = first(exchange, "btcusdt@bookTicker")
    assert [best["b"], best["B"]] == shown["bids"][0] and [best["a"], best["A"]] == shown["asks"][0]
    assert "e" not in best and best["u"] == shown["lastUpdateId"]


def test_the_average_price_is_that_of_rest(exchange: Running, rest: "ccxt.binance") -> None:
    average = first(exchange, "btcusdt@avgPrice")
    assert (average["i"], average["w"]) == ("5m", rest.public_get_avgprice({"symbol": "BTCUSDT"})["price"])


def test_trades_come_when_their_bar_has_closed(exchange: Running, rest: "ccxt.binance") -> None:
    with listening(exchange, "/stream?streams=btcusdt@trade/btcusdt@aggTrade") as listener:
        listener.ask("LIST_SUBSCRIPTIONS")
        exchange.control.move_on(120)
        heard = [listener.next() for _ in range(16)]
    shown = rest.public_get_trades({"symbol": "BTCUSDT", "limit": 8})
    trades = [message["data"] for message in heard if message["stream"] == "btcusdt@trade"]
    assert [(each["t"], each["p"], each["q"], each["T"]) for each in trades] == [
        (each["id"], each["price"], each["qty"], each["time"]) for each in shown
    ]
    whole = [message["data"] for message in heard if message["stream"] == "btcusdt@aggTrade"]
    assert [(each["a"], each["f"], each["l"], each["p"]) for each in whole] == [
        (each["t"], each["t"], each["t"], each["p"]) for each in trades
    ]


def test_every_timeframe_closes_its_candles(exchange: Running, rest: "ccxt.binance") -> None:
    names = [f"btcusdt@kline_{timeframe}" for timeframe in TIMEFRAMES]
    with listening(exchange, "/ws") as listener:
        assert listener.ask("SUBSCRIBE", names)["result"] is None
        forming = {listener.hear(lambda message: "k" in message)["k"]["i"] for _ in names}
        assert forming == set(TIMEFRAMES)
        exchange.control.move_on(86_400)
        open_: set[str] = set()
        closed: dict[str, Any] = {}
        while not (open_ >= forming and len(closed) == len(forming)):
            kline = listener.next()["k"]
            if kline["x"]:
                closed[kline["i"]] = kline
            elif kline["i"] in closed:
                open_.add(kline["i"])
    for timeframe, kline in closed.items():
        *_, shown, _ = rest.public_get_klines({"symbol": "BTCUSDT", "interval": timeframe, "limit": 2})
        letters = ("t", "o", "h", "l", "c", "v", "T", "q", "n", "V", "Q")
        assert [kline[letter] for letter in letters] == shown[:11], timeframe
        assert kline["L"] - kline["f"] + 1 == kline["n"]


class Book:
    """A local book, kept as Binance's page says."""

    def __init__(self, shown: Any):
        self.number = int(shown["lastUpdateId"])
        self.sides = {side: dict(map(tuple, shown[side])) for side in ("bids", "asks")}  # type: ignore[arg-type]

    def apply(self, event: Any) -> None:
        assert event["U"] <= self.number + 1 <= event["u"], (event["U"], event["u"], self.number)
        for side, levels in (("bids", event["b"]), ("asks", event["a"])):
            for price, size in levels:
                self.sides[side][price] = size
            self.sides[side] = {price: size for price, size in self.sides[side].items() if float(size)}
        self.number = event["u"]


@pytest.mark.parametrize("stream", ["btcusdt@depth@100ms", "btcusdt@depth"])
def test_changes_lead_from_any_snapshot_to_the_next(exchange: Running, rest: "ccxt.binance", stream: str) -> None:
    asked = {"symbol": "BTCUSDT", "limit": 1000}
    with listening(exchange, "/ws") as listener:
        listener.ask("SUBSCRIBE", [stream])
        books = [Book(rest.public_get_depth(asked))]
        for seconds in (1, 1, 59, 1, 600, 60):  # within a bar, over its end, far away
            exchange.control.move_on(seconds)
            event = listener.next()
            for book in books:
                book.apply(event)
            now = Book(rest.public_get_depth(asked))
            assert all((book.number, book.sides) == (now.number, now.sides) for book in books), seconds
            books.append(now)


def test_at_high_speed_every_state_of_the_book_is_told(tmp_path: Path) -> None:
    asked = {"symbol": "ETHUSDT", "limit": 1000}
    with running(tmp_path, speed=1000) as fast, listening(fast, "/ws") as listener:
        rest = fast.client(enableRateLimit=False)
        listener.ask("SUBSCRIBE", ["ethusdt@depth@100ms"])
        book, told, compared = Book(rest.public_get_depth(asked)), 0, 0
        while compared < 3:
            now = Book(rest.public_get_depth(asked))
            while book.number < now.number:
                event = listener.next()
                assert told in (0, event["U"] - 1)
                told = event["u"]
                if told > book.number:
                    book.apply(event)
            if book.number == now.number:  # a process that was held up may have missed the state between two
                assert book.sides == now.sides
                compared += 1


def test_a_second_is_over_when_it_has_passed_on_either_clock(tmp_path: Path) -> None:
    with running(tmp_path, speed=100) as fast, listening(fast, "/ws/btcusdt@miniTicker") as listener:
        times = [listener.next()["E"] for _ in range(5)]
    assert min(later - earlier for earlier, later in pairwise(times)) >= 1000


# Subscriptions


@pytest.fixture
def client(exchange: Running) -> Iterator[Listener]:
    with listening(exchange, "/ws/7") as listener:
        yield listener


def test_who_subscribes_is_told_and_who_unsubscribes_is_not(exchange: Running, client: Listener) -> None:
    assert client.ask("SUBSCRIBE", ["btcusdt@bookTicker", "ethusdt@bookTicker"]) == {"result": None, "id": 1}
    assert client.ask("LIST_SUBSCRIPTIONS")["result"] == ["btcusdt@bookTicker", "ethusdt@bookTicker"]
    assert client.ask("UNSUBSCRIBE", ["btcusdt@bookTicker"])["result"] is None
    exchange.control.move_on(1)
    assert {message["s"] for message in client.said_within(0.3)} == {"ETHUSDT"}


def test_combined_messages_say_which_stream_they_are_of(client: Listener) -> None:
    assert client.ask("GET_PROPERTY", ["combined"])["result"] is False
    client.ask("SET_PROPERTY", ["combined", True])
    client.ask("SUBSCRIBE", ["btcusdt@avgPrice"])
    assert client.next()["stream"] == "btcusdt@avgPrice"


@pytest.mark.parametrize(
    ("asked", "code", "words"),
    [
        ({"method": "SUBSCRIBE", "params": ["btcusdt@nonsense"], "id": 1}, 2, "invalid stream"),
        ({"method": "SUBSCRIBE", "params": ["btcusdt@kline_7m"], "id": 1}, 2, "invalid stream"),
        ({"method": "SUBSCRIBE", "params": "btcusdt@trade", "id": 1}, 2, "list"),
        ({"method": "SUBSCRIBE", "params": [f"coin{i}@trade" for i in range(1025)], "id": 1}, 2, "too many"),
        ({"method": "SUBSCRIBE", "params": [], "id": 1.5}, 2, "unsigned integer"),
        ({"method": "SUBSCRIBE", "params": [], "id": "a" * 37}, 2, "unsigned integer"),
        ({"method": "SHOUT", "id": "a"}, 2, "unknown variant `SHOUT`"),
        ({"id": 1}, 2, "missing field"),
        ([], 2, "missing field"),
        ({"method": "SET_PROPERTY", "params": ["combined", "yes"], "id": 1}, 1, "expected Boolean"),
        ({"method": "GET_PROPERTY", "params": ["loudness"], "id": 1}, 0, "Unknown property"),
        ("{", 3, "Invalid JSON"),
    ],
)
def test_what_cannot_be_asked_is_refused(client: Listener, asked: Any, code: int, words: str) -> None:
    client.socket.send(asked if isinstance(asked, str) else json.dumps(asked))
    refused = client.next()
    assert refused["error"]["code"] == code and words in refused["error"]["msg"]
    assert refused["id"] == (asked["id"] if isinstance(asked, dict) else None)


def test_a_pair_that_does_not_trade_is_silent(exchange: Running, client: Listener) -> None:
    assert client.ask("SUBSCRIBE", ["nosuch@bookTicker", "BTCUSDT@bookTicker"])["result"] is None
    exchange.control.move_on(1)
    assert client.said_within(0.3) == []


def test_more_than_five_messages_a_second_end_the_connection(client: Listener) -> None:
    with pytest.raises(ConnectionClosed, match="1008"):
        for _ in range(50):
            client.send("LIST_SUBSCRIPTIONS")
        client.hear(lambda _: False)
