"""Kraken: spot REST 0, as published: signed forms with a nonce that rises, answers at HTTP 200 with an ``error`` list.

As documented: placing an order answers its txid alone; a client id (UUID, 32 hex digits, or up to 18 characters) is
unique among open orders only, and restricts lists of orders; trades and ended orders come 50 at a time, newest first,
with ``ofs`` and ``count``; open orders all at once; fees are told in the quote currency; a key has a nonce window; an
order has a deadline; calls are counted by the key (trades 2, placing and cancelling 0, the rest 1); only the newest
720 candles are given; currencies and pairs have names of their own (XXBT, XBTUSDT, altnames in orders' descriptions).

Assumed, because nothing published says it: open, ended and queried orders all name their ``cl_ord_id``; a stop holds
what it would sell; the words of the refusals of a client id, of a duplicate and of an unknown txid; ``oflags=fciq``
makes every fee a quote fee. The practice exchange takes a purchase's fee from what is bought: balances here move it.
"""

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from exchanges.translator import Account, Answer, Asked, Json, Refused, Translator
from practice.running import Running

type Row = dict[str, Any]

CANDLES = 720
CLIENT_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[ -~]{1,18}")
ASSETS = {"BTC": "XXBT", "ETH": "XETH", "USD": "ZUSD"}  # others are called as they are
PARTS = {"BTC": "XBT"}  # in the names of pairs
INTERVALS = {"1": "1m", "5": "5m", "15": "15m", "30": "30m", "60": "1h", "240": "4h", "1440": "1d"}
TYPES = {
    "market": "MARKET",
    "limit": "LIMIT",
    "stop-loss": "STOP_LOSS",
    "stop-loss-limit": "STOP_LOSS_LIMIT",
    "take-profit": "TAKE_PROFIT",
    "take-profit-limit": "TAKE_PROFIT_LIMIT",
}
STATUSES = {"NEW": "open", "PARTIALLY_FILLED": "open", "FILLED": "closed", "EXPIRED": "canceled"}
REFUSALS = (  # a word of what the practice exchange says -> what Kraken says
    ("insufficient", "EOrder:Insufficient funds"),
    ("immediately match", "EOrder:Post only order"),
    ("immediately trigger", "EOrder:Invalid price"),
    ("Duplicate", "EOrder:Duplicate order"),
    ("PRICE_FILTER", "EOrder:Tick size check failed"),
    ("LOT_SIZE", "EOrder:Order minimum not met"),
    ("NOTIONAL", "EOrder:Cost minimum not met"),
    ("closed", "EService:Market in cancel_only mode"),
    ("Unknown order", "EOrder:Unknown order"),
    ("does not exist", "EOrder:Unknown order"),
    ("permissions", "EGeneral:Permission denied"),
)
COSTS = {"AddOrder": 0, "CancelOrder": 0, "TradesHistory": 2, "Ledgers": 2}  # of the rest: 1


