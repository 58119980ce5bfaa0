"""The door to an exchange: what may be wrong with it is said, with what to do, without the secret, before any order."""

import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import ccxt
import pytest
import requests

from practice.running import Running
from server.serving import free_port
from trade_mcp.app import build
from trade_mcp.clock import LiveClock
from trade_mcp.domain.errors import BadConfig, FeedError, TradeError, VenueRejected, VenueUnreachable
from trade_mcp.settings import load_settings
from trade_mcp.venues.exchange import Exchange, checked_name, proxies_for
from trade_mcp.venues.exchange_budget import Budget, Purpose
from trade_mcp.venues.exchange_errors import ERRORS, told, wait_asked
from trade_mcp.venues.exchange_key import check_key
from trade_mcp.venues.exchange_markets import Markets, kept_markets
from venues.practised import SECRET, exchange_of, new_key, practising

PAGE = b"<!DOCTYPE html><html><body>Sign in to the hotel network</body></html>"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def practice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with practising(tmp_path_factory.mktemp("practice")) as running:
        yield running


@contextmanager
def answering(body: bytes, status: int = 200, kind: str = "text/html") -> Iterator[str]:
    """A server that answers everything the same."""

    class Same(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Same)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def exchange(folder: Path, name: str = "binance", **given: Any) -> Exchange:
    return Exchange(name, clock=LiveClock(), folder=folder, **given)


def settings_of(folder: Path, *, key: str, secret: str, url: str, **desk: str) -> Any:
    env = {"TRADE_MCP_EXCHANGE_KEY": key, "TRADE_MCP_EXCHANGE_SECRET": secret, "TRADE_MCP_EXCHANGE_URL": url}
    usual = {"data_dir": str(folder / "desk"), "venue": "ccxt", "exchange": "binance", "symbols": "BTC/USDT"}
    return load_settings(env=env, overrides={"desk": usual | desk})


def refused(settings: Any) -> TradeError:
    """Why the desk of ``settings`` does not start."""
    with pytest.raises(TradeError) as said:
        build(settings, "tick").close()
    return said.value


# --- bad input, from the front door


def test_a_wrong_key_and_a_wrong_secret_each_say_what_to_check(practice: Running, tmp_path: Path) -> None:
    key = new_key(practice)
    for given, variable in (
        ({"key": "of-somebody-else", "secret": SECRET}, "TRADE_MCP_EXCHANGE_KEY"),
        ({"key": key, "secret": "not-the-secret"}, "TRADE_MCP_EXCHANGE_SECRET"),
        ({"key": "no key at all", "secret": SECRET}, "TRADE_MCP_EXCHANGE_KEY"),
    ):
        error = refused(settings_of(tmp_path, url=practice.url, **given))
        assert isinstance(error, BadConfig) and variable in error.hint
        assert given["secret"] not in str(error) and "signature" not in str(error)


def test_a_key_that_may_not_trade_or_may_withdraw_is_refused(practice: Running, tmp_path: Path) -> None:
    reader, thief = new_key(practice, permissions="read"), new_key(practice, permissions="read+trade+withdraw")
    error = refused(settings_of(tmp_path, key=reader, secret=SECRET, url=practice.url))
    assert "may not trade" in error.message and "allow spot trading" in error.hint
    error = refused(settings_of(tmp_path, key=thief, secret=SECRET, url=practice.url))
    assert "can withdraw" in error.message
    assert isinstance(error, BadConfig)


def test_a_key_that_is_not_there_is_asked_for_by_its_variable(practice: Running, tmp_path: Path) -> None:
    error = refused(settings_of(tmp_path, key="", secret="", url=practice.url))
    assert "TRADE_MCP_EXCHANGE_KEY and TRADE_MCP_EXCHANGE_SECRET" in error.message
    error = refused(settings_of(tmp_path, key="k", secret="s", url=practice.url, exchange="kraken", symbols="BTC/USD"))
    assert isinstance(error, VenueUnreachable | VenueRejected | BadConfig)


def test_an_unknown_exchange_names_the_nearest(tmp_path: Path) -> None:
    error = refused(settings_of(tmp_path, key="k", secret="s", url="http://127.0.0.1:1", exchange="binanse"))
    assert "desk.exchange = 'binanse'" in error.message and "binance" in error.hint
    with pytest.raises(BadConfig) as said:
        checked_name("qqqqqqqqqq")
    assert "such as binance" in said.value.hint
    with pytest.raises(BadConfig, match=r"desk\.exchange"):
        load_settings(env={}, overrides={"desk": {"venue": "ccxt"}})


