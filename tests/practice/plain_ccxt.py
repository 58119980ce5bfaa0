"""A plain ccxt program, as anybody might have: it trades at whatever Binance answers at a URL, and knows nothing else.

    python plain_ccxt.py http://127.0.0.1:9100 KEY SECRET http://127.0.0.1:9101

The last address is the control port, asked in plain JSON for what a real exchange does on its own: to close a market,
to answer 503. The account needs USDT and BTC. All that is expected is asserted; a good run ends with "done".
"""

import asyncio
import json
import sys
import time
import urllib.request
from decimal import Decimal
from itertools import pairwise
from typing import Any

import ccxt
import ccxt.pro

SYMBOL, ID, CLOSED, CLOSED_ID = "BTC/USDT", "BTCUSDT", "SOL/USDT", "SOLUSDT"
MS = 1000


class Script:
    def __init__(self, url: str, key: str, secret: str, control: str):
        self.url, self.key, self.secret, self.control_url = url, key, secret, control

    def client(self, kind: Any = ccxt.binance, **config: Any) -> Any:
        """A client with every address replaced after it was made: ``urls`` in its settings would leave some alone."""
        client = kind({"apiKey": self.key, "secret": self.secret, **config})
        for name, address in client.urls["api"].items():
            if isinstance(address, str):
                client.urls["api"][name] = self.url + "/" + address.split("/", 3)[3]
        if "ws" in client.urls["api"]:
            sockets = self.url.replace("http", "ws", 1)
            client.urls["api"]["ws"]["spot"] = f"{sockets}/ws"
            client.urls["api"]["ws"]["ws-api"]["spot"] = f"{sockets}/ws-api/v3"
        return client

    def control(self, path: str, **content: Any) -> None:
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(self.control_url + path, json.dumps(content).encode(), headers, method="POST")
        urllib.request.urlopen(request, timeout=5).read()

    def once(self, where: str, fault: str, **how: Any) -> None:
        """The next request there goes wrong."""
        self.control("/faults", fault=fault, where=where, count=1, **how)

    # Looking

    def look(self, client: Any) -> None:
        markets = client.load_markets()
        assert markets[SYMBOL]["spot"] and markets[SYMBOL]["active"], markets[SYMBOL]
        assert abs(client.fetch_time() - time.time() * MS) < 5 * MS
        assert client.fetch_status()["status"] == "ok"
        ticker = client.fetch_ticker(SYMBOL)
        assert 0 < ticker["bid"] < ticker["ask"] and ticker["low"] <= ticker["last"] <= ticker["high"], ticker
        assert set(client.fetch_tickers([SYMBOL, "ETH/USDT"])) == {SYMBOL, "ETH/USDT"}
        assert client.fetch_bids_asks([SYMBOL])[SYMBOL]["bid"] > 0
        assert client.fetch_last_prices([SYMBOL])[SYMBOL]["price"] > 0
        book = client.fetch_order_book(SYMBOL, 20)
        assert len(book["bids"]) == len(book["asks"]) == 20 and book["bids"][0][0] < book["asks"][0][0], book
        for timeframe in ("1m", "15m", "1h", "1d"):
            candles = client.fetch_ohlcv(SYMBOL, timeframe, limit=30)
            steps = {later[0] - earlier[0] for earlier, later in pairwise(candles)}
            assert len(candles) == 30 and steps == {client.parse_timeframe(timeframe) * MS}, (timeframe, steps)
            assert all(low <= min(o, c) <= max(o, c) <= high for _, o, high, low, c, _ in candles), candles
        trades = client.fetch_trades(SYMBOL, limit=5)
        assert len(trades) == 5 and trades[0]["timestamp"] <= trades[-1]["timestamp"]
        balance = client.fetch_balance()
        assert balance["USDT"]["free"] > 0 and balance["BTC"]["free"] > 0, balance
        assert client.fetch_trading_fee(SYMBOL)["taker"] == 0.001
        said(f"looked at {len(markets)} markets; {SYMBOL} {ticker['last']}")

    # Trading over REST

    def trade(self, client: Any) -> None:
        before = totals(client)
        price = client.fetch_ticker(SYMBOL)["last"]
        bought = client.create_order(SYMBOL, "market", "buy", 0.01)
        assert (bought["status"], bought["filled"]) == ("closed", 0.01), bought
        assert sum(trade["amount"] for trade in bought["trades"]) == 0.01
        assert bought["fees"][0]["currency"] == "BTC"
        spent = client.create_order(SYMBOL, "market", "buy", 0, params={"cost": 300})
        assert spent["status"] == "closed" and 290 < spent["cost"] <= 300, spent
        taken = client.create_order(SYMBOL, "limit", "sell", 0.01, price * 0.99)
        assert taken["status"] == "closed" and taken["average"] >= price * 0.99, taken

        resting = [
            client.create_order(SYMBOL, "limit", "buy", 0.01, price * 0.8, {"clientOrderId": "plain-limit"}),
            client.create_order(SYMBOL, "limit", "sell", 0.01, price * 1.2, {"postOnly": True}),
            client.create_order(SYMBOL, "market", "sell", 0.01, params={"stopLossPrice": price * 0.9}),
            client.create_order(SYMBOL, "limit", "sell", 0.01, price * 0.88, {"stopLossPrice": price * 0.9}),
            client.create_order(SYMBOL, "market", "sell", 0.01, params={"takeProfitPrice": price * 1.1}),
        ]
        kinds = ["LIMIT", "LIMIT_MAKER", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT"]
        assert [order["info"]["type"] for order in resting] == kinds
        assert [order["status"] for order in resting] == ["open"] * 5
        assert len(client.fetch_open_orders(SYMBOL)) == 5
        assert client.fetch_order(None, SYMBOL, {"clientOrderId": "plain-limit"})["id"] == resting[0]["id"]
        again = client.edit_order(resting[0]["id"], SYMBOL, "limit", "buy", 0.02, price * 0.81)
        assert again["amount"] == 0.02 and client.fetch_order(resting[0]["id"], SYMBOL)["status"] == "canceled"
        gone = client.cancel_order(again["id"], SYMBOL)
        assert gone["status"] == "canceled", gone
        client.cancel_all_orders(SYMBOL)

        late = [
            client.create_order(SYMBOL, "limit", "sell", 0.01, price * 1.1, {"takeProfitPrice": price * 1.1}),
            client.create_order(
                SYMBOL, "market", "sell", 0.01, params={"trailingPercent": 1.0, "stopLossOrTakeProfit": "stopLoss"}
            ),
        ]
        assert [order["info"]["type"] for order in late] == ["TAKE_PROFIT_LIMIT", "STOP_LOSS"]
        assert late[1]["info"]["trailingDelta"] == 100, late[1]
        said_list = client.private_post_orderlist_oco(
            {
                "symbol": ID,
                "side": "SELL",
                "quantity": "0.01",
                "aboveType": "LIMIT_MAKER",
                "abovePrice": client.price_to_precision(SYMBOL, price * 1.2),
                "belowType": "STOP_LOSS",
                "belowStopPrice": client.price_to_precision(SYMBOL, price * 0.8),
                "newOrderRespType": "RESULT",
            }
        )
        legs = {report["type"]: report for report in said_list["orderReports"]}
        assert set(legs) == {"LIMIT_MAKER", "STOP_LOSS"} and said_list["listOrderStatus"] == "EXECUTING", said_list
        locked = client.fetch_balance()["BTC"]["used"]
        assert locked == 0.03, f"the two legs lock once: {locked}"
        client.cancel_order(legs["STOP_LOSS"]["orderId"], SYMBOL)
        assert client.fetch_order(legs["LIMIT_MAKER"]["orderId"], SYMBOL)["status"] == "canceled"
        client.cancel_all_orders(SYMBOL)
        assert client.fetch_open_orders(SYMBOL) == []

        fills = client.fetch_my_trades(SYMBOL)
        assert totals(client) == after(before, fills), "what was traded is what is there"
        assert len(client.fetch_orders(SYMBOL)) == 13
        said(f"placed every type of order; {len(fills)} trades add up to the balance")

    # Trading over WebSocket

    async def watch(self, client: Any) -> None:
        await client.load_markets()
        tickers = await within(client.watch_ticker(SYMBOL))
        full = await within(client.watch_ticker(SYMBOL, {"name": "ticker"}))
        book = await within(client.watch_order_book(SYMBOL))
        candles = await within(client.watch_ohlcv(SYMBOL, "5m"))
        assert tickers["last"] > 0 and full["bid"] < full["ask"], (tickers, full)
        assert book["bids"][0][0] < book["asks"][0][0] and candles[-1][4] > 0
        first = book["nonce"]
        while book["nonce"] <= first + 2:  # a book that stays in step
            book = await within(client.watch_order_book(SYMBOL))
        assert book["bids"][0][0] < book["asks"][0][0]
        assert (await within(client.watch_bids_asks([SYMBOL])))[SYMBOL]["bid"] > 0
        assert (await within(client.watch_trades(SYMBOL)))[-1]["price"] > 0

        self.control("/faults", fault="other_event", where="stream ethusdt@miniTicker", lasts_s=1)
        try:
            await within(client.watch_ticker("ETH/USDT"), 0.5)
        except TimeoutError:  # ccxt takes no other event for it
            pass
        else:
            raise AssertionError("another event was taken for a ticker")
        assert (await within(client.watch_ticker("ETH/USDT")))["last"] > 0

        seen = [
            asyncio.ensure_future(watch())
            for watch in (client.watch_orders, client.watch_my_trades, client.watch_balance)
        ]
        await asyncio.sleep(0.5)  # subscribed to
        bought = await client.create_order(SYMBOL, "market", "buy", 0.01)
        orders, trades, balance = await within(asyncio.gather(*seen))
        assert orders[-1]["id"] == trades[-1]["order"] == bought["id"], (orders, trades, bought)
        assert trades[-1]["amount"] == 0.01 and trades[-1]["fee"]["currency"] == "BTC"
        while "BTC" not in balance:
            balance = await within(client.watch_balance())

        price = bought["average"]
        placed = await within(client.create_order_ws(SYMBOL, "limit", "sell", 0.01, price * 1.1))
        found = await within(client.fetch_order_ws(placed["id"], SYMBOL))
        assert (found["status"], found["id"]) == ("open", placed["id"]), found
        assert [order["id"] for order in await within(client.fetch_open_orders_ws(SYMBOL))] == [placed["id"]]
        watching = asyncio.ensure_future(client.watch_orders(SYMBOL))
        assert (await within(client.cancel_order_ws(placed["id"], SYMBOL)))["status"] == "canceled"
        newest = (await within(watching))[-1]
        assert (newest["id"], newest["status"]) == (placed["id"], "canceled"), newest
        shown = (await within(client.fetch_balance_ws()))["info"]["balances"]  # ccxt reads no further
        assert [each["locked"] for each in shown if each["asset"] == "BTC"] == ["0.00000000"], shown
        try:
            await within(client.create_order_ws(SYMBOL, "market", "buy", 100))
        except ccxt.InsufficientFunds:
            pass
        else:
            raise AssertionError("a purchase without money")
        said("watched prices, its own orders, trades and balance, and traded over the socket")

    # Being refused

    def fail(self, client: Any) -> None:
        price = client.fetch_ticker(SYMBOL)["last"]
        raw = {"symbol": ID, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01", "price": "50000"}

        def order(**other: Any) -> Any:
            return client.private_post_order({**raw, **other})

        def place(kind: str, side: str, amount: float, at: float | None = None, **params: Any) -> Any:
            return client.create_order(SYMBOL, kind, side, amount, at, params)

        # Filters
        refused(client, ccxt.InvalidOrder, -1013, "LOT_SIZE", order, quantity="0.0000001")
        refused(client, ccxt.InvalidOrder, -1013, "PRICE_FILTER", order, price="50000.001")
        refused(client, ccxt.InvalidOrder, -1013, "PERCENT_PRICE", order, price="1000.00")
        refused(client, ccxt.BadRequest, -1013, "NOTIONAL", order, quantity="0.00002")
        # The order cannot be
        refused(client, ccxt.InsufficientFunds, -2010, "insufficient", place, "market", "buy", 5.0)
        refused(
            client,
            ccxt.OrderImmediatelyFillable,
            -2010,
            "immediately",
            place,
            "limit",
            "buy",
            0.01,
            price * 1.1,
            postOnly=True,
        )
        place("limit", "buy", 0.01, price * 0.8, clientOrderId="plain-twice")
        refused(
            client,
            ccxt.InvalidOrder,
            -2010,
            "Duplicate",
            place,
            "limit",
            "buy",
            0.01,
            price * 0.8,
            clientOrderId="plain-twice",
        )
        client.cancel_order(None, SYMBOL, {"clientOrderId": "plain-twice"})
        self.control("/symbols", symbol=CLOSED_ID, status="HALT")
        refused(client, ccxt.MarketClosed, -2010, "closed", client.create_order, CLOSED, "market", "buy", 1)
        self.control("/symbols", symbol=CLOSED_ID, status="TRADING")
        # There is none
        refused(client, ccxt.OrderNotFound, -2011, "Unknown order", client.cancel_order, "999999", SYMBOL)
        refused(client, ccxt.OrderNotFound, -2013, "does not exist", client.fetch_order, "999999", SYMBOL)
        refused(client, ccxt.BadSymbol, -1121, "Invalid symbol", client.public_get_avgprice, {"symbol": "NOSUCH"})
        # Malformed
        refused(
            client,
            ccxt.BadRequest,
            -1104,
            "sent",
            place,
            "limit",
            "buy",
            0.01,
            price * 0.8,
            stopLoss={"triggerPrice": 1},
        )
        refused(client, ccxt.BadRequest, -1106, "not required", order, type="LIMIT_MAKER")
        refused(client, ccxt.BadRequest, -1111, "precision", order, quantity="0.0123456789")
        # Who asks, and when
        other = self.client()
        other.options["timeDifference"] = 60_000
        refused(other, ccxt.InvalidNonce, -1021, "recvWindow", other.private_get_account)
        for code, words, wrong in (
            (-1022, "Signature", {"secret": "wrong"}),
            (-2015, "Invalid API-key", {"apiKey": "unknown"}),
            (-2014, "format", {"apiKey": "no key!"}),
        ):
            other = self.client(**wrong)
            refused(other, ccxt.AuthenticationError, code, words, other.private_get_account)
        said("met every refusal")

    def suffer(self, client: Any) -> None:
        """The exchange has trouble of its own."""
        ask, place = client.fetch_time, "POST /api/v3/order"
        for code, status, kind in (
            (-1001, 500, ccxt.OperationFailed),
            (-1006, 500, ccxt.OperationFailed),
            (-1008, 503, ccxt.ExchangeError),
        ):
            self.once("GET /api/v3/time", "answer", status=status, body={"code": code, "msg": "Trouble."})
            refused(client, kind, code, "Trouble", ask)
        self.once("GET /api/v3/time", "html", status=502)
        refused(client, ccxt.ExchangeNotAvailable, None, "502", ask)
        self.once("GET /api/v3/time", "reset")
        refused(client, ccxt.NetworkError, None, "", ask)
        # Nobody knows: it was placed, and nobody said so.
        said_nothing = {"code": -1007, "msg": "Timeout waiting for response from backend server."}
        self.once(place, "answer", when="after", status=504, body=said_nothing)
        unknown = {"clientOrderId": "plain-unknown"}
        price = client.fetch_ticker(SYMBOL)["last"] * 0.8
        refused(
            client,
            ccxt.RequestTimeout,
            -1007,
            "Timeout",
            client.create_order,
            SYMBOL,
            "limit",
            "buy",
            0.01,
            price,
            unknown,
        )
        assert client.fetch_order(None, SYMBOL, unknown)["status"] == "open"
        client.cancel_order(None, SYMBOL, unknown)
        said("suffered lost answers, a page of HTML and a reset")

    def hammer(self, client: Any) -> None:
        """First too many orders, then too many requests."""
        price = client.price_to_precision(SYMBOL, client.fetch_ticker(SYMBOL)["last"] * 0.5)
        low = {"symbol": ID, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.001", "price": price}
        no = until_refused(client.private_post_order, low, most=200)  # 100 in ten seconds, and a new ten may begin
        assert isinstance(no, ccxt.DDoSProtection) and "-1015" in str(no), no
        assert "Retry-After" in client.last_response_headers, client.last_response_headers
        client.cancel_all_orders(SYMBOL)
        no = until_refused(client.private_get_openorders, {}, most=150)  # 75 in a minute
        assert isinstance(no, ccxt.DDoSProtection) and "429" in str(no), no
        used = int(client.last_response_headers["x-mbx-used-weight-1m"])
        assert used > 5900, used
        while "418" not in str(no):  # and on, though told to stop
            no = until_refused(client.private_get_openorders, {}, most=150)
        assert isinstance(no, ccxt.DDoSProtection) and "banned" in str(no), no
        assert int(client.last_response_headers["Retry-After"]) > 60
        refused(client, ccxt.DDoSProtection, -1003, "banned", client.fetch_time)
        said("was banned for hammering")


def said(what: str) -> None:
    print(f"{time.perf_counter() - STARTED:5.1f} s  {what}", flush=True)


def refused(
    client: Any, kind: type[Exception], code: int | None, words: str, ask: Any, *args: Any, **kwargs: Any
) -> None:
    """What is asked raises ``kind``, with the exchange's own words and code (None: it has sent no code)."""
    try:
        answer = ask(*args, **kwargs)
    except ccxt.BaseError as no:
        assert isinstance(no, kind), f"{kind.__name__} was expected: {no!r}"
        assert words in str(no), no
        assert code is None or json.loads(client.last_http_response)["code"] == code, client.last_http_response
    else:
        raise AssertionError(f"{words} was expected: {answer}")


def until_refused(ask: Any, content: dict[str, Any], *, most: int) -> Exception:
    for _ in range(most):
        try:
            ask(dict(content))
        except ccxt.BaseError as no:
            return no
    raise AssertionError(f"{most} times, and nobody minded")


async def within(answer: Any, seconds: float = 20) -> Any:
    return await asyncio.wait_for(answer, seconds)


def totals(client: Any) -> dict[str, Decimal]:
    shown = client.fetch_balance()["info"]["balances"]
    return {each["asset"]: Decimal(each["free"]) + Decimal(each["locked"]) for each in shown}


def after(before: dict[str, Decimal], fills: list[Any]) -> dict[str, Decimal]:
    """Balances after these trades, to the last digit."""
    found = dict(before)
    for fill in (fill["info"] for fill in fills):
        sign = 1 if fill["isBuyer"] else -1
        found["BTC"] += sign * Decimal(fill["qty"])
        found["USDT"] -= sign * Decimal(fill["quoteQty"])
        found[fill["commissionAsset"]] -= Decimal(fill["commission"])
    return found


async def watch(script: Script) -> None:
    client = script.client(ccxt.pro.binance, enableRateLimit=False)
    quiet(client)
    try:
        await script.watch(client)
    finally:
        await client.close()


def quiet(client: Any) -> None:
    """Only what spot needs at the start."""
    client.options["fetchMarkets"]["types"] = ["spot"]
    client.options["fetchMargins"] = False
    client.has["fetchCurrencies"] = False


def main() -> None:
    script = Script(*sys.argv[1:])
    client = script.client(options={"fetchOpenOrders.warnWithoutSymbol": False}, enableRateLimit=False)
    quiet(client)
    script.look(client)
    script.trade(client)
    asyncio.run(watch(script))
    script.fail(client)
    script.suffer(client)
    script.hammer(client)
    said("done")


STARTED = time.perf_counter()
if __name__ == "__main__":
    main()
