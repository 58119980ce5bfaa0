"""Exchange: the one place that makes ccxt clients, and through which every request to an exchange goes.

Three clients of one key: for reads, entries and exits, each with connections of its own, so that a hung entry never
holds a stop. Nothing is ever sent twice by itself: connections do not retry, ccxt does not retry. Every request has a
time-out and a purpose, and the exchange's weight limit is kept (`exchange_budget`).
"""

import difflib
import hashlib
import json
import re
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import ccxt
import requests
import structlog

from trade_mcp.domain.errors import BadConfig, FeedError, RefusedForTime, VenueError, VenueRejected, VenueUnreachable
from trade_mcp.ports import Clock
from trade_mcp.venues.exchange_budget import Budget, Purpose
from trade_mcp.venues.exchange_calls import COUNTERS, Calls
from trade_mcp.venues.exchange_connection import Connection
from trade_mcp.venues.exchange_errors import ADDRESS_HINT, NETWORK, NotJson, told, wait_asked
from trade_mcp.venues.exchange_markets import DOUBTED_AGE, MAX_AGE, Markets, kept_markets
from trade_mcp.venues.exchange_nonce import WINDOW, Nonce

HERE = frozenset({"localhost", "127.0.0.1", "::1"})
TIMEOUT_S = 10.0  # of every request
RECEIVE_WINDOW_S = 5.0  # an exchange refuses a signed request that is older when it arrives, where it can
CLOCK_EVERY_S = 3600.0
PATIENCE_S = 40.0  # of a program that starts; one that looks again and again comes back instead
WEIGHT_HEADERS = {"binance": "X-MBX-USED-WEIGHT-1M"}
WEIGHT_LIMITS = {"binance": 6000}  # per minute, until the exchange's own metadata says it
TIME_CODES = {  # of a request refused for its time or nonce alone, before anything was done
    "binance": '"code":-1021',
    "bybit": '"retCode":10002',
    "okx": '"code":"50102"',
    "kraken": "EAPI:Invalidnonce",
}
OVERTAKEN = "Invalidnonce"  # among those: another request of the key came first, and this one may go again at once
AGAIN, AGAIN_S = 3, 1.0  # so often, and within that time
SOON_S = 2.5  # an exit waits so long for an exchange that asked for silence; less than the venue's grace has to spare
NTP_HINT = "if it stays: check this machine's time (NTP), and whether the network takes seconds"
NONCE_HINT = f"set the key's nonce window to {WINDOW} at the exchange, and use this key for this desk alone"
WHOLE_SECONDS = frozenset({"coinbase", "kraken"})  # exchanges that tell their time in those
LATE_CODES = {"okx": re.compile(r'"s?[cC]ode":\s*"5003[67]"')}  # of an order that came after its deadline
DEADLINES = {"okx": ("expTime", "/trade/batch-orders")}  # the header that says it, and where orders are placed
FILTER_CODES = re.compile(r'"(code": ?-(1013|1111)|retCode": ?17013[4-7]|retCode": ?170140)\b')  # the list is wrong
SPOT_ONLY: dict[str, Any] = {
    "defaultType": "spot",
    "fetchMarkets": {"types": ["spot"]},
    "fetchMargins": False,
    "fetchOpenOrders": {"warnWithoutSymbol": False},
    "maxRetriesOnFailure": 0,
    "recvWindow": int(RECEIVE_WINDOW_S * 1000),
}
OWN_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "coinbase": {  # ccxt's defaults are an older API, whose balances are one page without what orders hold
        "fetchMarkets": "fetchMarketsV3",
        "fetchBalance": "v3PrivateGetBrokerageAccounts",
        "fetchTime": "v3PublicGetBrokerageTime",
    },
    "bybit": {  # ccxt would ask what kind of account it is, with each client, in two requests before the first order
        "enableUnifiedAccount": True,
        "enableUnifiedMargin": False,
        "unifiedMarginStatus": 6,
    },
}
NOT_ASKED: Mapping[str, Sequence[str]] = {
    "bybit": ("fetchTradingFees",),  # ccxt says it can, and cannot for spot
    "kraken": ("fetchTradingFee",),  # a call for each symbol; its list has the fees of an account that traded little
}
PEM = "-----BEGIN"

log = structlog.get_logger(__name__)


