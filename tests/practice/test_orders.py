"""Every kind of order as an unmodified ccxt.binance sends it, and what becomes of it when the market moves."""

from typing import Any

import ccxt
import pytest

from practice.running import Running

HOUR_S = 3600.0


def test_a_crossing_limit_order_trades_at_the_book_and_pays_in_the_base_coin(client: Any, price: float) -> None:
    before = client.fetch_balance()
    order = client.create_order("BTC/USDT", "limit", "buy", 0.01, round(price * 1.01, 2))
    after = client.fetch_balance()
    assert (order["status"], order["filled"]) == ("closed", 0.01)
    assert price < order["average"] < price * 1.01
    assert order["fee"] == {"currency": "BTC", "cost": 0.00001}
    assert after["BTC"]["total"] - before["BTC"]["total"] == pytest.approx(0.00999)
    assert before["USDT"]["total"] - after["USDT"]["total"] == pytest.approx(order["cost"])


def test_a_sale_pays_in_the_quote_coin(client: Any) -> None:
    order = client.create_order("BTC/USDT", "market", "sell", 0.01)
    assert order["fee"]["currency"] == "USDT"
    assert order["fee"]["cost"] == pytest.approx(order["cost"] / 1000)


def test_a_market_order_by_cost_spends_no_more(client: Any) -> None:
    order = client.create_market_buy_order_with_cost("BTC/USDT", 100)
    assert (order["status"], order["info"]["origQuoteOrderQty"]) == ("closed", "100.00000000")
    assert 98 < order["cost"] <= 100


def test_post_only_rests_or_is_refused(client: Any, price: float) -> None:
    order = client.create_order("BTC/USDT", "limit", "buy", 0.01, round(price * 0.99, 2), {"postOnly": True})
    assert (order["status"], order["info"]["type"]) == ("open", "LIMIT_MAKER")
    with pytest.raises(ccxt.OrderImmediatelyFillable):
        client.create_order("BTC/USDT", "limit", "buy", 0.01, round(price * 1.01, 2), {"postOnly": True})


@pytest.mark.parametrize("in_force", ["IOC", "FOK"])
def test_what_does_not_trade_at_once_expires(client: Any, price: float, in_force: str) -> None:
    order = client.create_order("BTC/USDT", "limit", "buy", 0.01, round(price * 0.99, 2), {"timeInForce": in_force})
    assert (order["status"], order["filled"]) == ("expired", 0.0)


@pytest.mark.parametrize(
    ("params", "kind", "limit"),
    [
        ({"triggerPrice": 0.97}, "STOP_LOSS", None),
        ({"stopLossPrice": 0.97}, "STOP_LOSS_LIMIT", 0.96),
        ({"takeProfitPrice": 1.03}, "TAKE_PROFIT", None),
        ({"takeProfitPrice": 1.03}, "TAKE_PROFIT_LIMIT", 1.03),
    ],
)
def test_triggers_wait_under_ccxts_names(
    client: Any, price: float, params: dict[str, float], kind: str, limit: float | None
) -> None:
    said = {name: round(price * part, 2) for name, part in params.items()}
    type_ = "market" if limit is None else "limit"
    order = client.create_order("BTC/USDT", type_, "sell", 0.01, limit and round(price * limit, 2), said)
    assert (order["info"]["type"], order["status"]) == (kind, "open")
    seen = client.fetch_order(order["id"], "BTC/USDT")
    assert (seen["triggerPrice"], seen["info"]["isWorking"]) == (next(iter(said.values())), False)
    assert client.fetch_balance()["BTC"]["used"] == 0.01


def test_a_trailing_stop_goes_out_in_bips(client: Any) -> None:
    order = client.create_order(
        "BTC/USDT", "market", "sell", 0.01, None, {"trailingPercent": 1.0, "stopLossOrTakeProfit": "stopLoss"}
    )
    seen = client.fetch_order(order["id"], "BTC/USDT")["info"]
    assert (seen["type"], seen["trailingDelta"]) == ("STOP_LOSS", 100)