def test_an_exchange_that_lacks_what_the_desk_needs_is_refused(tmp_path: Path) -> None:
    error = refused(settings_of(tmp_path, key="k", secret="s", url="http://127.0.0.1:1", exchange="gate"))
    assert "does not trade on gate" in error.message and "never tried" in error.message
    assert "prices" in error.hint
    with pytest.raises(BadConfig, match="no sandbox"):
        exchange(tmp_path, "kraken", sandbox=True)


def test_a_symbol_that_does_not_trade_there_names_the_nearest(practice: Running, tmp_path: Path) -> None:
    key = new_key(practice)
    error = refused(settings_of(tmp_path, key=key, secret=SECRET, url=practice.url, symbols="SOL/USDT"))
    assert "no spot market SOL/USDT" in error.message
    assert "did you mean" in error.hint


@pytest.mark.parametrize("status", [200, 403, 503])
def test_an_address_that_answers_a_page_says_so(tmp_path: Path, status: int) -> None:
    with answering(PAGE, status) as url:
        error = refused(settings_of(tmp_path, key="k", secret="s", url=url))
    assert isinstance(error, VenueUnreachable)
    assert "web page" in error.message and "TRADE_MCP_EXCHANGE_URL" in error.hint


def test_an_address_that_answers_other_json_says_so(tmp_path: Path) -> None:
    with answering(b'{"hello": "world"}', kind="application/json") as url:
        error = refused(settings_of(tmp_path, key="k", secret="s", url=url))
    assert isinstance(error, VenueUnreachable) and "TRADE_MCP_EXCHANGE_URL" in error.hint


def test_nobody_at_the_address_is_unreachable(tmp_path: Path) -> None:
    error = refused(settings_of(tmp_path, key="k", secret="s", url=f"http://127.0.0.1:{free_port()}"))
    assert isinstance(error, VenueUnreachable)


def test_a_dead_proxy_is_named_as_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://me:hunter22@127.0.0.1:{free_port()}")
    monkeypatch.setenv("NO_PROXY", "")
    with pytest.raises(VenueUnreachable) as said:
        exchange(tmp_path, key="k", secret="s", url="http://exchange.invalid").markets()
    error = said.value
    assert "proxy" in error.message and "HTTP_PROXY" in error.hint
    assert "hunter22" not in str(error)


# --- the clients


def test_every_address_of_every_client_is_the_base(practice: Running, tmp_path: Path) -> None:
    here = exchange_of(practice, tmp_path, "k")

    def addresses(of: Any) -> Iterator[str]:
        for each in of.values():
            if isinstance(each, Mapping):
                yield from addresses(each)
            else:
                yield each

    for client in (here.reads, here.entries, here.exits):
        assert {socket_of(each) for each in addresses(client.urls["api"])} == {practice.url.removeprefix("http://")}
    stream = here.stream_client()
    assert {socket_of(each) for each in addresses(stream.urls["api"])} == {practice.url.removeprefix("http://")}
    here.close()


def socket_of(address: str) -> str:
    return address.split("/")[2]


def test_nothing_resends_and_everything_ends(tmp_path: Path) -> None:
    for client in (exchange(tmp_path).reads, exchange(tmp_path).entries, exchange(tmp_path).exits):
        assert client.options["maxRetriesOnFailure"] == 0
        assert 0 < client.timeout <= 30_000
        assert client.session._pools.connection_pool_kw["retries"].total is False


def test_a_connection_broken_off_in_the_middle_is_not_sent_again(tmp_path: Path) -> None:
    heard: list[bytes] = []
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):  # closed at the end
            while True:
                connection, _ = server.accept()
                with connection:
                    heard.append(connection.recv(65536))
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")

    threading.Thread(target=serve, daemon=True).start()
    url = f"http://127.0.0.1:{server.getsockname()[1]}"
    here = exchange(tmp_path, key="k", secret="s", url=url)
    with pytest.raises(VenueUnreachable):
        here.call(Purpose.ENTRY, "private_post_order", {"symbol": "BTCUSDT"})
    assert len(heard) == 1
    server.close()


def test_this_machine_is_reached_without_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:3128")
    assert proxies_for({"public": "http://127.0.0.1:9100/api"}) == {}
    assert proxies_for("https://api.binance.com")["httpsProxy"] == "http://proxy:3128"
    monkeypatch.setenv("NO_PROXY", "binance.com")
    assert proxies_for("https://api.binance.com") == {}


