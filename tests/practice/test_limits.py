"""Request weights and order counts: what they cost, what the headers say, and what becomes of who ignores them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import ccxt
import httpx
import pytest

from practice.conftest import START
from practice.running import Running, running

MARKET = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.001"}


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


def test_orders_count_until_they_trade(tmp_path: Path) -> None:
    now = [datetime.now(UTC).replace(microsecond=0)]
    with running(tmp_path, real=lambda: now[0], start=START, speed=0) as exchange:
        client = exchange.client(enableRateLimit=False)
        client.load_time_difference()
        client.load_markets()

        def counts() -> list[int]:
            return [int(limit["count"]) for limit in client.private_get_ratelimit_order()]

        price = client.fetch_ticker("BTC/USDT")["last"]
        for part in (0.999, 0.9, 0.9):
            client.create_order("BTC/USDT", "limit", "buy", 0.001, round(price * part, 2))
        assert counts() == [3, 3]
        assert client.last_response_headers["X-Mbx-Used-Weight-1m"] != "0"
        with pytest.raises(ccxt.InvalidOrder):
            client.private_post_order(MARKET | {"quantity": "0.0000001"})
        assert counts() == [3, 3]  # a refused one does not count
        client.private_post_order(MARKET)
        assert client.last_response_headers["X-Mbx-Order-Count-1d"] == "3"  # nor one that trades
        exchange.control.move_on(24 * 3600)
        assert counts() == [0, 0]  # the first one has traded as maker, which gives back five

        exchange.practice.context.limits.orders_10s = 2
        for _ in range(2):
            client.create_order("BTC/USDT", "limit", "buy", 0.001, round(price * 0.5, 2))
        with pytest.raises(ccxt.DDoSProtection, match="-1015"):
            client.create_order("BTC/USDT", "limit", "buy", 0.001, round(price * 0.5, 2))
        assert 0 < int(client.last_response_headers["Retry-After"]) <= 11
        now[0] += timedelta(seconds=10)
        client.load_time_difference()
        client.create_order("BTC/USDT", "limit", "buy", 0.001, round(price * 0.5, 2))
        assert counts() == [1, 3]


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
