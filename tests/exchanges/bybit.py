"""Bybit, API v5, unified account, spot: a local server that speaks it.

As published (its pages on orders, executions, wallet, transaction log, rate limits, errors and authentication): answers
are HTTP 200 with a `retCode`; a request is taken while ``now - recv_window <= timestamp < now + 1000``; placing and
cancelling are acknowledged with ids alone and done afterwards: an order that was taken may still end as Rejected, and
a cancel may lose; a client id is refused as long as the exchange remembers it; `order/realtime` has what is open and,
asked by an id, the newest that ended until the exchange restarts; `order/history` has what ended, without a fill for a
day; pages are 20 orders (50 at most) or 50 executions (100 at most), with a cursor even on the last one.

Assumed: a key without the right to trade is told 10005, before anything of the order is looked at; a post-only order
that would match is taken and then cancelled; candles from a `start` are the first ones from there; the history and the
executions without times are those of the last week, asked by an id, too (of executions its newest page says that an id
makes the times count for nothing); what moves between an account's wallets is in the transaction log as TRANSFER_IN and
TRANSFER_OUT. Money is moved here by the practice exchange's control port.
"""

import hashlib
import hmac
import itertools
import re
import time
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from exchanges.translator import Account, Answer, Asked, Json, Refused, Translator
from practice.running import Running
from trade_mcp.quant.candles import ms_of

type Row = dict[str, Any]

DAY_MS, WEEK_MS = 86_400_000, 7 * 86_400_000
FIRST = "1800000000000000001"  # the first order id
LINK = re.compile(r"[A-Za-z0-9_-]{1,36}")
INTERVALS = {
    "1": "1m", "3": "3m", "5": "5m", "15": "15m", "30": "30m", "60": "1h", "120": "2h",
    "240": "4h", "360": "6h", "720": "12h", "D": "1d", "W": "1w", "M": "1M",
}  # fmt: skip
STATES = {"NEW": "New", "PARTIALLY_FILLED": "PartiallyFilled", "FILLED": "Filled", "REJECTED": "Rejected"}
OPEN = ("New", "PartiallyFilled")
REFUSALS = (  # the practice exchange's code and a word of it -> retCode, retMsg
    (-2010, "insufficient", 170131, "Insufficient balance."),
    (-2010, "closed", 170157, "The trading pair is not available for api trading."),
    (-1013, "closed", 170157, "The trading pair is not available for api trading."),
    (-1013, "NOTIONAL", 170140, "Order value exceeded lower limit."),
    (-1013, "LOT_SIZE", 170137, "Order volume decimal too long."),
    (-1013, "PERCENT", 170193, "Buy order price cannot be higher than the limit."),
    (-1013, "PRICE", 170134, "Order price decimal too long."),
    (-1111, "", 170137, "Order volume decimal too long."),
    (-2011, "", 170213, "Order does not exist."),
    (-2013, "", 170213, "Order does not exist."),
    (-1121, "", 10001, "Not supported symbols"),
    (-1003, "", 10006, "Too many visits. Exceeded the API Rate Limit."),
)
WOULD_TAKE = "immediately match"


class No(Exception):
    """What the exchange says instead of doing it."""

    def __init__(self, code: int, message: str):
        super().__init__(code, message)
        self.code, self.message = code, message


