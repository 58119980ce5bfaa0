"""Request weights and order counts: what they cost, what the headers say, and what becomes of who ignores them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import ccxt
import httpx
import pytest

from practice.running import Running, running


@pytest.fixture
def http(exchange: Running) -> httpx.Client:
    return httpx.Client(base_url=f"{exchange.url}/api/v3/")


@pytest.mark.parametrize(
    ("query", "weight"),
    [
        ("ping", 1),
        ("exchangeInfo", 20),
        ("depth?symbol=BTCUSDT&limit=5", 5),
        ("depth?symbol=BTCUSDT&limit=500", 25),
        ("depth?symbol=BTCUSDT&limit=1000", 50),
        ("klines?symbol=BTCUSDT&interval=1m", 2),
        ("ticker/24hr?symbol=BTCUSDT", 2),
        ("ticker/24hr", 80),
        ("ticker/price", 4),
        ("trades?symbol=BTCUSDT", 25),
        ("account", 20),  # also when it is refused
    ],
)
def test_every_answer_says_what_is_used(exchange: Running, http: httpx.Client, query: str, weight: int) -> None:
    exchange.control.pardon()
    assert http.get(query).headers["x-mbx-used-weight-1m"] == str(weight)


def test_orders_are_counted(exchange: Running) -> None:
    client = exchange.client()
    client.load_markets()
    before = int(client.private_get_ratelimit_order()[1]["count"])
    client.create_order("BTC/USDT", "market", "buy", 0.001)
    assert int(client.last_response_headers["X-Mbx-Order-Count-1d"]) == before + 1
    with pytest.raises(ccxt.InvalidOrder):
        client.private_post_order({"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.0000001"})
    assert int(client.private_get_ratelimit_order()[1]["count"]) == before + 1  # a refused one is not counted


def test_too_many_orders_in_ten_seconds(tmp_path: Path) -> None:
    with running(tmp_path) as exchange:
        client = exchange.client(enableRateLimit=False)
        client.load_markets()
        order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.0001"}
        exchange.practice.context.limits.orders_10s = 3
        for _ in range(3):
            client.private_post_order(order)
        with pytest.raises(ccxt.DDoSProtection, match="-1015"):
            client.private_post_order(order)
        assert client.last_http_response.startswith('{"code":-1015')


def test_who_goes_on_after_429_is_banned_longer_each_time(tmp_path: Path) -> None:
    now = [datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC)]
    with running(tmp_path, real=lambda: now[0]) as exchange:
        http = httpx.Client(base_url=f"{exchange.url}/api/v3/")

        def hammer(requests: int) -> list[int]:
            return [http.get("ticker/24hr").status_code for _ in range(requests)]

        assert hammer(87) == [200] * 75 + [429] * 10 + [418] * 2
        banned = http.get("ping")
        assert (banned.json()["code"], banned.headers["retry-after"]) == (-1003, "121")
        with pytest.raises(ccxt.DDoSProtection, match="418"):
            exchange.client().fetch_time()

        now[0] += timedelta(seconds=121)
        assert hammer(87) == [200] * 75 + [429] * 10 + [418] * 2
        assert http.get("ping").headers["retry-after"] == "241"

        now[0] += timedelta(seconds=241)
        assert hammer(76) == [200] * 75 + [429]
        assert http.get("ping").headers["retry-after"] == "29"
        now[0] += timedelta(seconds=29)
        assert hammer(1) == [200]
