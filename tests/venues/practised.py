"""A ccxt venue on a practice exchange whose market stands still until it is moved: what its tests stand on."""

import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path

from practice.running import Running, running
from trade_mcp.clock import LiveClock
from trade_mcp.venues import VENUES
from trade_mcp.venues.ccxt import CcxtVenue
from trade_mcp.venues.exchange import Exchange
from venues.bars import BTC, ETH, START, STEP, BarFeed, bars

SECRET = "a-secret-of-a-test"
COINS = "USDT=100000,BTC=10"
_numbers = itertools.count(1)


@contextlib.contextmanager
def practising(folder: Path, *prices: str) -> Iterator[Running]:
    """The exchange, at the first of ``prices`` of BTC; a tenth of 1000 BTC may fill in each bar."""
    feed = BarFeed(bars(BTC, *(prices or ["100"] * 4)), bars(ETH, *["10"] * max(len(prices), 4)))
    with running(folder, feed=feed, accounts=("nobody:nothing:",), speed=0, start=START + STEP) as practice:
        yield practice


def new_key(practice: Running, coins: str = COINS, permissions: str = "") -> str:
    """The key of a new account."""
    key = f"key-{next(_numbers)}"
    practice.control.add_account(f"{key}:{SECRET}:{coins}" + (f":{permissions}" if permissions else ""))
    return key


def exchange_of(practice: Running, folder: Path, key: str, secret: str = SECRET, **given: str) -> Exchange:
    given = {"url": practice.url} | given
    return Exchange("binance", clock=LiveClock(), folder=folder, key=key, secret=secret, **given)  # type: ignore[arg-type]


def venue_of(practice: Running, folder: Path, key: str = "") -> CcxtVenue:
    """A venue that looks at the account as often as it is asked to."""
    exchange = exchange_of(practice, folder, key or new_key(practice))
    venue = VENUES["ccxt"](exchange, exchange.clock, account="practice:test", symbols=(BTC, ETH))
    assert isinstance(venue, CcxtVenue)
    venue.poll_s = 0.0
    return venue
