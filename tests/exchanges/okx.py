"""OKX: what it publishes of its API v5, spot in the account mode of that name, as far as ccxt asks for it.

Written after its documentation: signed headers whose time lives for 30 s, the header expTime, everything wrapped in
``code``, ``data`` and ``msg`` (orders with ``sCode`` of their own, at HTTP 200), lists of 100 newest first that go on
after an id, an answer to an order that is an id alone, a post-only order that is taken and then cancelled, client ids
that are unique among the open orders only, cancelled orders that are forgotten.

Assumed, as nobody has written it down: a request whose expTime has passed is refused with 50036 beside ``code``, not
within ``data``; which of two faults of one request is told first.
"""

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal

from exchanges.translator import Account, Answer, Asked, Json, Refused, Translator
from trade_mcp.quant.candles import ms_of

API = "/api/v5"
PAGE = 100
LIVES_MS = 30_000
FIRST_ORDER, FIRST_BILL = 680_800_019_749_904_384, 680_800_019_000_000_000
CLIENT_ID = re.compile(r"[A-Za-z0-9]{1,32}")
STATES = {"NEW": "live", "PARTIALLY_FILLED": "partially_filled", "FILLED": "filled"}
TIMES = {"limit": "GTC", "ioc": "IOC", "fok": "FOK"}
BARS = {"1H": "1h", "2H": "2h", "4H": "4h", "6Hutc": "6h", "12Hutc": "12h", "1Dutc": "1d"}
WORDS = (  # what the practice exchange says -> code and words of OKX
    ("insufficient balance", "51008", "Order failed. Your available {ccy} balance is insufficient."),
    ("immediately match", "", ""),  # no refusal here: see Okx._place
    ("Duplicate order", "51016", "Client order ID already exists."),
    ("NOTIONAL", "51020", "Your order should meet or exceed the minimum order amount."),
    ("LOT_SIZE", "51121", "Order quantity must be a multiple of the lot size."),
    ("Market is closed", "51022", "Trading suspended."),
    ("Unknown order", "51400", "Order cancellation failed as the order has been filled, canceled or does not exist."),
    ("Order does not exist", "51603", "Order does not exist."),
    ("permissions for action", "50120", "This API key doesn't have permission to use this function"),
    ("Invalid symbol", "51001", "Instrument ID, Instrument ID code or Spread ID doesn't exist."),
)


def answered(data: Json) -> Json:
    return {"code": "0", "data": data, "msg": ""}


def refused(code: str, words: str, status: int = 200) -> Answer:
    return Answer({"code": code, "data": [], "msg": words}, status)