class Kraken(Translator):
    exchange = "kraken"

    def __init__(self, practice: Running):
        super().__init__(practice)
        self.permissions = ["query-funds", "query-open-trades", "query-closed-trades", "modify-trades"]
        self.nonce_window = 0
        self.decimals = 8  # of balances
        self.page = 50  # trades or ended orders in one answer
        self.calls = 0  # what a key's counter would say if it were never reduced
        self.most = float("inf")  # which it may reach; 15 for the lowest tier
        self._counters: dict[str, tuple[float, float]] = {}  # by key: what it was, and when
        self._nonces: dict[str, set[int]] = {}
        self._orders: dict[str, tuple[str, str, int]] = {}  # txid -> account, symbol and number there
        self._oflags: dict[str, str] = {}
        self._timers: dict[str, float] = {}
        self.pairs = {_pair(each): each for each in self.public("exchangeInfo")["symbols"]}
        self.routes = {
            "GET /0/public/Time": self._time,
            "GET /0/public/AssetPairs": self._asset_pairs,
            "GET /0/public/Ticker": self._ticker,
            "GET /0/public/OHLC": self._ohlc,
            "GET /0/public/Depth": self._depth,
        }
        for name, route in {
            "BalanceEx": self._balances,
            "GetApiKeyInfo": self._key,
            "TradeVolume": self._fees,
            "OpenOrders": self._open_orders,
            "ClosedOrders": self._closed_orders,
            "QueryOrders": self._query_orders,
            "TradesHistory": self._trades_history,
            "QueryTrades": self._query_trades,
            "AddOrder": self._place,
            "CancelOrder": self._cancel,
            "CancelAllOrdersAfter": self._cancel_all_after,
            "DepositStatus": self._moved("deposit/hisrec", "insertTime"),
            "WithdrawStatus": self._moved("withdraw/history", "applyTime"),
        }.items():
            self.routes[f"POST /0/private/{name}"] = self._signed(name, route)

    def secret_of(self, key: str) -> tuple[str, str]:
        return base64.b64encode(hashlib.sha512(key.encode()).digest()).decode(), ""

    def refusal(self, no: Refused, asked: Asked) -> Answer:
        return error(next((said for word, said in REFUSALS if word in no.msg), f"EGeneral:Internal error[{no.msg}]"))

    def _signed(self, name: str, route: Callable[[dict[str, str], Account], Json]) -> Callable[[Asked], Json]:
        def checked(asked: Asked) -> Json:
            account = self.accounts.get(asked.headers.get("api-key", ""))
            if account is None:
                return error("EAPI:Invalid key")
            nonce = asked.fields.get("nonce", "")
            hashed = hashlib.sha256((nonce + asked.body).encode()).digest()
            signed = hmac.new(base64.b64decode(account.secret), asked.path.encode() + hashed, hashlib.sha512).digest()
            if not hmac.compare_digest(base64.b64encode(signed).decode(), asked.headers.get("api-sign", "")):
                return error("EAPI:Invalid signature")
            if not self._rises(account, int(nonce)):
                return error("EAPI:Invalid nonce")
            if name in ("AddOrder", "CancelOrder") and "modify-trades" not in self.permissions:
                return error("EGeneral:Permission denied")
            self.calls += COSTS.get(name, 1)
            if not self._allows(account, COSTS.get(name, 1)):
                return error("EAPI:Rate limit exceeded")
            self._run_timer(account)
            said = route(asked.fields, account)
            return said if isinstance(said, Answer) else {"error": [], "result": said}

        return checked

    def _rises(self, account: Account, nonce: int) -> bool:
        """Above all before it; within the window, above or below, but new."""
        used = self._nonces.setdefault(account.key, set())
        if nonce in used or nonce <= max(used, default=0) - self.nonce_window:
            return False
        used.add(nonce)
        return True

    def _allows(self, account: Account, cost: int) -> bool:
        """It counts what it refuses, too."""
        was, at = self._counters.get(account.key, (0.0, 0.0))
        level = min(max(0.0, was - (time.monotonic() - at) * 0.33), self.most) + cost
        self._counters[account.key] = level, time.monotonic()
        return not cost or level <= self.most

    # What anybody may ask

    def _time(self, asked: Asked) -> Json:
        now = self.public("time")["serverTime"] // 1000
        return _result({"unixtime": now, "rfc1123": time.strftime("%a, %d %b %y %H:%M:%S +0000", time.gmtime(now))})

    def _asset_pairs(self, asked: Asked) -> Json:
        """With one more, which nobody trades here: of old pairs the name and the altname differ."""
        listed = self.public("exchangeInfo")["symbols"]
        listed.append({**next(each for each in listed if each["baseAsset"] == "BTC"), "quoteAsset": "USD"})
        return _result({_pair(each): _asset_pair(each) for each in listed})

    def _ticker(self, asked: Asked) -> Json:
        return _result({name: self._one_ticker(name) for name in asked.fields["pair"].split(",")})

    def _one_ticker(self, name: str) -> Json:
        symbol = self._symbol(name)
        best, day = self.public("ticker/bookTicker", symbol=symbol), self.public("ticker/24hr", symbol=symbol)
        return {
            "a": [best["askPrice"], "1", best["askQty"]],
            "b": [best["bidPrice"], "1", best["bidQty"]],
            "c": [day["lastPrice"], day["lastQty"]],
            "v": [day["volume"]] * 2,
            "p": [day["weightedAvgPrice"]] * 2,
            "t": [day["count"]] * 2,
            "l": [day["lowPrice"]] * 2,
            "h": [day["highPrice"]] * 2,
            "o": day["openPrice"],
        }

    def _ohlc(self, asked: Asked) -> Json:
        """The newest candles after ``since``, the forming one always among them."""
        name, since = asked.fields["pair"], int(asked.fields.get("since") or 0)
        rows = self.public(
            "klines", symbol=self._symbol(name), interval=INTERVALS[asked.fields["interval"]], limit=CANDLES
        )
        shown = [[row[0] // 1000, *row[1:5], row[4], row[5], row[8]] for row in rows]
        found = [row for row in shown[:-1] if row[0] > since] + shown[-1:]
        return _result({name: found, "last": shown[-2][0] if len(shown) > 1 else 0})

    def _depth(self, asked: Asked) -> Json:
        name, now = asked.fields["pair"], int(time.time())
        said = self.public("depth", symbol=self._symbol(name), limit=int(asked.fields.get("count", 100)))
        return _result({name: {side: [[*level, now] for level in said[side]] for side in ("asks", "bids")}})

    def _symbol(self, pair: str) -> str:
        if pair not in self.pairs:
            raise Refused(-1121, "EQuery:Unknown asset pair")
        return str(self.pairs[pair]["symbol"])

    # The account

    def _balances(self, fields: dict[str, str], account: Account) -> Json:
        moved = self._fees_moved(account)
        return {
            ASSETS.get(each["asset"], each["asset"]): {
                "balance": self._rounded(Decimal(each["free"]) + Decimal(each["locked"]), moved.get(each["asset"], 0)),
                "hold_trade": each["locked"],
            }
            for each in self.private(account, "GET", "account")["balances"]
        }

    def _rounded(self, amount: Decimal, moved: Decimal | int) -> str:
        return f"{(amount + moved).quantize(Decimal(1).scaleb(-self.decimals)):f}"

    def _fees_moved(self, account: Account) -> dict[str, Decimal]:
        moved: dict[str, Decimal] = {}
        for trade in self._trades(account):
            base, quote = self.pairs[trade["pair"]]["baseAsset"], self.pairs[trade["pair"]]["quoteAsset"]
            if trade["commissionAsset"] == base:
                moved[base] = moved.get(base, Decimal(0)) + Decimal(trade["commission"])
                moved[quote] = moved.get(quote, Decimal(0)) - _fee(trade, base)
        return moved

    def _key(self, fields: dict[str, str], account: Account) -> Json:
        return {
            "apiKeyName": "desk",
            "apiKey": account.key,
            "nonce": str(max(self._nonces[account.key])),
            "nonceWindow": self.nonce_window,
            "permissions": self.permissions,
        }

    def _fees(self, fields: dict[str, str], account: Account) -> Json:
        told = self.private(account, "GET", "account")["commissionRates"]
        shown = {kind: f"{Decimal(told[kind]) * 100:f}" for kind in ("taker", "maker")}
        pair = fields["pair"]
        return {
            "currency": "ZUSD",
            "volume": "0.0000",
            "fees": {pair: {"fee": shown["taker"]}},
            "fees_maker": {pair: {"fee": shown["maker"]}},
        }

    def _moved(self, path: str, at: str) -> Callable[[dict[str, str], Account], Json]:
        """Newest first, the newest 25 of those in time."""

        def told(fields: dict[str, str], account: Account) -> Json:
            found = []
            for each in self.private(account, "GET", f"/sapi/v1/capital/{path}"):
                when = each[at] if isinstance(each[at], int) else _ms(each[at])
                row = {"method": "Bitcoin", "asset": ASSETS.get(each["coin"], each["coin"]), "refid": str(each["id"])}
                row |= {"txid": each["txId"], "info": each["address"], "amount": each["amount"], "fee": "0.0"}
                found.append(row | {"time": when // 1000, "status": "Success"})
            start, end = float(fields.get("start") or 0), float(fields.get("end") or 1e12)
            found = [row for row in found if start <= row["time"] <= end]
            return sorted(found, key=lambda row: row["time"], reverse=True)[:25]

        return told

    # Orders

    def _place(self, fields: dict[str, str], account: Account) -> Json:
        """One that is late is not taken."""
        client_id, oflags = fields.get("cl_ord_id"), fields.get("oflags", "").split(",")
        if client_id is not None and not CLIENT_ID.fullmatch(client_id):
            return error("EGeneral:Invalid arguments:cl_ord_id")
        if "deadline" in fields and time.time() > datetime.fromisoformat(fields["deadline"]).timestamp():
            return error("EService:Deadline elapsed")
        kind = TYPES[fields["ordertype"]]
        given: dict[str, Any] = {"quantity": fields["volume"]}
        if kind in ("LIMIT", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"):
            given |= {"price": fields["price" if kind == "LIMIT" else "price2"]}
            given["timeInForce"] = fields.get("timeinforce", "GTC")
        if kind not in ("LIMIT", "MARKET"):
            given["stopPrice"] = fields["price"]
        if "post" in oflags:
            kind, given = "LIMIT_MAKER", {**given, "timeInForce": None}
        symbol = self._symbol(fields["pair"])
        side = fields["type"].upper()
        row = self.private(
            account, "POST", "order", symbol=symbol, side=side, type=kind, newClientOrderId=client_id, **given
        )
        txid = self._txid(account, row)
        self._oflags[txid] = fields.get("oflags") or "fciq"
        row = self.private(account, "GET", "order", symbol=symbol, orderId=row["orderId"])
        return {"descr": {"order": _sentence(self._told_of(account, row), fields["volume"])}, "txid": [txid]}

    def _cancel(self, fields: dict[str, str], account: Account) -> Json:
        if "cl_ord_id" in fields:
            numbers = [
                (row["symbol"], row["orderId"])
                for row in self._rows(account)
                if row["clientOrderId"] == fields["cl_ord_id"] and row["status"] in ("NEW", "PARTIALLY_FILLED")
            ]
        else:
            key, symbol, number = self._orders.get(fields["txid"], ("", "", 0))
            numbers = [(symbol, number)] if key == account.key else []
        if not numbers:
            return error("EOrder:Unknown order")
        for symbol, number in numbers:
            self.private(account, "DELETE", "order", symbol=symbol, orderId=number)
        return {"count": len(numbers)}

    def _cancel_all_after(self, fields: dict[str, str], account: Account) -> Json:
        seconds, now = int(fields["timeout"]), time.time()
        self._timers.pop(account.key, None)
        if seconds:
            self._timers[account.key] = now + seconds
        shown = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now + seconds)) if seconds else "0"
        return {"currentTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)), "triggerTime": shown}

    def _run_timer(self, account: Account) -> None:
        if time.time() >= self._timers.get(account.key, float("inf")):
            del self._timers[account.key]
            for row in self._rows(account):
                if row["status"] in ("NEW", "PARTIALLY_FILLED"):
                    self.private(account, "DELETE", "order", symbol=row["symbol"], orderId=row["orderId"])

    def _open_orders(self, fields: dict[str, str], account: Account) -> Json:
        return {"open": dict(self._named(fields, account, ended=False))}

    def _closed_orders(self, fields: dict[str, str], account: Account) -> Json:
        """Of which at least one of its times is in time."""
        start = float(fields.get("start") or 0)
        found = [each for each in self._named(fields, account, ended=True) if each[1]["closetm"] >= start]
        rows, count = self._paged(found, fields)
        return {"closed": dict(rows), "count": count}

    def _query_orders(self, fields: dict[str, str], account: Account) -> Json:
        found = {}
        for txid in fields["txid"].split(","):
            key, symbol, number = self._orders.get(txid, ("", "", 0))
            if key != account.key:
                return error("EOrder:Unknown order")
            row = self._told_of(account, self.private(account, "GET", "order", symbol=symbol, orderId=number))
            if fields.get("trades", "").lower() == "true":
                row["trades"] = [each["txid"] for each in self._trades(account) if each["ordertxid"] == txid]
            found[txid] = row
        return found

    def _trades_history(self, fields: dict[str, str], account: Account) -> Json:
        start = float(fields.get("start") or 0)
        found = [(row["txid"], self._trade(row)) for row in self._trades(account) if row["time"] / 1000 > start]
        rows, count = self._paged(found[::-1], fields)
        return {"trades": dict(rows), "count": count}

    def _query_trades(self, fields: dict[str, str], account: Account) -> Json:
        asked = fields["txid"].split(",")
        if not all(asked) or len(asked) > 20:
            return error("EGeneral:Invalid arguments:txid")
        return {row["txid"]: self._trade(row) for row in self._trades(account) if row["txid"] in asked}

    def _paged(self, rows: list[Any], fields: dict[str, str]) -> tuple[list[Any], int]:
        begin = int(fields.get("ofs") or 0)
        return rows[begin : begin + self.page], len(rows)

    # Its words

    def _rows(self, account: Account) -> list[Row]:
        return [
            row
            for entry in self.pairs.values()
            for row in self.private(account, "GET", "allOrders", symbol=entry["symbol"], limit=1000)
        ]

    def _named(self, fields: dict[str, str], account: Account, *, ended: bool) -> list[tuple[str, Row]]:
        """Orders by txid, newest first."""
        rows = sorted(self._rows(account), key=lambda row: (row["time"], row["orderId"]), reverse=True)
        found = [
            (self._txid(account, row), self._told_of(account, row))
            for row in rows
            if fields.get("cl_ord_id") in (None, row["clientOrderId"])
        ]
        return [each for each in found if (each[1]["status"] != "open") is ended]

    def _trades(self, account: Account) -> list[Row]:
        """Oldest first."""
        found: list[Row] = []
        for name, entry in self.pairs.items():
            first = 0
            while page := self.private(account, "GET", "myTrades", symbol=entry["symbol"], fromId=first, limit=1000):
                first = page[-1]["id"] + 1
                for row in page:
                    txid = _id("T", account.key, row["symbol"], row["id"])
                    order = self._txid(account, {"symbol": row["symbol"], "orderId": row["orderId"]})
                    found.append(row | {"pair": name, "txid": txid, "ordertxid": order})
        return sorted(found, key=lambda row: (row["time"], row["id"]))

    def _txid(self, account: Account, row: Row) -> str:
        txid = _id("O", account.key, row["symbol"], row["orderId"])
        self._orders[txid] = account.key, row["symbol"], row["orderId"]
        return txid

    def _told_of(self, account: Account, row: Row) -> Row:
        pair = next(each for each in self.pairs.values() if each["symbol"] == row["symbol"])
        kind = next((name for name, there in TYPES.items() if there == row["type"]), "limit")
        limit, trigger = row["price"], row["stopPrice"] if Decimal(row.get("stopPrice", 0)) else None
        filled, value = Decimal(row.get("executedQty", 0)), Decimal(row.get("cummulativeQuoteQty", 0))
        status = STATUSES.get(row["status"], "canceled")
        told: Row = {
            "refid": None,
            "userref": None,
            "cl_ord_id": row["clientOrderId"],
            "status": status,
            "opentm": row.get("time", 0) / 1000,
            "starttm": 0,
            "expiretm": 0,
            "descr": {
                "pair": _altname(pair),
                "type": row["side"].lower(),
                "ordertype": kind,
                "price": trigger or limit,
                "price2": limit if trigger else "0",
                "leverage": "none",
                "close": "",
            },
            "vol": row["origQty"],
            "vol_exec": f"{filled:f}",
            "cost": f"{value:f}",
            "fee": "0.00000",
            "price": f"{value / filled:f}" if filled else "0.00000",
            "stopprice": "0.00000",
            "limitprice": "0.00000",
            "misc": "",
            "oflags": self._oflags.get(_id("O", account.key, row["symbol"], row["orderId"]), "fciq"),
        }
        if status != "open":
            told |= {"closetm": row.get("updateTime", 0) / 1000, "reason": "User requested"}
        told["descr"]["order"] = _sentence(told, row["origQty"])
        return told

    def _trade(self, row: Row) -> Row:
        return {
            "ordertxid": row["ordertxid"],
            "postxid": _id("P", row["txid"]),
            "pair": row["pair"],
            "time": row["time"] / 1000,
            "type": "buy" if row["isBuyer"] else "sell",
            "ordertype": "limit",
            "price": row["price"],
            "cost": row["quoteQty"],
            "fee": f"{_fee(row, self.pairs[row['pair']]['baseAsset']):f}",
            "vol": row["qty"],
            "margin": "0.00000",
            "misc": "",
            "trade_id": row["id"],
            "maker": row["isMaker"],
        }


def error(what: str) -> Answer:
    return Answer({"error": [what]})


def _result(said: Json) -> Json:
    return {"error": [], "result": said}


def _altname(entry: Row) -> str:
    return "".join(PARTS.get(entry[each], entry[each]) for each in ("baseAsset", "quoteAsset"))


def _pair(entry: Row) -> str:
    """Old pairs of two of the oldest currencies have all letters of both, the others their altname."""
    names = [ASSETS.get(entry[each], "") for each in ("baseAsset", "quoteAsset")]
    return "".join(names) if all(names) else _altname(entry)


def _asset_pair(entry: Row) -> Json:
    filters = {each["filterType"]: each for each in entry["filters"]}
    base, quote = (entry[each] for each in ("baseAsset", "quoteAsset"))
    tick, lot = filters["PRICE_FILTER"]["tickSize"], filters["LOT_SIZE"]["stepSize"]
    return {
        "altname": _altname(entry),
        "wsname": f"{PARTS.get(base, base)}/{PARTS.get(quote, quote)}",
        "aclass_base": "currency",
        "base": ASSETS.get(base, base),
        "aclass_quote": "currency",
        "quote": ASSETS.get(quote, quote),
        "lot": "unit",
        "cost_decimals": 8,
        "pair_decimals": _decimals(tick),
        "lot_decimals": _decimals(lot),
        "lot_multiplier": 1,
        "leverage_buy": [],
        "leverage_sell": [],
        "fees": [[0, 0.4]],
        "fees_maker": [[0, 0.25]],
        "fee_volume_currency": "ZUSD",
        "ordermin": filters["LOT_SIZE"]["minQty"],
        "costmin": filters["NOTIONAL"]["minNotional"],
        "tick_size": tick,
        "status": "online" if entry["status"] == "TRADING" else "cancel_only",
    }


def _decimals(step: str) -> int:
    return max(0, -int(Decimal(step).normalize().as_tuple().exponent))


def _sentence(told: Row, volume: str) -> str:
    descr = told["descr"]
    kind, price, price2 = descr["ordertype"], descr["price"], descr["price2"]
    words = kind.replace("-limit", "").replace("-", " ")
    how = words if kind == "market" else f"{words} {price}"
    if kind.endswith("-limit"):
        how += f" -> limit {price2}"
    return f"{descr['type']} {volume} {descr['pair']} @ {how}"


def _fee(trade: Row, base: str) -> Decimal:
    """In the quote currency."""
    fee = Decimal(trade["commission"])
    return fee * Decimal(trade["price"]) if trade["commissionAsset"] == base else fee


def _id(kind: str, *parts: Any) -> str:
    name = hashlib.sha256(" ".join(map(str, parts)).encode()).hexdigest()[:16].upper()
    return f"{kind}{name[:5]}-{name[5:10]}-{name[10:]}"


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(f"{text}+00:00").timestamp() * 1000)