def test_the_clock_is_measured_again_after_an_hour(practice: Running, tmp_path: Path) -> None:
    class Later(LiveClock):
        ahead = 0.0

        def boot(self) -> float:
            return super().boot() + self.ahead

    clock = Later()
    here = Exchange("binance", clock=clock, folder=tmp_path, url=practice.url)

    def look() -> None:
        here.call(Purpose.ACCOUNT, "fetch_ticker", "BTC/USDT")

    look()
    assert abs(here.offset_ms) < 1_000
    practice.control.add({"fault": "clock", "seconds": 5})
    try:
        look()
        assert abs(here.offset_ms) < 1_000
        clock.ahead = 3_601
        look()
        assert abs(here.offset_ms + 5_000) < 1_000
        assert all(each.options["timeDifference"] == here.offset_ms for each in (here.reads, here.entries, here.exits))
    finally:
        practice.control.clear()


def test_the_list_is_renewed_after_a_day_and_when_the_exchange_refuses_what_it_allows(
    practice: Running, tmp_path: Path
) -> None:
    class Later(LiveClock):
        ahead = timedelta()

        def real(self) -> datetime:
            return super().real() + self.ahead

        def boot(self) -> float:
            return super().boot() + self.ahead.total_seconds()

    clock = Later()
    here = Exchange("binance", clock=clock, folder=tmp_path, key=new_key(practice), secret=SECRET, url=practice.url)
    (counter,) = practice.control.add({"fault": "reset", "where": "GET /api/v3/exchangeInfo", "probability": 0.0})

    def asked() -> int:
        here.call(Purpose.ACCOUNT, "fetch_balance")
        (found,) = [fault["met"] for fault in practice.control.faults() if fault["number"] == counter]
        return int(found)

    def refused() -> None:
        with pytest.raises(VenueRejected):
            here.call(Purpose.ENTRY, "private_post_order", {
                "symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.000001"
            })  # fmt: skip

    try:
        first = here.markets()
        assert asked() == 1
        refused()
        assert asked() == 1  # the list was just made
        clock.ahead = timedelta(minutes=11)
        assert asked() == 2 and here.markets() is not first
        clock.ahead = timedelta(minutes=25)
        assert asked() == 2
        clock.ahead = timedelta(days=1, minutes=12)
        assert asked() == 3
    finally:
        practice.control.clear()


def test_what_a_key_may_do_is_asked_where_the_exchange_tells(practice: Running, tmp_path: Path) -> None:
    assert check_key(exchange_of(practice, tmp_path, new_key(practice))) == (True, False)


# --- errors


def answer(status: int, body: str = "{}", **headers: str) -> requests.Response:
    response = requests.Response()
    response.status_code, response._content = status, body.encode()
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return response


def raised(error: Exception, cause: Exception | None = None) -> Exception:
    try:
        raise error from cause
    except Exception as caught:
        return caught


def http(status: int, body: str = "{}", **headers: str) -> requests.HTTPError:
    return requests.HTTPError("no", response=answer(status, body, **headers))


CERTAIN = {
    "a refusal ccxt knows": raised(ccxt.InsufficientFunds("x"), http(400)),
    "found wrong before sending": raised(ccxt.InvalidOrder("x")),
    "a code ccxt does not know, with 4xx": raised(ccxt.ExchangeError("x"), http(400)),
    "the key": raised(ccxt.AuthenticationError("x"), http(401)),
    "halted": raised(ccxt.MarketClosed("x"), http(400)),
}
UNKNOWN = {
    "a refusal with 5xx": raised(ccxt.InvalidOrder("x"), http(503)),
    "a code ccxt does not know, with 200": raised(ccxt.ExchangeError("x")),
    "a broken answer": raised(ccxt.ExchangeError("x"), requests.exceptions.ChunkedEncodingError("x")),
    "TLS": raised(ccxt.ExchangeError("x"), requests.exceptions.SSLError("x")),
    "time-out": raised(ccxt.RequestTimeout("x"), requests.Timeout("x")),
    "reset": raised(ccxt.NetworkError("x"), requests.ConnectionError("x")),
    "too many requests": raised(ccxt.DDoSProtection("x"), http(429)),
    "internal": raised(ccxt.OperationFailed("x"), http(400)),
    "ccxt fell over it": raised(TypeError("x")),
    "a key revoked meanwhile": raised(ccxt.DDoSProtection('binance {"code":-2015,"msg":"x"}'), http(401)),
}