def test_resting_orders_trade_when_the_market_comes(exchange: Running, client: Any, price: float) -> None:
    limit = client.create_order("BTC/USDT", "limit", "buy", 0.01, round(price * 0.998, 2))
    stop = client.create_order("BTC/USDT", "market", "sell", 0.01, None, {"triggerPrice": round(price * 0.996, 2)})
    trail = client.create_order(
        "BTC/USDT", "market", "sell", 0.01, None, {"trailingPercent": 0.5, "stopLossOrTakeProfit": "stopLoss"}
    )
    exchange.control.move_on(48 * HOUR_S)
    found = {order["id"]: order for order in client.fetch_orders("BTC/USDT")}
    made, stopped, trailed = (found[order["id"]] for order in (limit, stop, trail))
    assert [made["status"], stopped["status"], trailed["status"]] == ["closed"] * 3
    assert made["average"] == round(price * 0.998, 2)
    assert stopped["average"] <= round(price * 0.996, 2)
    trades = {trade["order"]: trade for trade in client.fetch_my_trades("BTC/USDT")}
    assert [trades[made["id"]]["takerOrMaker"], trades[stopped["id"]]["takerOrMaker"]] == ["maker", "taker"]


def oco(price: float, **more: str) -> dict[str, str]:
    asked = {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "quantity": "0.01",
        "aboveType": "LIMIT_MAKER",
        "abovePrice": f"{price * 1.2:.2f}",
        "belowType": "STOP_LOSS",
        "belowStopPrice": f"{price * 0.995:.2f}",
    }
    return asked | more


def test_an_oco_locks_once_and_ends_as_one(exchange: Running, client: Any, price: float) -> None:
    placed = client.private_post_orderlist_oco(oco(price, listClientOrderId="pair-1"))
    assert (placed["contingencyType"], placed["listOrderStatus"], placed["listClientOrderId"]) == (
        "OCO",
        "EXECUTING",
        "pair-1",
    )
    assert len(client.fetch_open_orders("BTC/USDT")) == 2
    assert client.fetch_balance()["BTC"]["used"] == 0.01
    exchange.control.move_on(72 * HOUR_S)
    states = [client.fetch_order(each["orderId"], "BTC/USDT")["info"]["status"] for each in placed["orders"]]
    assert sorted(states) == ["EXPIRED", "FILLED"]
    ended = client.private_get_orderlist({"orderListId": placed["orderListId"]})
    assert ended["listOrderStatus"] == "ALL_DONE"
    assert client.fetch_balance()["BTC"]["used"] == 0


def test_a_leg_that_only_begins_to_trail_ends_nothing(exchange: Running, client: Any, price: float) -> None:
    asked = oco(price, belowStopPrice=f"{price * 0.999:.2f}", belowTrailingDelta="2000")
    placed = client.private_post_orderlist_oco(asked)
    exchange.control.move_on(48 * HOUR_S)
    lowest = min(candle[3] for candle in client.fetch_ohlcv("BTC/USDT", "1h", limit=48))
    assert lowest < price * 0.999
    states = [client.fetch_order(each["orderId"], "BTC/USDT")["info"]["status"] for each in placed["orders"]]
    assert states == ["NEW", "NEW"]


def test_cancelling_a_leg_cancels_its_list(client: Any, price: float) -> None:
    placed = client.private_post_orderlist_oco(oco(price))
    assert [each["orderListId"] for each in client.private_get_openorderlist()] == [placed["orderListId"]]
    client.cancel_order(placed["orders"][0]["orderId"], "BTC/USDT")
    assert client.fetch_open_orders("BTC/USDT") == []
    again = client.private_post_orderlist_oco(oco(price))
    gone = client.private_delete_orderlist({"symbol": "BTCUSDT", "orderListId": again["orderListId"]})
    assert [report["status"] for report in gone["orderReports"]] == ["CANCELED", "CANCELED"]
    assert client.private_get_openorderlist() == []
    assert client.private_get_allorderlist()[-1]["orderListId"] == again["orderListId"]


def test_the_older_form_of_an_oco_is_understood(client: Any, price: float) -> None:
    asked = {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "quantity": "0.01",
        "price": f"{price * 1.1:.2f}",
        "stopPrice": f"{price * 0.9:.2f}",
        "stopLimitPrice": f"{price * 0.89:.2f}",
        "stopLimitTimeInForce": "GTC",
    }
    placed = client.private_post_order_oco(asked)
    assert {report["type"] for report in placed["orderReports"]} == {"LIMIT_MAKER", "STOP_LOSS_LIMIT"}


