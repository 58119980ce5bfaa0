"""What the exchange refuses, in the words by which an unmodified ccxt.binance tells errors apart."""

import hashlib
import hmac
import time
from collections.abc import Callable
from typing import Any

import ccxt
import httpx
import pytest

from practice.running import Running

LIMIT = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}
MARKET = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}


@pytest.mark.parametrize(
    ("order", "kind", "said"),
    [
        (MARKET | {"quantity": "0.0000001"}, ccxt.InvalidOrder, "LOT_SIZE"),
        (MARKET | {"quantity": "0.000015"}, ccxt.InvalidOrder, "LOT_SIZE"),
        (MARKET | {"quantity": "0.00001"}, ccxt.BadRequest, "NOTIONAL"),
        (LIMIT | {"price": "50000.001"}, ccxt.InvalidOrder, "PRICE_FILTER"),
        (LIMIT | {"price": "500"}, ccxt.InvalidOrder, "PERCENT_PRICE"),
        (LIMIT | {"price": "50000", "quantity": "2"}, ccxt.InsufficientFunds, "insufficient"),
        (MARKET | {"side": "SELL", "quantity": "9"}, ccxt.InsufficientFunds, "insufficient"),
        (LIMIT | {"price": "50000", "type": "LIMIT_MAKER"}, ccxt.BadRequest, "-1106.*timeInForce"),
        (LIMIT, ccxt.BadRequest, "-1102.*price"),
        (MARKET | {"quantity": "0.0100000001"}, ccxt.BadRequest, "-1111"),
        (MARKET | {"price": "1"}, ccxt.BadRequest, "-1106"),
        (MARKET | {"invented": "1"}, ccxt.BadRequest, "-1104"),
        (MARKET | {"quoteOrderQty": "10"}, ccxt.BadRequest, "-1128"),
        (MARKET | {"quantity": ""}, ccxt.BadRequest, "-1105|-1102"),
        (MARKET | {"quantity": "ten"}, ccxt.BadRequest, "-1100"),
        (MARKET | {"quantity": "-1"}, ccxt.BadRequest, "-1100"),
        (MARKET | {"side": "HOLD"}, ccxt.BadRequest, "-1117"),
        (MARKET | {"type": "GUESS"}, ccxt.BadRequest, "-1116"),
        (LIMIT | {"price": "50000", "timeInForce": "NEVER"}, ccxt.BadRequest, "-1115"),
        (MARKET | {"newClientOrderId": "no spaces"}, ccxt.BadRequest, "-1100"),
        (MARKET | {"symbol": "NOSUCH"}, ccxt.BadSymbol, "-1121"),
        (MARKET | {"strategyId": "7", "strategyType": "8"}, ccxt.ExchangeError, "-1134"),
        (
            {**MARKET, "type": "STOP_LOSS", "side": "SELL", "trailingDelta": "5000"},
            ccxt.BadRequest,
            "TRAILING_DELTA",
        ),
        (
            {**MARKET, "type": "STOP_LOSS", "side": "SELL", "stopPrice": "90000"},
            ccxt.OrderImmediatelyFillable,
            "trigger",
        ),
    ],
)
def test_orders_that_cannot_be(client: Any, order: dict[str, str], kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        client.private_post_order(order)
    assert client.private_get_openorders({"symbol": "BTCUSDT"}) == []


def test_a_stop_loss_dict_is_a_parameter_nobody_reads(client: Any, price: float) -> None:
    with pytest.raises(ccxt.BadRequest, match="-1104"):
        client.create_order("BTC/USDT", "market", "buy", 0.01, None, {"stopLoss": {"triggerPrice": price * 0.9}})


def test_too_many_waiting_orders(client: Any, price: float) -> None:
    for part in range(5):
        client.create_order("BTC/USDT", "market", "sell", 0.001, None, {"triggerPrice": round(price * 0.9, 2) - part})
    with pytest.raises(ccxt.BadRequest, match="MAX_NUM_ALGO_ORDERS"):
        client.create_order("BTC/USDT", "market", "sell", 0.001, None, {"triggerPrice": round(price * 0.9, 2)})


def test_a_client_id_is_taken_while_its_order_is_open(client: Any, price: float) -> None:
    order = ("BTC/USDT", "limit", "buy", 0.001, round(price * 0.9, 2), {"clientOrderId": "one"})
    client.create_order(*order)
    with pytest.raises(ccxt.InvalidOrder, match="Duplicate"):
        client.create_order(*order)
    client.cancel_all_orders("BTC/USDT")
    assert client.create_order(*order)["clientOrderId"] == "one"


def test_a_closed_market_takes_nothing(exchange: Running, client: Any) -> None:
    exchange.control.set_symbol("BTCUSDT", "BREAK")
    with pytest.raises(ccxt.MarketClosed):
        client.create_order("BTC/USDT", "market", "buy", 0.01)
    assert not client.load_markets(True)["BTC/USDT"]["active"]


def test_what_is_not_there_is_not_found(client: Any) -> None:
    for ask in (client.cancel_order, client.fetch_order):
        with pytest.raises(ccxt.OrderNotFound):
            ask("987654321", "BTC/USDT")
    with pytest.raises(ccxt.BadRequest, match="-1102"):
        client.private_get_order({"symbol": "BTCUSDT"})
    with pytest.raises(ccxt.OrderNotFound):
        client.cancel_all_orders("BTC/USDT")


@pytest.mark.parametrize(
    ("side", "above", "below", "code"),
    [
        ("SELL", {"type": "LIMIT_MAKER", "price": 1.01}, {"type": "STOP_LOSS", "stopPrice": 1.05}, -2010),
        ("SELL", {"type": "LIMIT_MAKER", "price": 0.99}, {"type": "STOP_LOSS", "stopPrice": 0.98}, -2010),
        ("BUY", {"type": "STOP_LOSS", "stopPrice": 0.99}, {"type": "LIMIT_MAKER", "price": 0.98}, -2010),
        ("SELL", {"type": "LIMIT", "price": 1.01}, {"type": "STOP_LOSS", "stopPrice": 0.99}, -1102),
        ("SELL", {"type": "MARKET"}, {"type": "STOP_LOSS", "stopPrice": 0.99}, -1158),
        ("SELL", {"type": "LIMIT_MAKER", "price": 1.02}, {"type": "LIMIT_MAKER", "price": 1.01}, -1168),
        ("SELL", {"type": "STOP_LOSS", "stopPrice": 1.02}, {"type": "LIMIT_MAKER", "price": 0.98}, -1166),
        ("BUY", {"type": "LIMIT_MAKER", "price": 1.02}, {"type": "STOP_LOSS", "stopPrice": 0.98}, -1165),
        ("SELL", {"type": "STOP_LOSS", "stopPrice": 1.02}, {"type": "STOP_LOSS", "stopPrice": 0.98}, -1197),
        ("BUY", {"type": "STOP_LOSS", "stopPrice": 1.02}, {"type": "STOP_LOSS", "stopPrice": 0.98}, -1196),
        ("SELL", {"type": "TAKE_PROFIT", "stopPrice": 1.02}, {"type": "TAKE_PROFIT", "stopPrice": 0.98}, -1199),
        ("BUY", {"type": "TAKE_PROFIT", "stopPrice": 1.02}, {"type": "TAKE_PROFIT", "stopPrice": 0.98}, -1198),
    ],
)
def test_which_orders_make_a_pair(
    client: Any, price: float, side: str, above: dict[str, Any], below: dict[str, Any], code: int
) -> None:
    asked = {"symbol": "BTCUSDT", "side": side, "quantity": "0.01"}
    for prefix, leg in (("above", above), ("below", below)):
        for name, value in leg.items():
            said = value if isinstance(value, str) else f"{price * value:.2f}"
            asked[prefix + name[0].upper() + name[1:]] = said
    with pytest.raises(ccxt.ExchangeError):
        client.private_post_orderlist_oco(asked)
    assert client.parse_json(client.last_http_response)["code"] == code


def test_two_ids_of_different_orders(client: Any, price: float) -> None:
    order = client.create_order("BTC/USDT", "limit", "buy", 0.001, round(price * 0.9, 2))
    both = {"symbol": "BTCUSDT", "orderId": order["id"], "origClientOrderId": "another"}
    for ask in (client.private_get_order, client.private_delete_order):
        with pytest.raises(ccxt.ExchangeError, match="-2039"):
            ask(both)


def test_cancelling_under_a_condition(client: Any, price: float) -> None:
    order = client.create_order("BTC/USDT", "limit", "buy", 0.001, round(price * 0.9, 2))
    asked = {"symbol": "BTCUSDT", "orderId": order["id"]}
    with pytest.raises(ccxt.ExchangeError, match="-1145"):
        client.private_delete_order(asked | {"cancelRestrictions": "ONLY_SOMETIMES"})
    with pytest.raises(ccxt.ExchangeError, match="restrictions"):
        client.private_delete_order(asked | {"cancelRestrictions": "ONLY_PARTIALLY_FILLED"})
    assert client.private_delete_order(asked | {"cancelRestrictions": "ONLY_NEW"})["status"] == "CANCELED"


@pytest.mark.parametrize(
    ("key", "secret", "said"),
    [
        ("practice-key", "wrong", "-1022"),
        ("nobody", "practice-secret", "-2015"),
        ("not a key!", "practice-secret", "-2014"),
    ],
)
def test_who_is_not_known(exchange: Running, key: str, secret: str, said: str) -> None:
    with pytest.raises(ccxt.AuthenticationError, match=said):
        exchange.client(key, secret).fetch_balance()


def test_a_key_that_may_only_read(exchange: Running) -> None:
    reader = exchange.client("reader", "reader-secret")
    with pytest.raises(ccxt.AuthenticationError, match="-2015"):
        reader.create_order("BTC/USDT", "market", "buy", 0.01)
    assert reader.fetch_balance()["USDT"]["total"] == 10
    with pytest.raises(ccxt.DDoSProtection, match="-2015"):  # ccxt believes in a ban, once a key has worked
        reader.create_order("BTC/USDT", "market", "buy", 0.01)


def signed(exchange: Running, path: str, text: str, *, method: str = "GET", form: str = "") -> Any:
    """Answer of a request signed by hand."""
    signature = hmac.new(exchange.secret.encode(), (text + form).encode(), hashlib.sha256).hexdigest()
    headers = {"X-MBX-APIKEY": exchange.key, "Content-Type": "application/x-www-form-urlencoded"}
    url = f"{exchange.url}{path}?{text}"
    if form:
        answer = httpx.request(method, url, content=f"{form}&signature={signature}", headers=headers)
    else:
        answer = httpx.request(method, f"{url}&signature={signature}", headers=headers)
    return answer.json()


def now(offset_ms: int = 0) -> int:
    return int(time.time() * 1000) + offset_ms


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (lambda: f"timestamp={now()}", None),
        (lambda: f"timestamp={now(-4000)}", None),
        (lambda: f"timestamp={now(-30_000)}&recvWindow=59999", None),
        (lambda: f"timestamp={now(-6000)}", -1021),
        (lambda: f"timestamp={now(-2000)}&recvWindow=1000", -1021),
        (lambda: f"timestamp={now(5000)}", -1021),
        (lambda: f"timestamp={now()}&recvWindow=60001", -1102),
        (lambda: f"timestamp={now()}&recvWindow=5000.123", None),
        (lambda: f"timestamp={now()}&recvWindow=5000.1234", -1100),
        (lambda: f"timestamp={now()}000", None),  # microseconds
        (lambda: "recvWindow=5000", -1102),
        (lambda: "timestamp=soon", -1100),
        (lambda: f"timestamp={now()}&timestamp={now()}", -1101),
    ],
)
def test_the_receive_window(exchange: Running, query: Callable[[], str], code: int | None) -> None:
    answer = signed(exchange, "/api/v3/account", query())
    assert answer.get("code") == code


