"""Service: the whole exchange built from a feed, its accounts and its books; everything but the sockets.

One event loop owns it. `Practice.run` is its heart: it brings the books up to market time and tells who listens.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

from trade_mcp import logs
from trade_mcp.domain.instrument import Instrument
from trade_mcp.domain.matching import Friction
from trade_mcp.ports import Feed
from trade_mcp.practice.accounts import Key
from trade_mcp.practice.books import Books
from trade_mcp.practice.context import Context
from trade_mcp.practice.exchange import Exchange
from trade_mcp.practice.faults import Fault, Faults
from trade_mcp.practice.listing import list_pairs
from trade_mcp.practice.market import Market
from trade_mcp.practice.teller import Event, Listener
from trade_mcp.practice.time import ExchangeTime, first_anchor
from trade_mcp.practice.weights import Limits
from trade_mcp.venues.metadata import typical_prices

BEAT_S = 0.05  # real seconds between two looks at the market
AFTER_FAILURE_S = 1.0
PAST = timedelta(days=30)  # of recorded prices that lie before the first moment, at most a quarter of them


class Practice:
    """One exchange. ``listeners`` hear what user streams say; ``beats`` are called after every look at the market."""

    def __init__(self, context: Context, listeners: list[Listener]):
        self.context, self.exchange, self.faults = context, context.exchange, context.faults
        self.listeners = listeners
        self.beats: list[Callable[[], None]] = []

    async def run(self) -> NoReturn:
        """Keep up with the market until cancelled."""
        while True:
            pause = BEAT_S
            try:
                self.exchange.advance()
                for beat in self.beats:
                    beat()
            except Exception as error:  # a price that cannot be had now ends no exchange
                logs.incident("the market was not looked at", error)
                pause = AFTER_FAILURE_S
            await asyncio.sleep(pause)

    def add_accounts(self, keys: Iterable[Key]) -> None:
        """Let these keys in; accounts that are new get their deposit."""
        for key in keys:
            self.context.uids[key.account] = self.exchange.open_account(key.account, key.deposit)
            self.context.keys[key.key] = key

    def kill(self) -> NoReturn:
        """End this process as a power cut would."""
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("SIGKILL was survived")

    def close(self) -> None:
        self.exchange.books.close()


def open_practice(
    feed: Feed,
    keys: Mapping[str, Key],
    *,
    state: Path,
    speed: float | None = None,
    start: datetime | None = None,
    info: Path | None = None,
    faults: Sequence[Fault] = (),
    seed: int = 0,
    friction: Friction | None = None,
    real: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Practice:
    """The exchange whose books are ``state``; new books begin at market time ``start``.

    ``speed`` None is that of the books, 1 for new ones. ``info`` is a file with the answer of a real exchangeInfo.
    Raises BadConfig, ForeignDatabase, ForeignLedger.
    """
    listing = list_pairs(feed.symbols, path=info, prices=typical_prices(feed))
    instruments: dict[str, Instrument] = {pair.symbol: pair.instrument for pair in listing.pairs.values()}
    if start is None and feed.end is not None:
        begin = feed.start + min(PAST, (feed.end - feed.start) / 4)
    else:
        begin = feed.start
    anchor = first_anchor(
        begin, endless=feed.end is None, start=start, speed=1.0 if speed is None else speed, real=real()
    )
    books = Books(state, feed=feed.identity, anchor=anchor)
    time = ExchangeTime(books.anchor, real=real, end=feed.end)

    def seconds() -> float:
        return real().timestamp()

    limits = Limits(
        weight=listing.limit("REQUEST_WEIGHT", "MINUTE"),
        orders_10s=listing.limit("ORDERS", "SECOND"),
        orders_day=listing.limit("ORDERS", "DAY"),
        clock=seconds,
    )
    listeners: list[Listener] = []

    def tell(account: str, events: Sequence[Event]) -> None:
        for event in events:
            limits.traded(account, event)
        for listener in listeners:
            listener(account, events)

    exchange = Exchange(
        books,
        Market(feed, instruments, friction or Friction()),
        listing,
        time=time,
        faults=Faults(seed=seed, clock=seconds),
        tell=tell,
    )
    if speed is not None and speed != time.anchor.speed:
        exchange.set_speed(speed)
    practice = Practice(Context(exchange, {}, {}, limits, clock=seconds), listeners)
    practice.add_accounts(keys.values())
    practice.faults.add(faults)
    return practice
