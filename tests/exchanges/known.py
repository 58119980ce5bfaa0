"""Known: the exchanges besides Binance that the desk is tried on, each with the server that speaks like it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from exchanges.bybit import Bybit
from exchanges.coinbase import Coinbase
from exchanges.kraken import Kraken
from exchanges.okx import Okx
from exchanges.translator import Account, Translator, serving
from practice.running import Running
from trade_mcp.clock import LiveClock
from trade_mcp.venues.ccxt import CcxtVenue
from trade_mcp.venues.exchange import Exchange
from venues.bars import BTC, ETH

TRANSLATORS: dict[str, type[Translator]] = {"bybit": Bybit, "coinbase": Coinbase, "kraken": Kraken, "okx": Okx}


def exchange_at(translator: Translator, folder: Path, account: Account | None = None) -> Exchange:
    """Unmodified ccxt of the exchange, pointed at ``translator``; without an account it is asked for prices alone."""
    account = account or Account("", "")
    exchange = Exchange(
        translator.exchange,
        clock=LiveClock(),
        folder=folder,
        key=account.key,
        secret=account.secret,
        passphrase=account.passphrase,
        url=translator.url,
    )
    for client in (exchange.reads, exchange.entries, exchange.exits):
        client.enableRateLimit = False  # a translator counts no requests, and nobody waits for it
    exchange.budget.calls = None
    return exchange


def venue_at(translator: Translator, folder: Path, account: Account | None = None) -> CcxtVenue:
    """A venue that looks at the account as often as it is asked to."""
    exchange = exchange_at(translator, folder, account or translator.new_account())
    venue = CcxtVenue(exchange, exchange.clock, account=f"{translator.exchange}:test", symbols=(BTC, ETH))
    venue.poll_s = 0.0
    return venue


@contextlib.contextmanager
def translated(name: str, practice: Running) -> Iterator[Translator]:
    """The exchange ``name``, which trades on ``practice``."""
    translator = TRANSLATORS[name](practice)
    with serving(translator):
        yield translator