class Exchange:
    """Access to one account (or, without a key, to the public side) of one exchange. Safe between threads.

    ``folder`` keeps what trades there; ``url`` is another base address, for the practice exchange. Raises BadConfig for
    an exchange that ccxt does not know, and for a sandbox where it has none.
    """

    def __init__(
        self,
        name: str,
        *,
        clock: Clock,
        folder: Path,
        key: str = "",
        secret: str = "",
        passphrase: str = "",
        url: str = "",
        sandbox: bool = False,
    ):
        self.name, self.url, self.sandbox = checked_name(name), url, sandbox
        self.has_key = bool(key and secret)
        self.clock = clock
        self.patience_s = PATIENCE_S  # how long a call waits for the exchange's count of them to fall
        self.offset_ms = 0  # our clock minus the exchange's
        if secret.startswith(PEM):  # an environment file has no lines of its own
            secret = secret.replace("\\n", "\n")
        self._credentials = {"apiKey": key, "secret": secret, "password": passphrase}
        self._measured: float | None = None
        self._lock = threading.RLock()
        self._markets: Markets | None = None
        self._markets_last = MAX_AGE  # how old the list may be
        where = "-sandbox" if sandbox else f"-{hashlib.sha256(url.encode()).hexdigest()[:8]}" if url else ""
        self._file = folder / "markets" / f"{name}{where}.json"
        calls = None
        if self.has_key and (counter := COUNTERS.get(name)) is not None:
            of_key = hashlib.sha256(f"{self._file} {key}".encode()).hexdigest()[:8]
            calls = Calls(counter, self._file.with_suffix(f".{of_key}.calls"), clock)
        self.budget = Budget(clock, header=WEIGHT_HEADERS.get(name), limit=WEIGHT_LIMITS.get(name), calls=calls)
        self._nonce = Nonce(clock)
        self.reads, self.entries, self.exits = (self._client() for _ in range(3))
        self._clients = {
            Purpose.PRICES: self.reads,
            Purpose.ACCOUNT: self.reads,
            Purpose.ENTRY: self.entries,
            Purpose.EXIT: self.exits,
        }

    def call(self, purpose: Purpose, method: str, *args: Any, doing: str = "", once: bool = False, **given: Any) -> Any:
        """``method`` of the client for ``purpose``, e.g. ``call(Purpose.PRICES, "fetch_ticker", "BTC/USDT")``.

        Raises VenueUnreachable or VenueRejected; FeedError where the purpose is prices. Nothing is sent beyond the
        budget. A request that was refused for its time, so was not executed, is sent once more with the clock set; one
        that may go ``once`` is RefusedForTime then: whether it may still be sent is not known here. One that another
        request of the key overtook was not executed either, and goes again at once, within a second.
        """
        try:
            return self._call(purpose, method, args, given, doing=doing or method.replace("_", " "), once=once)
        except VenueError as failure:
            if purpose is Purpose.PRICES:
                hint = failure.hint.replace(NETWORK, "the desk asks again at its next look")
                raise FeedError(failure.message, hint=hint) from failure
            raise

    def _call(self, purpose: Purpose, method: str, args: Any, given: Any, *, doing: str, once: bool) -> Any:
        if purpose is Purpose.EXIT and (left := self.budget.waiting_s) <= SOON_S:
            time.sleep(left)  # refused, it would stay open for as long as its answer might still come
        self.budget.check(purpose, self.name)
        if purpose is Purpose.ACCOUNT:
            self.check_clock()
        self._take(purpose, method)
        send = partial(getattr(self._clients[purpose], method), *args, **given)
        try:
            return self._sent(send, doing)
        except RefusedForTime:
            if once:
                with suppress(VenueUnreachable):  # certainly not executed, whatever its clock says
                    self.measure_clock()
                raise
        self.measure_clock()
        return self._sent(send, doing)

    def _take(self, purpose: Purpose, method: str) -> None:
        """Wait until the exchange's count of our calls allows one more. Raises VenueUnreachable where that is long."""
        began = self.clock.boot()
        while pause_s := self.budget.take(purpose, method):
            if self.clock.boot() - began + pause_s > self.patience_s:
                raise VenueUnreachable(
                    f"{self.name} takes no more calls of this key for {pause_s:.0f} s; nothing was sent",
                    hint="orders and cancels go on; a higher tier there may call more often, or ask for fewer symbols",
                )
            time.sleep(pause_s)

    def _sent(self, send: Callable[[], Any], doing: str) -> Any:
        began = self.clock.boot()
        for left in reversed(range(AGAIN)):
            try:
                return send()
            except Exception as error:  # ccxt falls over odd answers in its own ways: all of them are unknown
                soon = self.clock.boot() - began < AGAIN_S
                if not (left and soon and self._refused_for_time(error) and OVERTAKEN in self._code):
                    raise self._told(error, doing) from error
        raise AssertionError("the last try returns or raises")

    def _told(self, error: Exception, doing: str) -> VenueUnreachable | VenueRejected:
        if (seconds := wait_asked(error, self.name)) is not None:
            self.budget.wait(seconds)
        self.budget.hear(str(error))
        if FILTER_CODES.search(str(error)):
            self.doubt_markets()
        if self._refused_for_time(error):
            return RefusedForTime(
                f"{self.name} refused {doing} for its time alone",
                hint=NONCE_HINT if OVERTAKEN in self._code else NTP_HINT,
            )
        return told(error, self.name, doing)

    def markets(self) -> Markets:
        """The spot markets, which all clients then know. Raises VenueUnreachable, VenueRejected."""
        with self._lock:
            return self._markets or self._load_markets()

    def doubt_markets(self) -> None:
        """The exchange refused what its list allows: ask for it again at the next look, if it is not just made."""
        self._markets_last = DOUBTED_AGE

    def _load_markets(self) -> Markets:
        max_age, self._markets_last = self._markets_last, MAX_AGE
        found = kept_markets(self._file, self._ask_markets, now=self.clock.real(), max_age=max_age)
        for client in (self.reads, self.entries, self.exits):
            _teach(client, found)
        self.budget.limit = found.weight_limit
        self._markets = found
        return found

    def _ask_markets(self) -> Markets:
        listed = self.call(Purpose.ACCOUNT, "fetch_markets", doing="asking what trades there")
        spot = [market for market in listed if market.get("spot")]
        if not spot:
            raise VenueUnreachable(f"{self.name} lists no spot market", hint=ADDRESS_HINT)
        return Markets(self.clock.real(), spot, self._weight_limit())

    def _weight_limit(self) -> int | None:
        if self.name not in WEIGHT_HEADERS:
            return None
        limits = json.loads(self.reads.last_http_response or "{}").get("rateLimits", ())
        per_minute = (
            int(each["limit"])
            for each in limits
            if (each["rateLimitType"], each["interval"], each["intervalNum"]) == ("REQUEST_WEIGHT", "MINUTE", 1)
        )
        return next(per_minute, WEIGHT_LIMITS[self.name])

    def fees(self, symbols: Sequence[str]) -> dict[str, Any]:
        """The account's own fees by symbol, as ccxt gives them; what cannot be had is left out, and said."""
        has = self.reads.has
        if not self.has_key or not (has.get("fetchTradingFees") or has.get("fetchTradingFee")):
            return {}
        try:
            if has.get("fetchTradingFees"):
                return dict(self.call(Purpose.ACCOUNT, "fetch_trading_fees", doing="asking for fees"))
            return {each: self.call(Purpose.ACCOUNT, "fetch_trading_fee", each) for each in symbols}
        except VenueError as failure:
            log.warning("the exchange's usual fees are used", exchange=self.name, error=failure.message)
            return {}

    def now_ms(self) -> int:
        """The exchange's time as far as we know it, in milliseconds."""
        return int(self.reads.milliseconds()) - self.offset_ms

    def check_clock(self) -> None:
        """At start and every hour: set our clock by the exchange's, and renew a list of markets that is too old.

        Raises VenueUnreachable. Every look at the account begins with it.
        """
        due = self._measured is None or self.clock.boot() - self._measured > CLOCK_EVERY_S
        if due:
            self.measure_clock()
        if self._markets is None or not (due or self._markets_last < MAX_AGE):
            return
        if self.clock.real() - self._markets.at >= self._markets_last:
            self._load_markets()

    def measure_clock(self) -> None:
        """Ask the exchange for its time; from now on our requests carry it. Raises VenueUnreachable."""
        if not self.reads.has.get("fetchTime"):
            self._measured = self.clock.boot()
            return
        with self._lock:
            before, doing = self.reads.milliseconds(), "asking for its time"
            try:
                theirs = self.reads.fetch_time()
            except Exception as error:
                raise self._told(error, doing) from error
            after = self.reads.milliseconds()
            if not isinstance(theirs, int):
                raise VenueUnreachable(f"{self.name} told no time when asked for it", hint=ADDRESS_HINT)
            theirs += 500 * (self.name in WHOLE_SECONDS)
            self.offset_ms = (before + after) // 2 - theirs
            for client in (self.reads, self.entries, self.exits):
                client.options["timeDifference"] = self.offset_ms
            self._measured = self.clock.boot()

    def stream_client(self) -> Any:
        """A new ccxt.pro client of the same exchange, key, address and clock; whoever asks for it closes it."""
        import ccxt.pro

        kind = getattr(ccxt.pro, self.name, None)
        if kind is None:
            raise VenueRejected(f"ccxt has no streams of {self.name}", hint="set feed.streaming = false")
        client = self._made(kind)
        client.options["timeDifference"] = self.offset_ms
        _teach(client, self.markets())
        return client

    def close(self) -> None:
        for client in (self.reads, self.entries, self.exits):
            client.session.close()

    def _refused_for_time(self, error: Exception) -> bool:
        """Whether the exchange refused a request for its time or nonce alone: certainly it was not executed."""
        if (late := LATE_CODES.get(self.name)) is not None and late.search(str(error)):
            return True
        return bool(self._code) and isinstance(error, ccxt.InvalidNonce) and self._code in str(error).replace(" ", "")

    @property
    def _code(self) -> str:
        return TIME_CODES.get(self.name, "")

    def _heard(self, response: requests.Response) -> None:
        """Every answer comes by here: its weight is noted, and what is no JSON goes no further (ccxt would read a web
        page as an order, or a price, of which nothing is known)."""
        self.budget.note(response.headers)
        if response.ok and response.content.lstrip()[:1] not in (b"{", b"["):
            raise NotJson(response)

    def _deadline(self, method: str, url: str) -> dict[str, str]:
        """Where an exchange has a header for it: the moment after which an order must not be executed any more."""
        header, placing = DEADLINES.get(self.name, ("", ""))
        if not header or method != "POST" or not url.endswith(placing):
            return {}
        return {header: str(self.now_ms() + int(RECEIVE_WINDOW_S * 1000))}

    def _client(self) -> Any:
        client = self._made(getattr(ccxt, self.name))
        client.session = Connection(self._heard, also=self._deadline)
        return client

    def _made(self, kind: Callable[[dict[str, Any]], Any]) -> Any:
        client = kind(
            {
                **self._credentials,
                "timeout": int(TIMEOUT_S * 1000),
                "enableRateLimit": not self.budget.counts,  # by its own count, or by ours of it, is better
                "options": {**SPOT_ONLY, **OWN_OPTIONS.get(self.name, {})},
            }
        )
        client.incrementing_nonce = self._nonce.rise
        client.number = str  # exact: what ccxt parses stays the text that the exchange sent
        client.has["fetchCurrencies"] = False  # a private request that tells us nothing
        client.has |= dict.fromkeys(NOT_ASKED.get(self.name, ()), False)
        if self.sandbox:
            if not client.urls.get("test"):
                raise BadConfig(f"{self.name} has no sandbox", hint="set desk.sandbox = false, or another exchange")
            client.set_sandbox_mode(True)
        if self.url:
            client.urls["api"] = at_base(client.urls["api"], self.url)
        for setting, proxy in proxies_for(client.urls["api"]).items():
            setattr(client, setting, proxy)
        return client