def test_a_clock_that_is_off_is_an_invalid_nonce(exchange: Running) -> None:
    client = exchange.client()
    exchange.control.add({"fault": "clock", "seconds": 30})
    with pytest.raises(ccxt.InvalidNonce):
        client.fetch_balance()
    client.load_time_difference()
    client.options["adjustForTimeDifference"] = True
    assert client.fetch_balance()["USDT"]["total"] > 0


def test_query_and_form_are_signed_as_one(exchange: Running) -> None:
    order = "symbol=BTCUSDT&side=BUY&type=MARKET"
    form = f"side=SELL&quantity=0.001&timestamp={now()}"
    answer = signed(exchange, "/api/v3/order", order, method="POST", form=form)
    assert (answer["status"], answer["side"]) == ("FILLED", "BUY")  # the query's goes before the form's


def test_a_path_that_is_not_there(exchange: Running) -> None:
    answer = httpx.get(f"{exchange.url}/api/v3/invented")
    assert (answer.status_code, answer.json()["code"]) == (404, -1000)
    assert httpx.put(f"{exchange.url}/api/v3/order").status_code == 404


def test_public_parameters_are_read_strictly_too(exchange: Running) -> None:
    def code(query: str) -> int:
        return int(httpx.get(f"{exchange.url}/api/v3/{query}").json()["code"])

    assert code("ticker/price?symbol=BTCUSDT&invented=1") == -1104
    assert code("klines?symbol=BTCUSDT&interval=7m") == -1120
    assert code("klines?symbol=BTCUSDT") == -1102
    assert code("depth?symbol=btcusdt") == -1121
    assert code("ticker/price?symbol=BTCUSDT&symbols=[]") == -1128
    assert code("depth?symbol=BTCUSDT&limit=many") == -1100
    assert code("ticker/24hr?symbol=BTCUSDT&type=HUGE") == -1139
    assert code('ticker/price?symbols=["BTCUSDT","BTCUSDT"]') == -1151
