"""Every endpoint that practice-exchange programs ask for, asked by an unmodified ccxt.binance."""

from itertools import pairwise
from typing import Any

import ccxt
import pytest

from practice.running import Running

DAY_MS = 86_400_000


def test_markets_come_with_their_filters(client: Any) -> None:
    market = client.market("BTC/USDT")
    assert set(client.symbols) == {"BTC/USDT", "ETH/USDT", "SOL/USDT"}
    assert (market["spot"], market["active"]) == (True, True)
    assert market["precision"]["price"] == 0.01
    assert market["limits"]["cost"]["min"] == 5


def test_the_time_is_the_real_one(client: Any) -> None:
    assert abs(client.fetch_time() - client.milliseconds()) < 5_000
    assert client.fetch_status()["status"] == "ok"
    assert client.public_get_ping() == {}


def test_tickers_agree_with_the_book(client: Any) -> None:
    ticker, book = client.fetch_ticker("BTC/USDT"), client.fetch_order_book("BTC/USDT", 10)
    assert (ticker["bid"], ticker["ask"]) == (book["bids"][0][0], book["asks"][0][0])
    assert ticker["bid"] <= ticker["last"] <= ticker["ask"]
    assert ticker["low"] <= ticker["last"] <= ticker["high"]
    assert len(book["bids"]) == len(book["asks"]) == 10
    assert set(client.fetch_tickers()) == set(client.fetch_bids_asks()) == set(client.fetch_last_prices())
    assert set(client.fetch_tickers(["BTC/USDT", "ETH/USDT"])) == {"BTC/USDT", "ETH/USDT"}


def test_candles_end_with_the_one_in_the_making(client: Any) -> None:
    candles = client.fetch_ohlcv("BTC/USDT", "1m", limit=10)
    assert [b[0] - a[0] for a, b in pairwise(candles)] == [60_000] * 9
    at = client.fetch_ticker("BTC/USDT")["timestamp"]
    assert candles[-1][0] <= at < candles[-1][0] + 60_000
    since = client.fetch_ohlcv("BTC/USDT", "1h", since=at - DAY_MS, limit=5)
    assert len(since) == 5
    assert 0 <= since[0][0] - (at - DAY_MS) < 3_600_000


def test_public_trades_have_ids_that_rise(client: Any) -> None:
    trades = client.fetch_trades("BTC/USDT", limit=20)
    ids = [int(trade["id"]) for trade in trades]
    assert len(ids) == 20
    assert ids == sorted(set(ids))
    raw = client.public_get_trades({"symbol": "BTCUSDT", "limit": 3})
    assert [int(each["id"]) for each in raw] == ids[-3:]
    assert [int(each["id"]) for each in client.public_get_historicaltrades({"symbol": "BTCUSDT", "fromId": ids[0]})][
        :20
    ] == ids
    assert float(client.public_get_avgprice({"symbol": "BTCUSDT"})["price"]) > 0


def test_balances_show_what_is_free_and_locked(client: Any, price: float) -> None:
    before = client.fetch_balance()
    client.create_order("BTC/USDT", "limit", "buy", 0.01, round(price * 0.9, 2))
    after = client.fetch_balance()["USDT"]
    locked = round(price * 0.9, 2) * 0.01
    assert after["used"] == pytest.approx(locked)
    assert after["total"] == before["USDT"]["total"]
    assert client.private_get_account({"omitZeroBalances": "true"})["balances"] != []


def test_an_order_is_found_by_both_of_its_ids(client: Any, price: float) -> None:
    placed = client.create_order("BTC/USDT", "limit", "buy", 0.01, round(price * 0.9, 2), {"clientOrderId": "mine-1"})
    by_id = client.fetch_order(placed["id"], "BTC/USDT")
    by_client = client.fetch_order(None, "BTC/USDT", {"origClientOrderId": "mine-1"})
    assert by_id["info"] == by_client["info"]
    assert (by_id["status"], by_id["clientOrderId"], by_id["amount"]) == ("open", "mine-1", 0.01)
    assert [order["id"] for order in client.fetch_open_orders("BTC/USDT")] == [placed["id"]]
    cancelled = client.cancel_order(None, "BTC/USDT", {"origClientOrderId": "mine-1"})
    assert (cancelled["status"], cancelled["info"]["origClientOrderId"]) == ("canceled", "mine-1")
    assert client.fetch_open_orders("BTC/USDT") == []
    assert client.fetch_orders("BTC/USDT")[-1]["status"] == "canceled"


