"""A practice exchange whose market stands until it is moved, and the feed that reads it over real sockets."""

import contextlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from practice.running import Running, running
from trade_mcp.clock import LiveClock
from trade_mcp.domain.market import timeframe_delta
from trade_mcp.feeds.ccxt import CcxtFeed, ccxt_feed
from trade_mcp.quant.candles import Candles
from trade_mcp.venues.exchange import Exchange

BTC, ETH = "BTC/USDT", "ETH/USDT"
KLINES, TICKERS, DEPTH = "GET /api/v3/klines", "GET /api/v3/ticker/24hr", "GET /api/v3/depth"


class Live:
    """The exchange, its control port, and what its market shows as its time."""

    def __init__(self, exchange: Running, feed: CcxtFeed):
        self.exchange, self.control, self.feed = exchange, exchange.control, feed

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.exchange.practice.exchange.time.shown_ms(self._time.market()) / 1000, UTC)

    @property
    def _time(self) -> Any:
        return self.exchange.practice.exchange.time

    def to_second(self, second: float) -> datetime:
        """Move on to so many seconds after the next full minute; answers the market's time."""
        now = self.now
        target = now.replace(second=0, microsecond=0) + timedelta(minutes=1, seconds=second)
        self.control.move_on((target - now).total_seconds())
        return self.now

    def answer(self, where: str, body: Any, **more: Any) -> None:
        """Let the exchange answer ``body`` with status 200, whatever is true."""
        self.control.add({"fault": "answer", "where": where, "status": 200, "body": body, **more})

    def kline(self, symbol: str, open_at: datetime, *, timeframe: str = "1m") -> list[Any]:
        """The row that the exchange itself shows for a bar."""
        rows = self.exchange.client().publicGetKlines(
            {"symbol": symbol.replace("/", ""), "interval": timeframe, "startTime": _ms(open_at), "limit": 1}
        )
        return list(rows[0])


@contextlib.contextmanager
def live(folder: Path, *, symbols: Sequence[str] = (BTC, ETH), speed: float = 0.0, **options: Any) -> Iterator[Live]:
    """The feed of ``symbols`` on an exchange of its own; it does not listen until it is told to."""
    with running(folder, speed=1.0, **options) as exchange:
        exchange.control.set_speed(speed)
        reached = Exchange("binance", clock=LiveClock(), folder=folder, url=exchange.url)
        feed = ccxt_feed(reached, symbols, own_time=True)
        try:
            yield Live(exchange, feed)
        finally:
            feed.close()


def holes(candles: Candles) -> list[int]:
    """How many bars are missing at each gap."""
    step = timeframe_delta(candles.timeframe) // timedelta(milliseconds=1)
    gaps = np.diff(candles.open_ms) // step - 1
    return [int(gap) for gap in gaps if gap]


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
