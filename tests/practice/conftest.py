"""An exchange whose market stands still until a test moves it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from practice.running import Running, running

START = datetime(2025, 3, 1, 12, tzinfo=UTC)
OTHERS = ("reader:reader-secret:USDT=10:read", "hand:hand-secret:USDT=10000,BTC=0.5,ETH=2:read+trade+withdraw:hand")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    from practice.running import ACCOUNT

    accounts = (ACCOUNT, *OTHERS)
    with running(tmp_path_factory.mktemp("practice"), start=START, speed=0, accounts=accounts) as exchange:
        yield exchange


@pytest.fixture
def exchange(shared: Running) -> Iterator[Running]:
    """The exchange; afterwards without open orders, faults, bans and closed symbols."""
    yield shared
    shared.control.clear()
    shared.control.pardon()
    for symbol in ("BTCUSDT", "ETHUSDT"):
        shared.control.set_symbol(symbol, "TRADING")
    accounts = shared.control.status()["accounts"]
    for name, key, secret in ((shared.key, shared.key, shared.secret), ("hand", "hand", "hand-secret")):
        for symbol in {order["symbol"] for order in accounts[name]["open_orders"]}:
            shared.client(key, secret).private_delete_openorders({"symbol": symbol})


@pytest.fixture(scope="module")
def loaded(shared: Running) -> Any:
    client = shared.client(enableRateLimit=False)
    client.load_markets()
    return client


@pytest.fixture
def client(exchange: Running, loaded: Any) -> Any:
    """An unmodified ccxt.binance that knows its markets and does not wait between requests."""
    return loaded


@pytest.fixture
def price(client: Any) -> float:
    """What a bitcoin costs."""
    return float(client.fetch_ticker("BTC/USDT")["last"])
