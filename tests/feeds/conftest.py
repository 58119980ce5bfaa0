"""A paper desk at the prices of the test's exchange."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from trade_mcp.app import App, build
from trade_mcp.settings import load_settings

from .exchanges import BTC, ETH, Live


@pytest.fixture
def desk(market: Live, tmp_path: Path) -> Iterator[Callable[..., App]]:
    """A paper desk on the exchange's prices, as a program of the desk opens it."""
    opened: list[App] = []

    def begin(program: str = "test", **feed: Any) -> App:
        env = {"TRADE_MCP_EXCHANGE_URL": market.exchange.url, "TRADE_MCP_DESK__DATA_DIR": str(tmp_path / "desk")}
        own = {"desk": {"exchange": "binance", "symbols": [BTC, ETH]}, "feed": {"name": "ccxt", **feed}}
        opened.append(build(load_settings(env=env, overrides=own), program))
        opened[-1].heartbeats.beat("watch", {})
        return opened[-1]

    yield begin
    for app in opened:
        app.close()
