"""What each exchange can do for the desk, from ccxt's own words, offline."""

import ccxt
import pytest

from trade_mcp.venues.capabilities import UNTRIED, Capabilities, capabilities
from trade_mcp.venues.ccxt_names import Names, client_id

TABLE = {  # what is missing, stops, pairs, take-profits, post-only, market buys by size, IOC and FOK
    "binance": ((), True, True, True, True, True, {"IOC", "FOK"}),
    "bybit": ((), False, False, False, True, False, {"IOC", "FOK"}),
    "kraken": ((), True, False, True, True, False, {"IOC", "FOK"}),
    "okx": ((), False, False, False, True, False, {"IOC", "FOK"}),
    "coinbase": ((), False, False, False, True, False, {"IOC", "FOK"}),
}
LONG = "0123456789abcdef0123456789abcdef-stop-1"


def of(name: str) -> Capabilities:
    client = getattr(ccxt, name)()
    return capabilities(name, client.has, client.features["spot"])


@pytest.mark.parametrize("name", TABLE)
def test_the_table(name: str) -> None:
    can = of(name)
    missing, stops, pairs, take_profits, post_only, market_buys, times = TABLE[name]
    assert can.missing == missing
    assert (can.stops, can.pairs, can.take_profits, can.post_only) == (stops, pairs, take_profits, post_only)
    assert (can.market_buys, can.times) == (market_buys, times)
    assert any("target" in each for each in can.watched) is not pairs
    assert any("nothing sells" in each for each in can.watched) is not stops


def test_an_exchange_that_says_little_is_not_traded_on() -> None:
    can = capabilities("nowhere", {"createOrder": True}, {})
    assert can.missing[0] == "ccxt cannot cancel them there"
    assert can.missing[-1] == UNTRIED and not can.stops


@pytest.mark.parametrize("name", TABLE)
def test_every_exchange_takes_the_ids_that_are_sent_to_it(name: str) -> None:
    dialect = of(name).dialect
    for order_id in ("a", "0123456789abcdef0123456789abcdef", LONG, "an_id-of-36-characters-0123456789abc"):
        sent = client_id(order_id, dialect)
        assert sent == client_id(order_id, dialect)
        assert len(sent) <= 36
        names = Names(dialect)
        names.book = lambda known=order_id: [known]
        assert names.back(sent) == order_id
    assert client_id("a1", dialect) != client_id("a2", dialect)
