"""Prices from recorded candles, with the filters of a real exchange: shown as if they were of today."""

from datetime import timedelta
from pathlib import Path

import ccxt
import pytest

from practice.running import running
from trade_mcp.app import open_feed
from trade_mcp.feeds.replay import replay_feed
from trade_mcp.settings import load_settings

FILES = ("binance_BTCUSDT_5m_2022-12_2023-10.parquet", "binance_SOLUSDT_5m_2022-12_2023-10.parquet")


def test_recorded_candles_look_like_those_of_today(shared_data: Path, tmp_path: Path) -> None:
    feed = replay_feed([shared_data / "data" / name for name in FILES])
    info = shared_data / "fixtures" / "binance_exchangeInfo_spot_20250807.json"
    with running(tmp_path, feed=feed, info=info) as exchange:
        client = exchange.client()
        market = client.load_markets()["SOL/USDT"]
        assert (market["precision"]["amount"], market["limits"]["cost"]["min"]) == (0.001, 5)
        assert client.market("BTC/USDT")["info"]["permissionSets"][0][0] == "SPOT"

        ticker = client.fetch_ticker("BTC/USDT")
        assert abs(ticker["timestamp"] - client.milliseconds()) < 10_000
        candles = client.fetch_ohlcv("BTC/USDT", "5m", limit=100)
        assert candles[-1][0] % 300_000 == 0
        assert candles[-1][0] <= ticker["timestamp"] < candles[-1][0] + 300_000

        at = exchange.practice.exchange.time.market()
        real = feed.candles("BTC/USDT", "5m", now=at, limit=99)
        assert [candle[4] for candle in candles[:-1]] == real.close.tolist()[-99:]
        shift = timedelta(milliseconds=candles[-2][0] - int(real.open_ms[-1]))
        assert shift % timedelta(days=1) == timedelta()

        day = client.fetch_ohlcv("SOL/USDT", "1d", limit=3)
        assert [candle[0] % 86_400_000 for candle in day] == [0, 0, 0]
        with pytest.raises(ccxt.BadRequest, match="-1120"):
            client.fetch_ohlcv("BTC/USDT", "1m")
        order = client.create_order("SOL/USDT", "market", "buy", 1)
        assert order["status"] == "closed"


def test_when_the_recording_is_over_the_price_stays(shared_data: Path, tmp_path: Path) -> None:
    feed = replay_feed([shared_data / "data" / FILES[0]])
    assert feed.end is not None
    with running(tmp_path, feed=feed, start=feed.end - timedelta(hours=1), speed=0) as exchange:
        client = exchange.client()
        client.load_markets()
        price = client.fetch_ticker("BTC/USDT")["last"]
        resting = client.create_order("BTC/USDT", "limit", "buy", 0.001, round(price * 0.9, 2))
        seen = exchange.control.move_on(86_400)
        assert seen["ended"]
        last = client.fetch_ticker("BTC/USDT")["last"]
        assert last == float(feed.candles("BTC/USDT", "5m", now=feed.end, limit=1).close[0])
        assert client.fetch_order(resting["id"], "BTC/USDT")["status"] == "open"
        assert client.create_order("BTC/USDT", "market", "buy", 0.001)["status"] == "closed"


def test_live_prices_of_another_exchange(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with running(tmp_path / "there") as there:
        env = {"TRADE_MCP_EXCHANGE_URL": there.url, "TRADE_MCP_DESK__DATA_DIR": str(tmp_path)}
        desk = {"exchange": "binance", "symbols": ["BTC/USDT"]}
        settings = load_settings(env=env, overrides={"desk": desk, "feed": {"name": "ccxt"}})
        with running(tmp_path, feed=open_feed(settings)) as here:
            client = here.client()
            client.load_markets()
            theirs, ours = there.client().fetch_ticker("BTC/USDT")["last"], client.fetch_ticker("BTC/USDT")["last"]
            assert ours == pytest.approx(theirs, rel=0.01)  # a minute may have passed between the two
            order = client.create_order("BTC/USDT", "market", "buy", 0.001)
            assert order["average"] == pytest.approx(theirs, rel=0.02)
