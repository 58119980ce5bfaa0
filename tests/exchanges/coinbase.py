"""Coinbase: Advanced Trade (brokerage v3), as published: JWT keys, products, orders, fills, accounts, and its refusals.

As documented: placing an order answers an id alone; the same client id again answers with the first order, at HTTP 200;
a refusal is HTTP 200 with ``success`` false; a cancel only begins one (``slow_cancels``); lists are newest first, in
pages with a cursor; fees are paid in the quote currency, on top.

Assumed, because nothing published says it: a list of orders without a status has all of them; the last page has an
empty cursor; what an IOC order cannot fill ends it as CANCELLED; HTTP 404 for an order that is not there; which
failure reason goes with which refusal. The practice exchange takes fees from what is bought: books here move them.
"""

import base64
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from exchanges.coinbase_keys import account_of, new_pem
from exchanges.translator import Account, Answer, Asked, Json, Refused, Translator
from practice.running import Running

MOST_CANDLES = 350
INTERVALS = {"ONE_MINUTE": "1m", "FIVE_MINUTE": "5m", "FIFTEEN_MINUTE": "15m", "THIRTY_MINUTE": "30m", "ONE_HOUR": "1h"}
INTERVALS |= {"TWO_HOUR": "2h", "SIX_HOUR": "6h", "ONE_DAY": "1d"}
STATUSES = {"NEW": "OPEN", "PARTIALLY_FILLED": "OPEN", "FILLED": "FILLED", "REJECTED": "FAILED"}
IN_FORCE = {"GTC": "GOOD_UNTIL_CANCELLED", "IOC": "IMMEDIATE_OR_CANCEL", "FOK": "FILL_OR_KILL"}
CONFIGURATIONS = {"GTC": "limit_limit_gtc", "IOC": "sor_limit_ioc", "FOK": "limit_limit_fok"}
REASONS = {  # part of what the practice exchange says -> error, preview_failure_reason
    "insufficient": ("INSUFFICIENT_FUND", "PREVIEW_INSUFFICIENT_FUND"),
    "immediately match": ("INVALID_LIMIT_PRICE_POST_ONLY", "PREVIEW_INVALID_LIMIT_PRICE_POST_ONLY"),
    "closed": ("ORDER_ENTRY_DISABLED", "UNKNOWN_PREVIEW_FAILURE_REASON"),
    "PRICE_FILTER": ("INVALID_PRICE_PRECISION", "PREVIEW_INVALID_PRICE_PRECISION"),
    "LOT_SIZE": ("INVALID_SIZE_PRECISION", "PREVIEW_INVALID_SIZE_PRECISION"),
    "NOTIONAL": ("UNKNOWN_FAILURE_REASON", "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL"),
}