def test_open_orders_of_every_symbol(client: Any, price: float) -> None:
    client.options["warnOnFetchOpenOrdersWithoutSymbol"] = False
    client.options["fetchOpenOrders"] = {"warnWithoutSymbol": False}
    client.create_order("BTC/USDT", "limit", "buy", 0.01, round(price * 0.9, 2))
    ether = client.fetch_ticker("ETH/USDT")["last"]
    client.create_order("ETH/USDT", "limit", "buy", 0.1, round(ether * 0.9, 2))
    assert {order["symbol"] for order in client.fetch_open_orders()} == {"BTC/USDT", "ETH/USDT"}


def test_trades_name_their_order_and_fee(client: Any) -> None:
    order = client.create_order("BTC/USDT", "market", "buy", 0.01)
    (trade,) = client.fetch_order_trades(order["id"], "BTC/USDT")
    assert trade["fee"] == {"currency": "BTC", "cost": 0.00001}
    assert (trade["order"], trade["takerOrMaker"]) == (order["id"], "taker")
    assert client.fetch_my_trades("BTC/USDT")[-1]["id"] == trade["id"]
    later = client.fetch_my_trades("BTC/USDT", params={"fromId": int(trade["id"]) + 1})
    assert later == []


def test_a_test_order_is_only_checked(client: Any, price: float) -> None:
    client.create_order("BTC/USDT", "limit", "buy", 0.01, round(price * 0.9, 2), {"test": True})
    assert client.fetch_open_orders("BTC/USDT") == []
    with pytest.raises(ccxt.InvalidOrder):
        client.private_post_order_test({"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.000001"})


def test_cancelling_all_tells_of_each(client: Any, price: float) -> None:
    for part in (0.9, 0.91):
        client.create_order("BTC/USDT", "limit", "buy", 0.01, round(price * part, 2))
    assert [order["status"] for order in client.cancel_all_orders("BTC/USDT")] == ["canceled", "canceled"]


def test_fees_and_what_a_key_may_do(exchange: Running, client: Any) -> None:
    assert client.fetch_trading_fee("BTC/USDT")["taker"] == 0.001
    assert client.fetch_trading_fees()["ETH/USDT"]["maker"] == 0.001
    assert client.private_get_account_commission({"symbol": "BTCUSDT"})["standardCommission"]["taker"] == "0.00100000"
    mine = client.sapi_get_account_apirestrictions()
    assert (mine["enableSpotAndMarginTrading"], mine["enableWithdrawals"]) == (True, False)
    theirs = exchange.client("hand", "hand-secret").sapi_get_account_apirestrictions()
    assert theirs["enableWithdrawals"] is True
    assert [limit["interval"] for limit in client.private_get_ratelimit_order()] == ["SECOND", "DAY"]


def test_a_client_that_asks_for_everything_at_start_is_answered(exchange: Running) -> None:
    greedy = exchange.client()
    greedy.options["fetchMarkets"]["types"] = ["spot", "linear", "inverse"]
    greedy.options["fetchMargins"] = True
    greedy.has["fetchCurrencies"] = True
    assert "BTC/USDT" in greedy.load_markets()


def test_in_sandbox_mode_too(exchange: Running) -> None:
    client = ccxt.binance({"apiKey": exchange.key, "secret": exchange.secret})
    for name, address in client.urls["test"].items():
        if isinstance(address, str):
            client.urls["test"][name] = exchange.url + "/" + address.split("/", 3)[3]
    client.set_sandbox_mode(True)
    client.options["fetchMarkets"]["types"] = ["spot"]
    assert client.fetch_balance()["USDT"]["total"] > 0
