"""A practice exchange for tests: in a thread of this process, or in one of its own that can be killed."""

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import ccxt

from server.serving import environment, free_port, reachable, until
from trade_mcp.domain.errors import TradeError
from trade_mcp.feeds.synthetic import synthetic_feed
from trade_mcp.ports import Feed
from trade_mcp.practice.accounts import parse_accounts
from trade_mcp.practice.faults import parse_faults
from trade_mcp.practice.remote import Remote
from trade_mcp.practice.service import Practice, open_practice
from trade_mcp.practice.serving import serve

KEY, SECRET = "practice-key", "practice-secret"
ACCOUNT = f"{KEY}:{SECRET}:USDT=10000,BTC=0.5"
Fault = Mapping[str, Any]


class Running:
    """Where the exchange is and who may trade there. ``practice`` is the thing itself, when it runs in a thread."""

    key, secret = KEY, SECRET

    def __init__(self, port: int, control_port: int, *, practice: Practice | None = None):
        self.port, self.control_port = port, control_port
        self.url, self.ws_url = f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}"
        self.control = Remote(f"http://127.0.0.1:{control_port}")
        self._practice = practice

    @property
    def practice(self) -> Practice:
        """Only to look at: its thread owns it."""
        assert self._practice is not None, "it runs in a process of its own"
        return self._practice

    def client(self, key: str = KEY, secret: str = SECRET, **config: Any) -> "ccxt.binance":
        """An unmodified ccxt.binance pointed here."""
        return pointed(ccxt.binance({"apiKey": key, "secret": secret, **config}), self)

    def socket_client(self, key: str = KEY, secret: str = SECRET, **config: Any) -> Any:
        """An unmodified ccxt.pro.binance pointed here; its user closes it."""
        import ccxt.pro

        return pointed(ccxt.pro.binance({"apiKey": key, "secret": secret, **config}), self)


def pointed(client: Any, at: Running) -> Any:
    """``client`` with every address replaced, and a start that asks for exchangeInfo alone."""
    for name, address in list(client.urls["api"].items()):
        if isinstance(address, str):
            client.urls["api"][name] = at.url + "/" + address.split("/", 3)[3]
    if "ws" in client.urls["api"]:
        client.urls["api"]["ws"]["spot"] = f"{at.ws_url}/ws"
        client.urls["api"]["ws"]["ws-api"]["spot"] = f"{at.ws_url}/ws-api/v3"
    client.options["fetchMarkets"]["types"] = ["spot"]
    client.options["fetchMargins"] = False
    client.has["fetchCurrencies"] = False
    return client


@contextlib.contextmanager
def running(
    folder: Path,
    *,
    feed: Feed | None = None,
    accounts: Sequence[str] = (ACCOUNT,),
    speed: float = 1.0,
    faults: Sequence[Fault] = (),
    seed: int = 0,
    **options: Any,
) -> Iterator[Running]:
    """The exchange in a thread, its books in ``folder``/practice.db; ``options`` are `open_practice`'s."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    opened: list[Practice] = []
    failed: list[BaseException] = []
    started, stop = threading.Event(), threading.Event()

    def open_() -> Practice:
        opened.append(
            open_practice(
                feed or synthetic_feed(),
                parse_accounts(accounts),
                state=folder / "practice.db",
                speed=speed,
                faults=parse_faults(list(faults)),
                seed=seed,
                **options,
            )
        )
        opened[0].kill = _not_here  # type: ignore[method-assign]
        return opened[0]

    def run() -> None:
        try:
            serve(open_, *listeners, stop=stop, started=started.set)
        except BaseException as error:
            failed.append(error)
        finally:
            started.set()

    thread = threading.Thread(target=run, name="practice", daemon=True)
    thread.start()
    assert started.wait(30), "the practice exchange did not start"
    if failed:
        raise failed[0]
    ports = [listener.getsockname()[1] for listener in listeners]
    exchange = Running(*ports, practice=opened[0])
    try:
        yield exchange
    finally:
        exchange.control.close()
        stop.set()
        thread.join(30)
        for listener in listeners:
            listener.close()
        assert not thread.is_alive(), "the practice exchange did not stop"


def _not_here() -> NoReturn:
    raise AssertionError("a thread cannot be killed: take running_child")


class Child(Running):
    """The exchange as a program: ``trade-mcp practice`` with its books in ``folder``, started again after a kill."""

    def __init__(self, folder: Path, *arguments: str, accounts: Sequence[str] = (ACCOUNT,)):
        super().__init__(free_port(), free_port())
        self._folder, self._more = folder, arguments
        self._accounts = [each for account in accounts for each in ("--account", account)]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        ports = ["--port", str(self.port), "--control-port", str(self.control_port)]
        command = [sys.executable, "-m", "trade_mcp", "practice", *ports, *self._accounts, *self._more]
        with (self._folder / "practice.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, env=environment(self._folder), cwd=self._folder, stdout=log, stderr=log
            )
        process = self.process
        until(lambda: process.poll() is not None or (reachable(self.port) and reachable(self.control_port)))
        assert process.poll() is None, (self._folder / "practice.log").read_text("utf-8")

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> None:
        self.control.close()
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)


@contextlib.contextmanager
def running_child(folder: Path, *arguments: str, accounts: Sequence[str] = (ACCOUNT,)) -> Iterator[Child]:
    """The exchange as a program of its own; ``arguments`` go to ``trade-mcp practice``."""
    child = Child(folder, *arguments, accounts=accounts)
    child.start()
    try:
        yield child
    finally:
        with contextlib.suppress(TradeError):
            child.stop()