class Coinbase(Translator):
    exchange = "coinbase"

    def __init__(self, practice: Running):
        super().__init__(practice)
        self.page = 100  # rows in one answer, at most
        self.slow_cancels = False
        self.may_not_trade = self.may_transfer = False
        self._orders: dict[str, tuple[str, str, str]] = {}  # its id -> account, symbol and number there
        self._cancelling: set[str] = set()
        self.products = {
            f"{each['baseAsset']}-{each['quoteAsset']}": each for each in self.public("exchangeInfo")["symbols"]
        }
        public, private = "GET /api/v3/brokerage/market", "/api/v3/brokerage"
        self.routes = {
            "GET /api/v3/brokerage/time": self._time,
            f"{public}/products": self._products,
            f"{public}/products/*/ticker": self._ticker,
            f"{public}/products/*/candles": self._candles,
            f"{public}/product_book": self._book,
            f"GET {private}/accounts": self._signed(self._accounts),
            f"GET {private}/key_permissions": self._signed(self._permissions),
            f"GET {private}/transaction_summary": self._signed(self._fees),
            f"GET {private}/orders/historical/batch": self._signed(self._list_orders),
            f"GET {private}/orders/historical/fills": self._signed(self._list_fills),
            f"GET {private}/orders/historical/*": self._signed(self._order),
            f"POST {private}/orders": self._signed(self._place),
            f"POST {private}/orders/batch_cancel": self._signed(self._cancel),
            "GET /v2/accounts/*/transactions": self._signed(self._transactions),
        }

    def secret_of(self, key: str) -> tuple[str, str]:
        return new_pem(), ""

    def refusal(self, no: Refused, asked: Asked) -> Answer:
        if no.code == -2015:
            return _no("PERMISSION_DENIED", "Missing required scopes", 403)
        if asked.method == "POST":
            return self._failed(no.msg, asked)
        return _no("INVALID_ARGUMENT", no.msg, 400)

    def _signed(self, route: Callable[[Asked, Account], Json]) -> Callable[[Asked], Json]:
        def checked(asked: Asked) -> Json:
            account = account_of(asked, self.accounts)
            return account if isinstance(account, Answer) else route(asked, account)

        return checked

    # What anybody may ask

    def _time(self, asked: Asked) -> Json:
        now = self.public("time")["serverTime"]
        return {"iso": _iso(now), "epochSeconds": str(now // 1000), "epochMillis": str(now)}

    def _products(self, asked: Asked) -> Json:
        if asked.fields.get("product_type") == "FUTURE":
            return {"products": [], "num_products": 0}
        found = [self._product(name, entry) for name, entry in self._entries().items()]
        return {"products": found, "num_products": len(found)}

    def _entries(self) -> dict[str, Any]:
        now = self.public("exchangeInfo")["symbols"]
        return {f"{each['baseAsset']}-{each['quoteAsset']}": each for each in now}

    def _product(self, name: str, entry: dict[str, Any]) -> Json:
        filters = {each["filterType"]: each for each in entry["filters"]}
        halted = entry["status"] != "TRADING"
        off = ("watched", "is_disabled", "new", "cancel_only", "limit_only", "post_only", "auction_mode", "view_only")
        return {
            "product_id": name,
            "price": self.public("ticker/price", symbol=entry["symbol"])["price"],
            "base_increment": filters["LOT_SIZE"]["stepSize"],
            "quote_increment": filters["PRICE_FILTER"]["tickSize"],
            "price_increment": filters["PRICE_FILTER"]["tickSize"],
            "quote_min_size": filters["NOTIONAL"]["minNotional"],
            "quote_max_size": "150000000",
            "base_min_size": filters["LOT_SIZE"]["minQty"],
            "base_max_size": filters["LOT_SIZE"]["maxQty"],
            "status": "offline" if halted else "online",
            "trading_disabled": halted,
            "product_type": "SPOT",
            "quote_currency_id": entry["quoteAsset"],
            "base_currency_id": entry["baseAsset"],
            "alias": "",
            "alias_to": [],
            **dict.fromkeys(off, False),
        }

    def _ticker(self, asked: Asked) -> Json:
        symbol = self._symbol(asked.path.split("/")[-2])
        best = self.public("ticker/bookTicker", symbol=symbol)
        last = self.public("trades", symbol=symbol, limit=1)
        trades = [{"price": each["price"], "size": each["qty"], "time": _iso(each["time"])} for each in last]
        return {"trades": trades, "best_bid": best["bidPrice"], "best_ask": best["askPrice"]}

    def _candles(self, asked: Asked) -> Json:
        fields, symbol = asked.fields, self._symbol(asked.path.split("/")[-2])
        start, end, interval = int(fields["start"]), int(fields["end"]), INTERVALS[fields["granularity"]]
        unit = {"m": 60, "h": 3600, "d": 86400}[interval[-1]] * int(interval[:-1])
        if (end - start) / unit > MOST_CANDLES:
            return _no("INVALID_ARGUMENT", f"number of candles requested should be less than {MOST_CANDLES}", 400)
        rows = self.public(
            "klines", symbol=symbol, interval=interval, startTime=start * 1000, endTime=end * 1000, limit=1000
        )
        named = ("open", "high", "low", "close", "volume")
        found = [{"start": str(row[0] // 1000)} | dict(zip(named, row[1:6], strict=True)) for row in rows]
        return {"candles": found[::-1]}

    def _book(self, asked: Asked) -> Json:
        name = asked.fields["product_id"]
        levels = self.public("depth", symbol=self._symbol(name), limit=int(asked.fields.get("limit", 100)))
        sides = {side: [{"price": price, "size": size} for price, size in levels[side]] for side in ("bids", "asks")}
        return {"pricebook": {"product_id": name, **sides, "time": _iso(self.public("time")["serverTime"])}}

    def _symbol(self, product: str) -> str:
        if product not in self.products:
            raise Refused(-1121, "product not found")
        return str(self.products[product]["symbol"])

    # The account

    def _accounts(self, asked: Asked, account: Account) -> Json:
        told = {each["asset"]: each for each in self.private(account, "GET", "account")["balances"]}
        moved = self._fees_moved(account)
        found = [
            {
                "uuid": _id(account.key, asset),
                "name": f"{asset} Wallet",
                "currency": asset,
                "available_balance": {"value": str(Decimal(each["free"]) + moved.get(asset, 0)), "currency": asset},
                "default": True,
                "active": True,
                "type": "ACCOUNT_TYPE_FIAT" if asset == "USD" else "ACCOUNT_TYPE_CRYPTO",
                "ready": True,
                "hold": {"value": each["locked"], "currency": asset},
            }
            for asset, each in told.items()
        ]
        rows, more = self._paged(found, asked)
        return {"accounts": rows, **more, "size": len(rows)}

    def _fees_moved(self, account: Account) -> dict[str, Decimal]:
        """How balances here differ from the practice exchange's, which takes a purchase's fee in what was bought."""
        moved: dict[str, Decimal] = {}
        for name, entry in self.products.items():
            base, quote = name.split("-")
            for trade in self._trades(account, entry["symbol"]):
                if trade["commissionAsset"] == base:
                    moved[base] = moved.get(base, Decimal(0)) + Decimal(trade["commission"])
                    moved[quote] = moved.get(quote, Decimal(0)) - _fee(trade, base)
        return moved

    def _permissions(self, asked: Asked, account: Account) -> Json:
        rights = {"can_view": True, "can_trade": not self.may_not_trade, "can_transfer": self.may_transfer}
        return {**rights, "portfolio_uuid": _id(account.key, "portfolio"), "portfolio_type": "DEFAULT"}

    def _fees(self, asked: Asked, account: Account) -> Json:
        told = self.private(account, "GET", "account")["commissionRates"]
        tier = {"pricing_tier": "Advanced 1", "taker_fee_rate": told["taker"], "maker_fee_rate": told["maker"]}
        return {"total_volume": 0, "total_fees": 0, "fee_tier": tier}

    def _transactions(self, asked: Asked, account: Account) -> Json:
        coin = next(
            each["asset"]
            for each in self.private(account, "GET", "account")["balances"]
            if _id(account.key, each["asset"]) == asked.path.split("/")[3]
        )
        found = []
        for path, sign in (("deposit/hisrec", ""), ("withdraw/history", "-")):
            for each in self.private(account, "GET", f"/sapi/v1/capital/{path}", coin=coin):
                at = each.get("insertTime") or _ms(each["applyTime"])
                found.append(_transaction(each["id"], "send", sign + each["amount"], coin, at))
        for name, entry in self.products.items():
            for trade in self._trades(account, entry["symbol"]) if coin in name.split("-") else ():
                found.append(_transaction(f"t{trade['id']}", "advanced_trade_fill", trade["qty"], coin, trade["time"]))
        found.sort(key=lambda row: row["created_at"], reverse=True)
        begin = next((n + 1 for n, row in enumerate(found) if row["id"] == asked.fields.get("starting_after")), 0)
        rows = found[begin : begin + self.page]
        after = rows[-1]["id"] if begin + len(rows) < len(found) else None
        return {"pagination": {"next_starting_after": after, "limit": self.page}, "data": rows}

    # Orders

    def _place(self, asked: Asked, account: Account) -> Json:
        if self.may_not_trade:
            return _no("PERMISSION_DENIED", "Missing required scopes", 403)
        said = asked.content
        for known in self._rows(account):
            if known["clientOrderId"] == said["client_order_id"]:
                return self._taken(account, known)
        ((name, how),) = said["order_configuration"].items()
        symbol = self._symbol(said["product_id"])
        given = {"quantity": how.get("base_size"), "quoteOrderQty": how.get("quote_size"), "type": "MARKET"}
        if name != "market_market_ioc":
            force = next(force for force, each in CONFIGURATIONS.items() if each == name)
            given |= {"price": how["limit_price"], "type": "LIMIT", "timeInForce": force}
            if how.get("post_only"):
                given |= {"type": "LIMIT_MAKER", "timeInForce": None}
        client_id = said["client_order_id"]
        placed = self.private(
            account, "POST", "order", symbol=symbol, side=said["side"], newClientOrderId=client_id, **given
        )
        return self._taken(account, placed)

    def _taken(self, account: Account, row: dict[str, Any]) -> Json:
        """Nothing of what became of it."""
        said = {
            "order_id": self._name(account, row),
            "product_id": self._product_of(row["symbol"]),
            "side": row["side"],
            "client_order_id": row["clientOrderId"],
        }
        return {"success": True, "success_response": said, "order_configuration": None}

    def _failed(self, why: str, asked: Asked) -> Answer:
        unknown = ("UNKNOWN_FAILURE_REASON", "UNKNOWN_PREVIEW_FAILURE_REASON")
        error, preview = next((each for part, each in REASONS.items() if part in why), unknown)
        said = {"error": error, "message": why, "error_details": "", "preview_failure_reason": preview}
        said["new_order_failure_reason"] = error
        return Answer({"success": False, "error_response": said, "order_configuration": asked.content})

    def _cancel(self, asked: Asked, account: Account) -> Json:
        results = []
        for name in asked.content["order_ids"]:
            reason = "UNKNOWN_CANCEL_FAILURE_REASON"
            if self._orders.get(name, ("",))[0] != account.key:
                reason = "UNKNOWN_CANCEL_ORDER"
            elif self.slow_cancels:
                self._cancelling.add(name)
            else:
                _, symbol, number = self._orders[name]
                try:
                    self.private(account, "DELETE", "order", symbol=symbol, orderId=number)
                except Refused:
                    reason = "INVALID_CANCEL_REQUEST"
            success = reason == "UNKNOWN_CANCEL_FAILURE_REASON"
            results.append({"success": success, "failure_reason": reason, "order_id": name})
        return {"results": results}

    def finish_cancels(self) -> None:
        """Now the cancels are done that only began."""
        for name in list(self._cancelling):
            key, symbol, number = self._orders[name]
            self.private(self.accounts[key], "DELETE", "order", symbol=symbol, orderId=number)
        self._cancelling.clear()

    def _order(self, asked: Asked, account: Account) -> Json:
        name = asked.path.split("/")[-1]
        key, symbol, number = self._orders.get(name, ("", "", ""))
        if key != account.key:
            return _no("NOT_FOUND", "order with this orderID was not found", 404)
        return {"order": self._told_of(account, self.private(account, "GET", "order", symbol=symbol, orderId=number))}

    def _list_orders(self, asked: Asked, account: Account) -> Json:
        fields, statuses = asked.fields, asked.all_of("order_status")
        rows = [self._told_of(account, row) for row in self._rows(account)]
        rows = [
            row
            for row in rows
            if (not statuses or row["status"] in statuses)
            and row["product_id"] in (asked.all_of("product_ids") or self.products)
            and row["created_time"] >= fields.get("start_date", "")
        ]
        found, more = self._paged(sorted(rows, key=lambda row: row["created_time"], reverse=True), asked)
        return {"orders": found, "sequence": "0", **more}

    def _list_fills(self, asked: Asked, account: Account) -> Json:
        products = asked.all_of("product_ids") or list(self.products)
        rows = [
            self._fill(account, each, name) for name in products for each in self._trades(account, self._symbol(name))
        ]
        rows = [row for row in rows if row["sequence_timestamp"] >= asked.fields.get("start_sequence_timestamp", "")]
        if wanted := asked.all_of("order_ids"):
            rows = [row for row in rows if row["order_id"] in wanted]
        found, more = self._paged(sorted(rows, key=lambda row: row["trade_time"], reverse=True), asked)
        return {"fills": found, "cursor": more["cursor"]}

    def _paged(self, rows: list[Any], asked: Asked) -> tuple[list[Any], dict[str, Any]]:
        size = min(int(asked.fields.get("limit") or 100), self.page)
        begin = int(base64.b64decode(asked.fields.get("cursor") or "MA=="))
        more = begin + size < len(rows)
        cursor = base64.b64encode(str(begin + size).encode()).decode() if more else ""
        return rows[begin : begin + size], {"has_next": more, "cursor": cursor}

    # Its words: looking at the practice exchange's own books costs none of its weight

    def _rows(self, account: Account) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.practice.control.books(account.key)["orders"]
        return found

    def _trades(self, account: Account, symbol: str) -> list[dict[str, Any]]:
        found = self.practice.control.books(account.key)["trades"]
        return [trade for trade in found if trade["symbol"] == symbol]

    def _product_of(self, symbol: str) -> str:
        return next(name for name, entry in self.products.items() if entry["symbol"] == symbol)

    def _name(self, account: Account, row: dict[str, Any]) -> str:
        name = _id(account.key, row["symbol"], str(row["orderId"]))
        self._orders[name] = account.key, row["symbol"], str(row["orderId"])
        return name

    def _told_of(self, account: Account, row: dict[str, Any]) -> Json:
        name, market = self._name(account, row), row["type"] == "MARKET"
        size, filled, value = row["origQty"], Decimal(row["executedQty"]), Decimal(row["cummulativeQuoteQty"])
        post_only = row["type"] == "LIMIT_MAKER"
        how = {"base_size": size, "limit_price": row["price"], "post_only": post_only}
        kind = CONFIGURATIONS[row["timeInForce"]]
        if market:
            by_quote = Decimal(row["origQuoteOrderQty"]) > 0
            kind, how = (
                "market_market_ioc",
                {"quote_size": row["origQuoteOrderQty"]} if by_quote else {"base_size": size},
            )
        return {
            "order_id": name,
            "product_id": self._product_of(row["symbol"]),
            "order_configuration": {kind: how},
            "side": row["side"],
            "client_order_id": row["clientOrderId"],
            "status": "CANCEL_QUEUED" if name in self._cancelling else STATUSES.get(row["status"], "CANCELLED"),
            "time_in_force": IN_FORCE["IOC" if market else row["timeInForce"]],
            "created_time": _iso(row["time"]),
            "completion_percentage": str(filled * 100 / Decimal(size)) if Decimal(size) else "0",
            "filled_size": f"{filled:f}",
            "average_filled_price": f"{value / filled:f}" if filled else "0",
            "fee": "",
            "filled_value": f"{value:f}",
            "pending_cancel": name in self._cancelling,
            "size_in_quote": market and by_quote,
            "order_type": "MARKET" if market else "LIMIT",
            "reject_reason": "REJECT_REASON_UNSPECIFIED",
            "settled": row["status"] not in ("NEW", "PARTIALLY_FILLED"),
            "product_type": "SPOT",
        }

    def _fill(self, account: Account, trade: dict[str, Any], product: str) -> Json:
        name = _id(account.key, trade["symbol"], str(trade["orderId"]))
        return {
            "entry_id": _id(account.key, "entry", str(trade["id"])),
            "trade_id": _id("trade", trade["symbol"], str(trade["id"])),
            "order_id": name,
            "trade_time": _iso(trade["time"], digits="000000"),
            "trade_type": "FILL",
            "price": trade["price"],
            "size": trade["qty"],
            "commission": f"{_fee(trade, product.split('-')[0]):f}",
            "product_id": product,
            "sequence_timestamp": _iso(trade["time"]),
            "liquidity_indicator": "MAKER" if trade["isMaker"] else "TAKER",
            "size_in_quote": False,
            "side": "BUY" if trade["isBuyer"] else "SELL",
        }


def _fee(trade: dict[str, Any], base: str) -> Decimal:
    """In the quote currency."""
    fee = Decimal(trade["commission"])
    return fee * Decimal(trade["price"]) if trade["commissionAsset"] == base else fee


def _transaction(number: str, kind: str, amount: str, coin: str, at: int) -> Json:
    amount_of = {"amount": amount, "currency": coin}
    made = _iso(at)
    return {
        "id": number,
        "type": kind,
        "status": "completed",
        "amount": amount_of,
        "created_at": made,
        "resource": "transaction",
    }


def _no(error: str, details: str, status: int) -> Answer:
    return Answer({"error": error, "error_details": details, "message": details}, status)


def _id(*parts: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, ":".join(parts)))


def _iso(ms: int, digits: str = "000") -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}{digits}Z"


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)