@pytest.mark.parametrize("what", CERTAIN)
def test_a_certain_no_is_a_rejection(what: str) -> None:
    assert isinstance(told(CERTAIN[what], "binance", "placing a"), VenueRejected)


@pytest.mark.parametrize("what", UNKNOWN)
def test_all_else_is_unknown(what: str) -> None:
    assert isinstance(told(UNKNOWN[what], "binance", "placing a"), VenueUnreachable)


def test_every_error_of_ccxt_has_a_row_or_is_unknown() -> None:
    kinds = [each for each in vars(ccxt).values() if isinstance(each, type) and issubclass(each, ccxt.BaseError)]
    bare = {each.__name__ for each in kinds if not any(issubclass(each, row.kind) for row in ERRORS)}
    assert bare == {
        "BaseError", "ExchangeError", "ExchangeClosedByUser", "InvalidAddress", "AddressPending",
        "InvalidProxySettings", "UnsubscribeError",
    }  # fmt: skip


def test_what_the_exchange_said_is_told_without_the_query() -> None:
    error = raised(ccxt.NetworkError("binance GET http://x/api/v3/order?timestamp=1&signature=abcdef"))
    assert "signature" not in str(told(error, "binance", "asking"))
    assert "http://x/api/v3/order" in told(error, "binance", "asking").message


def test_prices_fail_in_their_own_words(tmp_path: Path) -> None:
    with answering(PAGE) as url, pytest.raises(FeedError):
        exchange(tmp_path, url=url).call(Purpose.PRICES, "fetch_time")


def test_waiting_is_as_long_as_asked() -> None:
    assert wait_asked(raised(ccxt.DDoSProtection("x"), http(429, Retry_After="7")), "binance") == 7
    assert wait_asked(raised(ccxt.DDoSProtection("x"), http(418)), "binance") == 60
    assert (
        wait_asked(raised(ccxt.DDoSProtection("x"), http(429, '{"code":-1015,"msg":"Too many new orders"}')), "binance")
        is None
    )
    assert wait_asked(raised(ccxt.InvalidOrder("x"), http(400)), "binance") is None


# --- the budget


def test_prices_stop_before_entries_and_exits_never() -> None:
    budget = Budget(LiveClock(), header="X-W", limit=100)
    allowed = {}
    for used in (59, 60, 79, 80, 99):
        budget.note({"X-W": str(used)})
        allowed[used] = {purpose.value for purpose in Purpose if may(budget, purpose)}
    assert allowed == {
        59: {"prices", "account", "entry", "exit"},
        60: {"account", "entry", "exit"},
        79: {"account", "entry", "exit"},
        80: {"exit"},
        99: {"exit"},
    }


def test_a_ban_silences_everything_until_it_is_over() -> None:
    class Later(LiveClock):
        ahead = 0.0

        def boot(self) -> float:
            return super().boot() + self.ahead

    clock = Later()
    budget = Budget(clock, header=None, limit=None)
    budget.wait(30)
    assert not any(may(budget, purpose) for purpose in Purpose)
    clock.ahead = 31
    assert all(may(budget, purpose) for purpose in Purpose)


def may(budget: Budget, purpose: Purpose) -> bool:
    try:
        budget.check(purpose, "binance")
    except VenueUnreachable:
        return False
    return True


# --- the list of markets


def test_markets_are_asked_for_once_a_day(tmp_path: Path) -> None:
    file, asked = tmp_path / "markets" / "x.json", []

    def ask() -> Markets:
        asked.append(1)
        return Markets(NOW + timedelta(hours=len(asked)), [{"symbol": f"{len(asked)}"}], 6000)

    first = kept_markets(file, ask, now=NOW + timedelta(hours=1))
    assert kept_markets(file, ask, now=NOW + timedelta(hours=24)) == first
    assert len(asked) == 1
    assert kept_markets(file, ask, now=NOW + timedelta(hours=26)).spot == [
        {"symbol": "2"},
        {"symbol": "1", "active": False},
    ]
    assert len(asked) == 2


def test_an_old_list_is_used_while_the_exchange_is_silent_and_a_broken_one_never(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    kept = Markets(NOW, [{"symbol": "1"}])

    def ask() -> Markets:
        raise VenueUnreachable("nobody there")

    kept_markets(file, lambda: kept, now=NOW)
    assert kept_markets(file, ask, now=NOW + timedelta(days=9)) == kept
    file.write_text(json.dumps({"at": 1}))
    with pytest.raises(VenueUnreachable):
        kept_markets(file, ask, now=NOW)