class Bybit(Translator):
    exchange = "bybit"

    def __init__(self, practice: Running):
        super().__init__(practice)
        self.ahead_ms = 0  # of our clock
        self.slow = False  # what was acknowledged waits for `catch_up`
        self.restarted = False  # it has lost the newest orders that ended: they are in the history alone
        self.unified, self.may_trade, self.may_withdraw = True, True, False
        self.kept_ms = DAY_MS  # so long the history knows an order that ended without a fill
        self.page = 100  # the most rows of one page
        self._waiting: list[Callable[[], None]] = []
        self._numbers = itertools.count(int(FIRST))
        self._links: dict[tuple[str, str], str] = {}  # account and client id -> order id
        self._link_of: dict[str, str] = {}
        self._number_of: dict[str, str] = {}  # the practice exchange's number of an order -> its id here
        self._dead: dict[str, list[Row]] = {}  # of an account: orders that were taken, and came to nothing
        self.routes = {
            "GET /v5/market/time": lambda _: told({"timeSecond": str(int(time.time()))}, self.now),
            "GET /v5/market/instruments-info": self._spot(self.instruments),
            "GET /v5/market/tickers": self._spot(self.tickers),
            "GET /v5/market/orderbook": self._spot(self.order_book),
            "GET /v5/market/kline": self._spot(self.kline),
            "GET /v5/user/query-api": self._signed(self.key),
            "GET /v5/account/wallet-balance": self._signed(self.wallet),
            "GET /v5/account/fee-rate": self._signed(self.fee_rate),
            "GET /v5/account/transaction-log": self._signed(self.log),
            "POST /v5/order/create": self._signed(self.create),
            "POST /v5/order/cancel": self._signed(self.cancel),
            "GET /v5/order/realtime": self._signed(self.realtime),
            "GET /v5/order/history": self._signed(self.history),
            "GET /v5/execution/list": self._signed(self.executions),
        }

    @property
    def now(self) -> int:
        return int(time.time() * 1000) + self.ahead_ms

    def catch_up(self) -> None:
        """Do what was acknowledged."""
        waiting, self._waiting = self._waiting, []
        for do in waiting:
            do()

    def answer(self, asked: Asked) -> Answer:
        try:
            return super().answer(asked)
        except No as no:
            return Answer(told({}, self.now, no.code, no.message))

    def refusal(self, no: Refused, asked: Asked) -> Answer:
        code, message = refused_as(no)
        return Answer(told({}, self.now, code, message))

    # The market

    def instruments(self, asked: Asked) -> Json:
        rows = []
        for symbol in self.public("exchangeInfo")["symbols"]:
            if symbol["status"] != "TRADING":
                continue  # it lists what trades
            filters = {each["filterType"]: each for each in symbol["filters"]}
            size, notional = filters["LOT_SIZE"], filters["NOTIONAL"]
            rows.append(
                {
                    "symbol": symbol["symbol"],
                    "baseCoin": symbol["baseAsset"],
                    "quoteCoin": symbol["quoteAsset"],
                    "innovation": "0",
                    "status": "Trading",
                    "marginTrading": "none",
                    "lotSizeFilter": {
                        "basePrecision": size["stepSize"],
                        "quotePrecision": "0.00000001",
                        "minOrderQty": size["minQty"],
                        "maxOrderQty": size["maxQty"],
                        "maxMarketOrderQty": text(Decimal(size["maxQty"]) / 3),  # on no page, and in every answer
                        "minOrderAmt": notional["minNotional"],
                        "maxOrderAmt": notional["maxNotional"],
                    },
                    "priceFilter": {"tickSize": filters["PRICE_FILTER"]["tickSize"]},
                }
            )
        return {"category": "spot", "list": rows}

    def tickers(self, asked: Asked) -> Json:
        symbol = asked.fields.get("symbol")
        books = self.public("ticker/bookTicker", **({"symbol": symbol} if symbol else {}))
        return {
            "category": "spot",
            "list": [
                {
                    "symbol": book["symbol"],
                    "bid1Price": book["bidPrice"],
                    "bid1Size": book["bidQty"],
                    "ask1Price": book["askPrice"],
                    "ask1Size": book["askQty"],
                    "lastPrice": book["bidPrice"],
                }
                for book in (books if isinstance(books, list) else [books])
            ],
        }

    def order_book(self, asked: Asked) -> Json:
        symbol, depth = asked.fields["symbol"], int(asked.fields.get("limit", "1"))
        book = self.public("depth", symbol=symbol, limit=depth)
        bids, asks = book["bids"][:depth], book["asks"][:depth]
        return {"s": symbol, "b": bids, "a": asks, "ts": self.now, "u": book["lastUpdateId"]}

    def kline(self, asked: Asked) -> Json:
        """Newest first, the forming one with them. `limit` of them from `start` on, or the newest ones."""
        fields = asked.fields
        limit = min(int(fields.get("limit", "200")), 1000)
        span = {"startTime": fields["start"]} if "start" in fields else {}
        rows = self.public(
            "klines", symbol=fields["symbol"], interval=INTERVALS[fields["interval"]], limit=limit, **span
        )
        return {
            "category": "spot",
            "symbol": fields["symbol"],
            "list": [[str(row[0]), *row[1:6], row[7]] for row in reversed(rows)],
        }

    # The account

    def key(self, account: Account, asked: Asked) -> Json:
        return {
            "apiKey": account.key,
            "readOnly": 0 if self.may_trade else 1,
            "permissions": {
                "Spot": ["SpotTrade"] if self.may_trade else [],
                "Wallet": ["AccountTransfer", "Withdraw"] if self.may_withdraw else [],
            },
            "uta": int(self.unified),
            "unified": 0,
            "type": 1,
        }

    def wallet(self, account: Account, asked: Asked) -> Json:
        if asked.fields.get("accountType") != "UNIFIED" or not self.unified:
            raise No(10001, "accountType only support UNIFIED." if self.unified else "accountType only support SPOT.")
        rows = self.private(account, "GET", "account")["balances"]
        coins = [
            {
                "coin": row["asset"],
                "walletBalance": text(total),
                "locked": text(Decimal(row["locked"])),
                "equity": text(total),
                "availableToWithdraw": "",  # not told any more
                "borrowAmount": "0",
                "accruedInterest": "0",
                "totalOrderIM": "0",
                "totalPositionIM": "0",
            }
            for row in rows
            if (total := Decimal(row["free"]) + Decimal(row["locked"]))
        ]
        return {"list": [{"accountType": "UNIFIED", "coin": coins}]}

    def fee_rate(self, account: Account, asked: Asked) -> Json:
        if asked.fields.get("category") != "spot":
            raise No(10001, "category is not spot")
        symbol = asked.fields["symbol"]
        (fee,) = self.private(account, "GET", "/sapi/v1/asset/tradeFee", symbol=symbol)
        rates = {"takerFeeRate": fee["takerCommission"], "makerFeeRate": fee["makerCommission"]}
        return {"category": "", "list": [{"symbol": symbol, **rates}]}

    def log(self, account: Account, asked: Asked) -> Json:
        """Transfers; trades are in the real one, too."""
        fields = asked.fields
        start, end = span_of(fields, self.now)
        rows = []
        for path, kind, sign in (("deposit/hisrec", "TRANSFER_IN", 1), ("withdraw/history", "TRANSFER_OUT", -1)):
            if fields.get("type", kind) != kind:
                continue
            for row in self.private(account, "GET", f"/sapi/v1/capital/{path}"):
                at = row.get("insertTime") or ms_of(datetime.fromisoformat(row["applyTime"] + "Z"))
                rows.append(
                    {
                        "id": f"{row['id']}_{row['coin']}_{at}",
                        "type": kind,
                        "currency": row["coin"],
                        "category": "",
                        "change": text(sign * Decimal(row["amount"])),
                        "cashFlow": text(sign * Decimal(row["amount"])),
                        "transactionTime": str(at),
                    }
                )
        found = [row for row in rows if start <= int(row["transactionTime"]) <= end]
        return self._paged(found, fields)

    # Orders

    def create(self, account: Account, asked: Asked) -> Json:
        order = asked.content
        link = order.get("orderLinkId", "")
        if not self.may_trade:
            raise No(10005, "Permission denied, please check your API key permissions.")
        if order.get("category") != "spot" or order["side"] not in ("Buy", "Sell"):
            raise No(10001, "params error")
        if link and not LINK.fullmatch(link):
            raise No(10001, "order link id is longer than 36" if len(link) > 36 else "orderLinkId is invalid")
        if (account.key, link) in self._links:
            raise No(170141, "Duplicate clientOrderId.")
        made = str(next(self._numbers))

        def place() -> None:
            try:
                placed = self.private(account, "POST", "order", **asked_for(order, made))
                self._number_of[str(placed["orderId"])] = made
            except Refused as no:
                if not (self.slow or WOULD_TAKE in no.msg):
                    raise
                self._dead.setdefault(account.key, []).append(dead(order, made, no, self.now))

        self._do(place)
        if link:
            self._links[account.key, link] = made
            self._link_of[made] = link
        return {"orderId": made, "orderLinkId": link}

    def cancel(self, account: Account, asked: Asked) -> Json:
        order = asked.content
        found = self._one(account, order)
        if found is None or found["orderStatus"] not in OPEN:
            raise No(170213, "Order does not exist.")

        def cancel() -> None:
            try:
                self.private(account, "DELETE", "order", symbol=order["symbol"], origClientOrderId=found["orderId"])
            except Refused:
                if not self.slow:
                    raise  # else it lost: the order ended meanwhile

        self._do(cancel)
        return {"orderId": found["orderId"], "orderLinkId": found["orderLinkId"]}

    def realtime(self, account: Account, asked: Asked) -> Json:
        fields = asked.fields
        if "orderId" in fields or "orderLinkId" in fields:
            found = self._one(account, fields)
            lost = found is None or (self.restarted and found["orderStatus"] not in OPEN)
            return self._paged([] if lost else [found], fields)
        rows = self.private(account, "GET", "openOrders", symbol=fields.get("symbol"))
        return self._paged([self._row(row) for row in rows], fields)

    def history(self, account: Account, asked: Asked) -> Json:
        """Of one order: nobody asks it for more."""
        fields, found = asked.fields, self._one(account, asked.fields)
        start, end = span_of(fields, self.now)
        ended = found is not None and found["orderStatus"] not in OPEN
        if not ended or not start <= int(found["createdTime"]) <= end:
            return self._paged([], fields)
        kept = found["cumExecQty"] != "0" or int(found["createdTime"]) > self.now - self.kept_ms
        return self._paged([found] if kept else [], fields)

    def executions(self, account: Account, asked: Asked) -> Json:
        fields = asked.fields
        start, end = span_of(fields, self.now)
        rows = self.private(account, "GET", "myTrades", symbol=fields["symbol"], limit=1000)
        found = [self._execution(row) for row in rows]
        found = [row for row in found if fields.get("orderId") in (None, row["orderId"])]
        found = [row for row in found if start <= int(row["execTime"]) <= end]
        return self._paged(found, fields, usual=50, most=100)

    def _paged(self, rows: list[Row], fields: Row, *, usual: int = 20, most: int = 50) -> Json:
        """One page, newest first. Its cursor is percent-encoded, as theirs are."""
        at, size = int(fields.get("cursor", "0:").partition(":")[0]), int(fields.get("limit", usual))
        if not 1 <= size <= most:
            raise No(10001, f"limit must be between 1 and {most}")
        times = ("createdTime", "execTime", "transactionTime")
        newest = sorted(rows, key=lambda row: next(int(row[name]) for name in times if name in row), reverse=True)
        page = newest[at : at + min(size, self.page)]
        cursor = quote(f"{at + len(page)}:{len(rows)},0", safe="") if page else ""
        return {"category": "spot", "list": page, "nextPageCursor": cursor}

    def _do(self, act: Callable[[], None]) -> None:
        if self.slow:
            self._waiting.append(act)
        else:
            act()

    def _one(self, account: Account, fields: Row) -> Row | None:
        """By its id; by the client id if there is none."""
        made = fields.get("orderId") or self._links.get((account.key, fields.get("orderLinkId", "")), "")
        for row in self._dead.get(account.key, ()):
            if row["orderId"] == made:
                return row
        try:
            by = (
                "origClientOrderId" if len(made) == len(FIRST) else "orderId"
            )  # the latter of what was placed elsewhere
            return self._row(self.private(account, "GET", "order", symbol=fields["symbol"], **{by: made or 0}))
        except Refused as no:
            if no.code == -2013:
                return None
            raise

    def _row(self, order: Row) -> Row:
        filled = Decimal(order["executedQty"])
        ended = "PartiallyFilledCanceled" if filled else "Cancelled"
        status = STATES.get(order["status"], ended)
        made = self._number_of.get(str(order["orderId"]), str(order["orderId"]))
        market = order["type"] == "MARKET"
        return {
            "symbol": order["symbol"],
            "orderId": made,
            "orderLinkId": self._link_of.get(made, ""),
            "side": order["side"].capitalize(),
            "orderType": "Market" if market else "Limit",
            "marketUnit": "baseCoin" if market else "",
            "timeInForce": "PostOnly" if order["type"] == "LIMIT_MAKER" else order["timeInForce"],
            "price": order["price"],
            "qty": order["origQty"],
            "cumExecQty": text(filled),
            "cumExecValue": order["cummulativeQuoteQty"],
            "leavesQty": text(Decimal(order["origQty"]) - filled) if status in OPEN else "0",
            "avgPrice": "",
            "orderStatus": status,
            "rejectReason": "EC_PerCancelRequest" if order["status"] == "CANCELED" else "EC_NoError",
            "cancelType": "CancelByUser" if order["status"] == "CANCELED" else "UNKNOWN",
            "createdTime": str(order["time"]),
            "updatedTime": str(order["updateTime"]),
            "triggerPrice": "0.00",
            "orderFilter": "Order",
            "createType": "CreateByUser",
            "tpslMode": "",
        }

    def _execution(self, trade: Row) -> Row:
        made = self._number_of.get(str(trade["orderId"]), str(trade["orderId"]))
        return {
            "symbol": trade["symbol"],
            "orderId": made,
            "orderLinkId": self._link_of.get(made, ""),
            "side": "Buy" if trade["isBuyer"] else "Sell",
            "execId": f"22900000{trade['id']:011}",
            "execPrice": trade["price"],
            "execQty": trade["qty"],
            "execValue": trade["quoteQty"],
            "execFee": trade["commission"],
            "feeCurrency": trade["commissionAsset"],
            "execTime": str(trade["time"]),
            "execType": "Trade",
            "createType": "CreateByUser",
            "isMaker": trade["isMaker"],
        }

    # Who asks

    def _signed(self, route: Callable[[Account, Asked], Json]) -> Callable[[Asked], Json]:
        def answer(asked: Asked) -> Json:
            key, stamp = asked.headers.get("x-bapi-api-key", ""), asked.headers.get("x-bapi-timestamp", "0")
            window = asked.headers.get("x-bapi-recv-window", "5000")
            account = self.accounts.get(key)
            if account is None:
                raise No(10003, "API key is invalid.")
            content = asked.body if asked.method == "POST" else asked.query
            origin = f"{stamp}{key}{window}{content}"
            mac = hmac.new(account.secret.encode(), origin.encode(), hashlib.sha256).hexdigest()
            if mac != asked.headers.get("x-bapi-sign"):
                raise No(10004, f"error sign! origin_string[{origin}]")
            if not self.now - int(window) <= int(stamp) < self.now + 1000:
                raise No(
                    10002,
                    "invalid request, please check your server timestamp or recv_window param. "
                    f"req_timestamp[{stamp}],server_timestamp[{self.now}],recv_window[{window}]",
                )
            return told(route(account, asked), self.now)

        return answer

    def _spot(self, route: Callable[[Asked], Json]) -> Callable[[Asked], Json]:
        def answer(asked: Asked) -> Json:
            if asked.fields.get("category") != "spot":
                raise No(10001, "category is not spot")
            return told(route(asked), self.now)

        return answer