def test_a_pending_order_begins_when_its_working_order_is_filled(exchange: Running, client: Any, price: float) -> None:
    working = {
        "symbol": "BTCUSDT",
        "workingType": "LIMIT",
        "workingTimeInForce": "GTC",
        "workingSide": "BUY",
        "workingPrice": f"{price * 0.999:.2f}",
        "workingQuantity": "0.02",
    }
    pending = {"pendingType": "LIMIT", "pendingTimeInForce": "GTC", "pendingSide": "SELL", "pendingQuantity": "0.01"}
    oto = client.private_post_orderlist_oto(working | pending | {"pendingPrice": f"{price * 1.3:.2f}"})
    legs = {"pendingAboveType": "LIMIT_MAKER", "pendingAbovePrice": f"{price * 1.3:.2f}"}
    legs |= {"pendingBelowType": "STOP_LOSS", "pendingBelowStopPrice": f"{price * 0.5:.2f}"}
    otoco = client.private_post_orderlist_otoco(working | {"pendingSide": "SELL", "pendingQuantity": "0.01"} | legs)
    ids = [each["orderId"] for made in (oto, otoco) for each in made["orders"]]

    def states() -> list[str]:
        return [client.fetch_order(id_, "BTC/USDT")["info"]["status"] for id_ in ids]

    assert states() == ["NEW", "PENDING_NEW", "NEW", "PENDING_NEW", "PENDING_NEW"]
    exchange.control.move_on(48 * HOUR_S)
    assert states() == ["FILLED", "NEW", "FILLED", "NEW", "NEW"]
    assert client.fetch_balance()["BTC"]["used"] == 0.02


def test_a_pending_order_begins_after_the_answer(client: Any, price: float) -> None:
    made = client.private_post_orderlist_oto(
        {
            "symbol": "BTCUSDT",
            "workingType": "LIMIT",
            "workingTimeInForce": "GTC",
            "workingSide": "BUY",
            "workingPrice": f"{price * 1.01:.2f}",
            "workingQuantity": "0.01",
            "pendingType": "MARKET",
            "pendingSide": "SELL",
            "pendingQuantity": "0.009",
        }
    )
    assert [report["status"] for report in made["orderReports"]] == ["FILLED", "PENDING_NEW"]
    assert client.fetch_order(made["orders"][1]["orderId"], "BTC/USDT")["status"] == "closed"


def test_a_pending_order_goes_with_its_working_order(client: Any, price: float) -> None:
    made = client.private_post_orderlist_oto(
        {
            "symbol": "BTCUSDT",
            "workingType": "LIMIT",
            "workingTimeInForce": "GTC",
            "workingSide": "BUY",
            "workingPrice": f"{price * 0.9:.2f}",
            "workingQuantity": "0.01",
            "pendingType": "MARKET",
            "pendingSide": "SELL",
            "pendingQuantity": "0.01",
        }
    )
    client.cancel_order(made["orders"][0]["orderId"], "BTC/USDT")
    assert client.fetch_open_orders("BTC/USDT") == []


def test_an_order_is_replaced_by_another(client: Any, price: float) -> None:
    first = client.create_order("BTC/USDT", "limit", "buy", 0.01, round(price * 0.9, 2))
    second = client.edit_order(first["id"], "BTC/USDT", "limit", "buy", 0.02, round(price * 0.91, 2))
    assert [order["id"] for order in client.fetch_open_orders("BTC/USDT")] == [second["id"]]
    assert client.fetch_order(first["id"], "BTC/USDT")["status"] == "canceled"


def replace(id_: str, price: float, *, quantity: str, mode: str) -> dict[str, str]:
    new = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": f"{price:.2f}"}
    return new | {"quantity": quantity, "cancelReplaceMode": mode, "cancelOrderId": id_}


def test_a_replacement_that_half_succeeds_says_which_half(client: Any, price: float) -> None:
    low = round(price * 0.9, 2)
    order = client.create_order("BTC/USDT", "limit", "buy", 0.01, low)
    with pytest.raises(ccxt.ExchangeError, match="-2021"):  # cancelled, but the new one cannot be paid
        client.private_post_order_cancelreplace(replace(order["id"], low, quantity="5", mode="STOP_ON_FAILURE"))
    with pytest.raises(ccxt.ExchangeError, match="-1013"):  # a filter says no before anything is done
        client.private_post_order_cancelreplace(replace("1", low, quantity="0.0000001", mode="ALLOW_FAILURE"))
    with pytest.raises(ccxt.ExchangeError, match="-2022"):  # nothing to cancel, so nothing placed
        client.private_post_order_cancelreplace(replace(order["id"], low, quantity="0.01", mode="STOP_ON_FAILURE"))
    assert client.fetch_open_orders("BTC/USDT") == []
    with pytest.raises(ccxt.ExchangeError, match="-2021"):  # nothing to cancel, but placed
        client.private_post_order_cancelreplace(replace(order["id"], low, quantity="0.01", mode="ALLOW_FAILURE"))
    assert len(client.fetch_open_orders("BTC/USDT")) == 1