def _teach(client: Any, markets: Markets) -> None:
    """Tell a client what trades; and by their other names, which Kraken's orders use."""
    client.set_markets(markets.spot)
    if "marketsByAltname" in client.options:
        client.options["marketsByAltname"] = {market["altname"]: market for market in markets.spot}


def checked_name(name: str) -> str:
    """``name`` if ccxt knows an exchange of that name. Raises BadConfig with the nearest ones."""
    if name not in ccxt.exchanges:
        close = difflib.get_close_matches(name.lower(), ccxt.exchanges, n=3, cutoff=0.5)
        hint = f"did you mean {', '.join(close)}?" if close else "such as binance, bybit, kraken, okx or coinbase"
        raise BadConfig(f"desk.exchange = {name!r}: ccxt knows no such exchange", hint=hint)
    return name


def at_base(addresses: Any, base: str) -> Any:
    """``addresses`` (as deep as ccxt nests them) at the host of ``base``, each with its own path.

    >>> at_base({"public": "https://api.x.com/v3", "ws": {"spot": "wss://s.x.com:9443/ws"}}, "http://localhost:9100")
    {'public': 'http://localhost:9100/v3', 'ws': {'spot': 'ws://localhost:9100/ws'}}
    """
    if isinstance(addresses, Mapping):
        return {name: at_base(each, base) for name, each in addresses.items()}
    if not isinstance(addresses, str):
        return addresses
    asked, there = urlsplit(addresses), urlsplit(base)
    scheme = there.scheme
    if asked.scheme in ("ws", "wss"):
        scheme = "wss" if there.scheme == "https" else "ws"
    return urlunsplit((scheme, there.netloc, there.path.rstrip("/") + asked.path, "", ""))


def proxies_for(addresses: Any) -> dict[str, str]:
    """ccxt's settings of the proxy that the environment names (HTTPS_PROXY, HTTP_PROXY, NO_PROXY), looked up once.

    This machine is reached without one.
    """
    while isinstance(addresses, Mapping):
        addresses = next(iter(addresses.values()))
    where = urlsplit(str(addresses))
    host = where.hostname or ""
    if host in HERE or urllib.request.proxy_bypass(host):
        return {}
    proxy = urllib.request.getproxies().get(where.scheme)
    if proxy is None:
        return {}
    return (
        {"httpsProxy": proxy, "wssProxy": proxy} if where.scheme == "https" else {"httpProxy": proxy, "wsProxy": proxy}
    )