def told(result: Json, now: int, code: int = 0, message: str = "OK") -> Json:
    return {"retCode": code, "retMsg": message, "result": result, "retExtInfo": {}, "time": now}


def refused_as(no: Refused) -> tuple[int, str]:
    for code, word, ours, message in REFUSALS:
        if no.code == code and word.lower() in no.msg.lower():
            return ours, message
    raise no


def asked_for(order: Row, made: str) -> Row:
    """The order in the practice exchange's words."""
    kind, force, market = order["orderType"].upper(), order.get("timeInForce", "GTC"), order["orderType"] == "Market"
    if force == "PostOnly":
        kind = "LIMIT_MAKER"
    by_quote = market and order.get("marketUnit", "quoteCoin" if order["side"] == "Buy" else "baseCoin") == "quoteCoin"
    return {
        "symbol": order["symbol"],
        "side": order["side"].upper(),
        "type": kind,
        "timeInForce": force if kind == "LIMIT" else None,
        "quoteOrderQty" if by_quote else "quantity": order["qty"],
        "price": None if market else order["price"],
        "newClientOrderId": made,
    }


def dead(order: Row, made: str, no: Refused, now: int) -> Row:
    """An order that was taken, and refused when its turn came."""
    takes = WOULD_TAKE in no.msg
    return {
        "symbol": order["symbol"],
        "orderId": made,
        "orderLinkId": order.get("orderLinkId", ""),
        "side": order["side"],
        "orderType": order["orderType"],
        "marketUnit": order.get("marketUnit", ""),
        "timeInForce": order.get("timeInForce", "GTC"),
        "price": order.get("price", ""),
        "qty": order["qty"],
        "cumExecQty": "0",
        "cumExecValue": "0",
        "leavesQty": "0",
        "avgPrice": "",
        "orderStatus": "Cancelled" if takes else "Rejected",
        "rejectReason": "EC_PostOnlyWillTakeLiquidity" if takes else "EC_Others",
        "cancelType": "UNKNOWN",
        "createdTime": str(now),
        "updatedTime": str(now),
        "triggerPrice": "0.00",
        "orderFilter": "Order",
        "createType": "CreateByUser",
        "tpslMode": "",
    }


def span_of(fields: Row, now: int) -> tuple[int, int]:
    """At most a week: the last one, or the one after `startTime`."""
    start = int(fields["startTime"]) if "startTime" in fields else int(fields.get("endTime", now)) - WEEK_MS
    end = int(fields["endTime"]) if "endTime" in fields else start + WEEK_MS
    if end - start > WEEK_MS:
        raise No(10001, "Time range exceeds 7 days")
    return start, end


def text(number: Decimal) -> str:
    return f"{number.normalize():f}"