class Okx(Translator):
    """What tests may set: ``suspended`` instruments, in how many ``parts`` each trade is told, how many ``copies`` of
    each order rest, whether ended orders are ``forgotten`` (as cancelled ones are after two hours), how many of the
    newest fills are ``hidden_fills`` yet, whether makers get a ``rebate``, how far its clock is ``ahead_ms``, and the
    account's ``mode``.
    """

    exchange = "okx"

    def __init__(self, *given: object):
        super().__init__(*given)  # type: ignore[arg-type]
        self.suspended: set[str] = set()
        self.parts = self.copies = 1
        self.rebate = False
        self.forgotten = False
        self.hidden_fills = 0  # of the newest: the list is behind the orders
        self.ahead_ms = 0
        self.mode: dict[str, Json] = {"acctLv": "1", "enableSpotBorrow": False}
        self._taken_and_cancelled: dict[tuple[str, str], Json] = {}  # post-only orders that would have matched
        public: dict[str, Callable[[Asked], Json]] = {
            "public/time": lambda _: answered([{"ts": str(self.now_ms())}]),
            "public/instruments": self._instruments,
            "market/tickers": self._tickers,
            "market/ticker": self._tickers,
            "market/books": self._books,
            "market/candles": self._candles,
            "market/history-candles": self._candles,
        }
        private: dict[str, Callable[[Asked, Account], Json]] = {
            "GET account/balance": self._balance,
            "GET account/config": self._config,
            "GET account/trade-fee": self._fee,
            "GET account/bills": self._bills,
            "GET trade/order": self._order,
            "GET trade/orders-pending": self._pending,
            "GET trade/fills": self._fills,
            "GET trade/fills-history": self._fills,
            "POST trade/batch-orders": self._place,
            "POST trade/cancel-order": self._cancel,
            "POST trade/cancel-all-after": lambda asked, _: answered([{"triggerTime": "0", "ts": str(self.now_ms())}]),
        }
        self.routes = {f"GET {API}/{name}": route for name, route in public.items()} | {
            f"{name.split()[0]} {API}/{name.split()[1]}": self._signed(route) for name, route in private.items()
        }

    def secret_of(self, key: str) -> tuple[str, str]:
        return f"secret-of-{key}", f"passphrase-of-{key}"

    def now_ms(self) -> int:
        return int(time.time() * 1000) + self.ahead_ms

    def refusal(self, no: Refused, asked: Asked) -> Answer:
        code, words = self._told_as(no)
        return refused(code, words)

    @staticmethod
    def _told_as(no: Refused, currency: str = "") -> tuple[str, str]:
        found = next(((code, words) for said, code, words in WORDS if said in no.msg), ("51000", f"{no.msg} error"))
        return found[0], found[1].replace("{ccy}", currency)

    # Signatures

    def _signed(self, route: Callable[[Asked, Account], Json]) -> Callable[[Asked], Json]:
        def checked(asked: Asked) -> Json:
            account = self.accounts.get(asked.headers.get("ok-access-key", ""))
            if wrong := self._wrong(asked, account):
                return refused(*wrong)
            assert account is not None
            return route(asked, account)

        return checked

    def _wrong(self, asked: Asked, account: Account | None) -> tuple[str, str, int] | None:
        """Why a request counts for nothing, in the words of the API class, whose status is 401."""
        said = asked.headers.get("ok-access-timestamp", "")
        try:
            at_ms = ms_of(datetime.fromisoformat(said))
        except ValueError:
            return "50112", "Invalid OK-ACCESS-TIMESTAMP", 401
        if abs(at_ms - self.now_ms()) > LIVES_MS:
            return "50102", "Timestamp request expired", 401
        if account is None:
            return "50111", "Invalid OK-ACCESS-KEY", 401
        if asked.headers.get("ok-access-passphrase") != account.passphrase:
            return "50105", 'Request header "OK-ACCESS-PASSPHRASE" incorrect', 401
        target = asked.path + (f"?{asked.query}" if asked.query else "")
        text = f"{said}{asked.method}{target}{asked.body}"
        digest = hmac.new(account.secret.encode(), text.encode(), hashlib.sha256).digest()
        if base64.b64encode(digest).decode() != asked.headers.get("ok-access-sign"):
            return "50113", "Invalid Sign", 401
        return None

    # The market

    def _instruments(self, asked: Asked) -> Json:
        rows = []
        for symbol in self.public("exchangeInfo")["symbols"]:
            filters = {each["filterType"]: each for each in symbol["filters"]}
            inst_id = f"{symbol['baseAsset']}-{symbol['quoteAsset']}"
            rows.append(
                {
                    "instType": "SPOT",
                    "instId": inst_id,
                    "baseCcy": symbol["baseAsset"],
                    "quoteCcy": symbol["quoteAsset"],
                    "settleCcy": "",
                    "ctVal": "",
                    "lever": "10",
                    "listTime": "1548133413000",
                    "tickSz": plain(filters["PRICE_FILTER"]["tickSize"]),
                    "lotSz": plain(filters["LOT_SIZE"]["stepSize"]),
                    "minSz": plain(filters["LOT_SIZE"]["minQty"]),
                    "maxLmtSz": plain(filters["LOT_SIZE"]["maxQty"]),
                    "maxMktSz": "1000000",
                    "maxLmtAmt": "20000000",
                    "maxMktAmt": "1000000",
                    "state": "suspend" if inst_id in self.suspended else "live",
                }
            )
        return answered(rows)

    def _tickers(self, asked: Asked) -> Json:
        names = {symbol["symbol"]: name for name, symbol in self._symbols().items()}
        rows = [
            {
                "instType": "SPOT",
                "instId": names[row["symbol"]],
                "last": row["lastPrice"],
                "lastSz": row["lastQty"],
                "askPx": row["askPrice"],
                "askSz": row["askQty"],
                "bidPx": row["bidPrice"],
                "bidSz": row["bidQty"],
                "open24h": row["openPrice"],
                "high24h": row["highPrice"],
                "low24h": row["lowPrice"],
                "volCcy24h": row["quoteVolume"],
                "vol24h": row["volume"],
                "ts": str(row["closeTime"]),
            }
            for row in self.public("ticker/24hr")
        ]
        wanted = asked.fields.get("instId")
        return answered([row for row in rows if wanted in (None, row["instId"])])

    def _books(self, asked: Asked) -> Json:
        market = self._market(asked.fields["instId"])
        book = self.public("depth", symbol=market, limit=min(int(asked.fields.get("sz", "1")), 400))
        sides = {side: [[price, size, "0", "1"] for price, size in book[side]] for side in ("asks", "bids")}
        (ticker,) = [self.public("ticker/24hr", symbol=market)]
        return answered([sides | {"ts": str(ticker["closeTime"])}])

    def _candles(self, asked: Asked) -> Json:
        """Between ``before`` and ``after``, neither of them included, the newest first; at most 300."""
        given = asked.fields
        start = int(given["before"]) + 1 if "before" in given else None
        end = int(given["after"]) - 1 if "after" in given else None
        limit = min(int(given.get("limit", "100")), 300)
        bar = BARS.get(given["bar"], given["bar"])
        params = {name: value for name, value in (("startTime", start), ("endTime", end)) if value is not None}
        rows = self.public("klines", symbol=self._market(given["instId"]), interval=bar, limit=1000, **params)
        newest = self.public("ticker/24hr", symbol=self._market(given["instId"]))["closeTime"]
        shown = [[str(row[0]), *row[1:6], row[7], row[7], "1" if row[6] < newest else "0"] for row in rows[-limit:]]
        return answered(shown[::-1])

    # The account

    def _balance(self, asked: Asked, account: Account) -> Json:
        details = [
            {
                "ccy": row["asset"],
                "eq": plain(str(Decimal(row["free"]) + Decimal(row["locked"]))),
                "cashBal": plain(str(Decimal(row["free"]) + Decimal(row["locked"]))),
                "availBal": plain(row["free"]),
                "frozenBal": plain(row["locked"]),
                "availEq": "",
                "uTime": str(self.now_ms()),
            }
            for row in self.private(account, "GET", "account")["balances"]
        ]
        return answered([{"details": details, "totalEq": "0", "uTime": str(self.now_ms())}])

    def _config(self, asked: Asked, account: Account) -> Json:
        may = self.private(account, "GET", "/sapi/v1/account/apiRestrictions")
        given = {
            "read_only": may["enableReading"],
            "trade": may["enableSpotAndMarginTrading"],
            "withdraw": may["enableWithdrawals"],
        }
        perm = ",".join(name for name, has in given.items() if has)
        return answered([{"uid": "44705892343619584", "perm": perm, "acctStpMode": "cancel_maker"} | self.mode])

    def _fee(self, asked: Asked, account: Account) -> Json:
        market = self._market(asked.fields["instId"])
        (fee,) = self.private(account, "GET", "/sapi/v1/asset/tradeFee", symbol=market)
        rates = {name: f"-{plain(fee[f'{name}Commission'])}" for name in ("maker", "taker")}
        return answered([{"instType": "SPOT", "level": "Lv1", "ts": str(self.now_ms())} | rates])

    def _bills(self, asked: Asked, account: Account) -> Json:
        """Transfers between this account and the one for funding, where deposits arrive."""
        assert asked.fields["type"] == "1"
        into = self.private(account, "GET", "/sapi/v1/capital/deposit/hisrec")
        out = self.private(account, "GET", "/sapi/v1/capital/withdraw/history")
        found = [(int(row["id"]), row, "") for row in into] + [(int(row["id"]), row, "-") for row in out]
        rows = [
            {
                "billId": str(FIRST_BILL + number),
                "ccy": row["coin"],
                "balChg": sign + row["amount"],
                "type": "1",
                "subType": "12" if sign else "11",
                "ts": str(row.get("insertTime") or ms_of(datetime.fromisoformat(f"{row['applyTime']}Z"))),
            }
            for number, row, sign in sorted(found, key=lambda each: -each[0])
        ]
        return answered(self._page(rows, "billId", asked.fields))

    # Orders

    def _place(self, asked: Asked, account: Account) -> Json:
        expires = asked.headers.get("exptime")
        if expires is not None and int(expires) < self.now_ms():
            return refused("50036", "The expTime can't be earlier than the current system time.")
        rows = [self._placed(given, account) for given in asked.content]
        failed = [row for row in rows if row["sCode"] != "0"]
        code = "0" if not failed else "1" if len(failed) == len(rows) else "2"
        return {"code": code, "data": rows, "msg": "" if code == "0" else "All operations failed"}

    def _placed(self, given: Mapping[str, str], account: Account) -> Json:
        name = given.get("clOrdId", "")
        row = {"clOrdId": name, "ordId": "", "tag": "", "ts": str(self.now_ms()), "sCode": "0", "sMsg": "Order placed"}
        wrong = next((each for each in ("tdMode", "clOrdId") if not self._right(each, given)), None)
        if wrong is not None:
            return row | {"sCode": "51000", "sMsg": f"Parameter {wrong} error"}
        if given["instId"] in self.suspended:
            return row | {"sCode": "51022", "sMsg": "Trading suspended."}
        if given["instId"] not in self._symbols():
            return row | {"sCode": "51001", "sMsg": "Instrument ID, Instrument ID code or Spread ID doesn't exist."}
        try:
            made = self.private(account, "POST", "order", **self._params(given))
        except Refused as no:
            if "immediately match" in no.msg:
                return row | {"ordId": self._cancelled_at_once(given, account)}
            base, quote = given["instId"].split("-")
            code, words = self._told_as(no, quote if given["side"] == "buy" else base)
            return row | {"sCode": code, "sMsg": words}
        return row | {"ordId": str(FIRST_ORDER + made["orderId"])}

    @staticmethod
    def _right(name: str, given: Mapping[str, str]) -> bool:
        return given[name] == "cash" if name == "tdMode" else CLIENT_ID.fullmatch(given.get(name, "")) is not None

    def _params(self, given: Mapping[str, str]) -> dict[str, Json]:
        kind = given["ordType"]
        params: dict[str, Json] = {
            "symbol": self._market(given["instId"]),
            "side": given["side"].upper(),
            "newClientOrderId": given["clOrdId"],
            "newOrderRespType": "ACK",
        }
        if kind == "market":
            by_quote = given.get("tgtCcy", "quote_ccy" if given["side"] == "buy" else "base_ccy") == "quote_ccy"
            return params | {"type": "MARKET", "quoteOrderQty" if by_quote else "quantity": given["sz"]}
        params |= {"price": given["px"], "quantity": given["sz"]}
        if kind == "post_only":
            return params | {"type": "LIMIT_MAKER"}
        return params | {"type": "LIMIT", "timeInForce": TIMES[kind]}

    def _cancelled_at_once(self, given: Mapping[str, str], account: Account) -> str:
        """A post-only order that would have matched: it is taken, has an id, and ends."""
        number = str(FIRST_ORDER - 1 - len(self._taken_and_cancelled))
        now = str(self.now_ms())
        row = {
            **{name: given.get(name, "") for name in ("instId", "clOrdId", "side", "ordType", "px", "sz", "tgtCcy")},
            **{"ordId": number, "state": "canceled", "accFillSz": "0", "avgPx": "", "cTime": now, "uTime": now},
            **{"instType": "SPOT", "cancelSource": "31", "fee": "0", "feeCcy": "", "algoId": ""},
        }
        for name in (number, given["clOrdId"]):
            self._taken_and_cancelled[account.key, name] = row
        return number

    def _cancel(self, asked: Asked, account: Account) -> Json:
        given = asked.content
        row = {"clOrdId": given.get("clOrdId", ""), "ordId": given.get("ordId", ""), "sCode": "0", "sMsg": ""}
        try:
            done = self.private(account, "DELETE", "order", **self._named(given))
        except Refused as no:
            code, words = self._told_as(no)
            return {"code": "1", "data": [row | {"sCode": code, "sMsg": words}], "msg": "All operations failed"}
        return answered([row | {"ordId": str(FIRST_ORDER + done["orderId"])}])

    def _order(self, asked: Asked, account: Account) -> Json:
        given = asked.fields
        if given["instId"] not in self._symbols() or given["instId"] in self.suspended:  # "only live instruments"
            return refused("51001", "Instrument ID, Instrument ID code or Spread ID doesn't exist.")
        known = self._taken_and_cancelled.get((account.key, given.get("ordId") or given["clOrdId"]))
        row = known or self._order_row(self.private(account, "GET", "order", **self._named(given)))
        if self.forgotten and row["state"] not in ("live", "partially_filled"):
            return refused("51603", "Order does not exist")
        return answered([row])

    def _pending(self, asked: Asked, account: Account) -> Json:
        wanted = asked.fields.get("instId")
        market = {} if wanted is None else {"symbol": self._market(wanted)}
        found = [self._order_row(row) for row in self.private(account, "GET", "openOrders", **market)]
        rows = [row | {"ordId": str(int(row["ordId"]) + 10**6 * more)} for row in found for more in range(self.copies)]
        return answered(self._page(rows, "ordId", asked.fields))

    def _order_row(self, row: Json) -> Json:
        market_order = row["type"] == "MARKET"
        kinds = {"LIMIT_MAKER": "post_only", "MARKET": "market"}
        plain_kind = {"IOC": "ioc", "FOK": "fok"}.get(row["timeInForce"], "limit")
        filled, spent = Decimal(row["executedQty"]), Decimal(row["cummulativeQuoteQty"])
        return {
            "instType": "SPOT",
            "instId": next(name for name, each in self._symbols().items() if each["symbol"] == row["symbol"]),
            "ordId": str(FIRST_ORDER + row["orderId"]),
            "clOrdId": row["clientOrderId"],
            "algoId": "",
            "side": row["side"].lower(),
            "ordType": kinds.get(row["type"], plain_kind),
            "px": "" if market_order else plain(row["price"]),
            "sz": plain(row["origQty"]),
            "tgtCcy": "base_ccy" if market_order else "",
            "tdMode": "cash",
            "accFillSz": plain(row["executedQty"]),
            "avgPx": plain(str(round(spent / filled, 8))) if filled else "",
            "state": STATES.get(row["status"], "canceled"),
            "attachAlgoOrds": [],
            "reduceOnly": "false",
            "slTriggerPx": "",
            "tpTriggerPx": "",
            "cTime": str(row["time"]),
            "uTime": str(row["updateTime"]),
        }

    def _fills(self, asked: Asked, account: Account) -> Json:
        given = asked.fields
        of = {"orderId": int(given["ordId"]) - FIRST_ORDER} if given.get("ordId") else {}
        market = self._market(given["instId"])
        trades = self.private(account, "GET", "myTrades", symbol=market, limit=1000, **of)
        orders = self.private(account, "GET", "allOrders", symbol=market, limit=1000)
        names = {row["orderId"]: row["clientOrderId"] for row in orders}
        rows = []
        for trade in trades[: len(trades) - self.hidden_fills]:
            sign = 1 if self.rebate and trade["isMaker"] else -1
            for part in range(self.parts):
                number = trade["id"] * 1000 + part
                rows.append(
                    {
                        "instType": "SPOT",
                        "instId": given["instId"],
                        "tradeId": str(number),
                        "billId": str(FIRST_BILL + number),
                        "ordId": str(FIRST_ORDER + trade["orderId"]),
                        "clOrdId": names[trade["orderId"]],
                        "side": "buy" if trade["isBuyer"] else "sell",
                        "fillPx": plain(trade["price"]),
                        "fillSz": plain(str(Decimal(trade["qty"]) / self.parts)),
                        "fee": plain(str(sign * Decimal(trade["commission"]) / self.parts)),
                        "feeCcy": trade["commissionAsset"],
                        "execType": "M" if trade["isMaker"] else "T",
                        "ts": str(trade["time"]),
                        "fillTime": str(trade["time"]),
                    }
                )
        begin, end = int(given.get("begin", 0)), int(given.get("end", 10**15))
        rows = [row for row in rows if begin <= int(row["ts"]) <= end]
        return answered(self._page(rows, "billId", given))

    # Parts

    def _page(self, rows: list[Json], by: str, given: Mapping[str, str]) -> list[Json]:
        """The newest first, those older than the id ``after``."""
        ordered = sorted(rows, key=lambda row: -int(row[by]))
        after = given.get("after")
        found = [row for row in ordered if after is None or int(row[by]) < int(after)]
        return found[: min(int(given.get("limit", PAGE)), PAGE)]

    def _named(self, given: Mapping[str, str]) -> dict[str, Json]:
        """Which order is meant, in the practice exchange's words; of two ids the exchange's own counts."""
        named: dict[str, Json] = {"symbol": self._market(given["instId"])}
        if given.get("ordId"):
            return named | {"orderId": int(given["ordId"]) - FIRST_ORDER}
        return named | {"origClientOrderId": given["clOrdId"]}

    def _symbols(self) -> dict[str, Json]:
        """By OKX's names."""
        if not hasattr(self, "_listed"):
            listed = self.public("exchangeInfo")["symbols"]
            self._listed = {f"{each['baseAsset']}-{each['quoteAsset']}": each for each in listed}
        return self._listed

    def _market(self, inst_id: str) -> str:
        found = self._symbols().get(inst_id)
        if found is None:
            raise Refused(-1121, "Invalid symbol.")
        return str(found["symbol"])


def plain(number: str) -> str:
    """Without padding, as OKX writes numbers."""
    return f"{Decimal(number).normalize():f}"
