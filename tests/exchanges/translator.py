"""Translator: a local server that speaks another exchange's published API, and trades on a practice exchange for it.

Unmodified ccxt of that exchange is pointed here. What it asks is checked as the exchange would (signature, parameters)
and becomes a request to the practice exchange, which has the accounts, the matching and the market; its answer is told
in the exchange's own shapes. Each exchange is a subclass with its routes; faults can strike any request by its target.
"""

import contextlib
import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
from msgspec import Struct

from practice.running import Running
from venues.practised import SECRET, new_key

type Json = Any


class Asked(Struct, frozen=True):
    """A request as it came. Header names are lower case."""

    method: str
    path: str
    query: str
    body: str
    headers: dict[str, str]

    @property
    def target(self) -> str:
        """What routes and faults call it: ``POST /0/private/AddOrder``."""
        return f"{self.method} {self.path}"

    @property
    def fields(self) -> dict[str, str]:
        """Query and form."""
        return dict(parse_qsl(f"{self.query}&{self.body}", keep_blank_values=True))

    def all_of(self, name: str) -> list[str]:
        """A query's parameter that may be there more than once."""
        return [value for each, value in parse_qsl(self.query) if each == name]

    @property
    def content(self) -> Json:
        """The body as JSON."""
        return json.loads(self.body) if self.body else {}


class Answer(Struct, frozen=True):
    """``text`` is sent as it is; else ``content`` as JSON."""

    content: Json = None
    status: int = 200
    text: str | None = None


class Fault(Struct):
    """What goes wrong with the next ``count`` requests to a target (a glob)."""

    where: str
    how: Literal["reset", "delay", "answer"] = "reset"
    when: Literal["before", "after"] = "after"  # the exchange did what was asked, or never saw it
    count: int = 1
    seconds: float = 1.0  # of delay
    answer: Answer = Answer()


class Refused(Exception):
    """The practice exchange said no: Binance's code and words."""

    def __init__(self, code: int, msg: str):
        super().__init__(f"{code} {msg}")
        self.code, self.msg = code, msg


class Account(Struct, frozen=True):
    """What a client needs to trade: in the exchange's own form. The practice exchange knows the account by ``key``."""

    key: str
    secret: str
    passphrase: str = ""


class Translator:
    """One exchange. A subclass names its ``exchange`` as ccxt does, fills ``routes`` and says how secrets look.

    A route takes what was asked and gives its answer, or any JSON. It may raise Refused, which `refusal` translates.
    """

    exchange: ClassVar[str]

    def __init__(self, practice: Running):
        self.practice = practice
        self.routes: dict[str, Callable[[Asked], Json]] = {}  # a glob over targets -> its answer; the first one counts
        self.accounts: dict[str, Account] = {}
        self.faults: list[Fault] = []
        self.seen: list[Asked] = []
        self.url = ""
        self._http = httpx.Client(base_url=practice.url, timeout=10)

    # What an exchange says about itself

    def secret_of(self, key: str) -> tuple[str, str]:
        """The secret and passphrase of a new key."""
        return f"secret-of-{key}", ""

    def refusal(self, no: Refused, asked: Asked) -> Answer:
        """How the exchange says what the practice exchange refused."""
        raise NotImplementedError

    # For tests

    def new_account(self, coins: str = "USDT=100000,BTC=10") -> Account:
        key = new_key(self.practice, coins)
        self.accounts[key] = Account(key, *self.secret_of(key))
        return self.accounts[key]

    # For routes

    def public(self, path: str, **params: Any) -> Json:
        """``public("depth", symbol="BTCUSDT")``: what the practice exchange answers anybody. Raises Refused."""
        return self._told(self._http.get(f"/api/v3/{path}", params=params))

    def private(self, account: Account, method: str, path: str, **params: Any) -> Json:
        """``private(account, "POST", "order", ...)``: the same with the account's signature. A path that begins with
        "/" is taken as it is. Raises Refused."""
        signed = urlencode({name: value for name, value in params.items() if value is not None})
        signed += f"&timestamp={int(time.time() * 1000)}&recvWindow=60000"
        signature = hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).hexdigest()
        address = path if path.startswith("/") else f"/api/v3/{path}"
        url = f"{address}?{signed}&signature={signature}"
        return self._told(self._http.request(method, url, headers={"X-MBX-APIKEY": account.key}))

    @staticmethod
    def _told(response: httpx.Response) -> Json:
        content = response.json()
        if response.status_code != 200:
            raise Refused(content["code"], content["msg"])
        return content

    # Serving

    def answer(self, asked: Asked) -> Answer:
        for target, route in self.routes.items():
            if fnmatchcase(asked.target, target):
                try:
                    content = route(asked)
                except Refused as no:
                    return self.refusal(no, asked)
                return content if isinstance(content, Answer) else Answer(content)
        raise AssertionError(f"{self.exchange}: no route for {asked.target}")  # an endpoint nobody has written yet

    def struck(self, asked: Asked, when: str) -> Fault | None:
        for fault in self.faults:
            if fault.count > 0 and fault.when == when and fnmatchcase(asked.target, fault.where):
                fault.count -= 1
                return fault
        return None

    def close(self) -> None:
        self._http.close()


@contextlib.contextmanager
def serving(translator: Translator) -> Iterator[str]:
    """Its address, while it is served; ``translator.url`` says it, too."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
            at = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, at.path, at.query, body, headers)
            translator.seen.append(asked)
            fault = translator.struck(asked, "before")
            answer = None if fault is not None and fault.how != "delay" else translator.answer(asked)
            fault = fault or translator.struck(asked, "after")
            if fault is not None and fault.how == "delay":
                time.sleep(fault.seconds)
            elif fault is not None and fault.how == "reset":
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            elif fault is not None:
                answer = fault.answer
            assert answer is not None
            self._say(answer)

        do_POST = do_DELETE = do_PUT = do_GET

        def _say(self, answer: Answer) -> None:
            text = json.dumps(answer.content) if answer.text is None else answer.text
            self.send_response(answer.status)
            self.send_header("content-type", "application/json" if answer.text is None else "text/html")
            self.send_header("content-length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    translator.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield translator.url
    finally:
        server.shutdown()
        server.server_close()
        translator.close()
