"""A market written down bar by bar, a clock set by hand, and orders with sane defaults: what venue tests stand on."""

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from trade_mcp.domain.errors import NoPrice, UnknownSymbol
from trade_mcp.domain.market import Bar, Quote, timeframe_delta
from trade_mcp.domain.order import Order, OrderType, Role, Side, Source
from trade_mcp.feeds.recorded import Recorded
from trade_mcp.quant.candles import Candles, ms_of

START = datetime(2024, 1, 1, 12, tzinfo=UTC)
STEP = timedelta(minutes=5)
BTC, ETH = "BTC/USDT", "ETH/USDT"


def bars(symbol: str, *prices: str, volume: str = "1000", start: datetime = START, step: timedelta = STEP) -> list[Bar]:
    """Bars one after the other from ``start``; each is "close" or "open high low close"."""
    made = []
    for index, text in enumerate(prices):
        numbers = [Decimal(number) for number in text.split()]
        open_, high, low, close = numbers if len(numbers) == 4 else numbers * 4
        at = start + index * step
        made.append(Bar(symbol, at, at + step, open_, high, low, close, Decimal(volume)))
    return made


class BarFeed(Recorded):
    """ports.Feed over a list of bars. Quotes are the last close, without a spread."""

    name = "bars"
    synthetic = True
    continuous = True
    timeframe = "5m"
    end = None

    def __init__(self, *each: Sequence[Bar], identity: str = "bars"):
        self._bars = {of[0].symbol: list(of) for of in each}
        self.symbols = tuple(self._bars)
        self.identity = identity
        self.start = min(of[0].close_at for of in self._bars.values())

    def candles(self, symbol: str, timeframe: str, *, now: datetime, limit: int) -> Candles:
        seen = [bar for bar in self._of(symbol) if bar.close_at <= now][-limit:]
        columns = ([float(getattr(bar, name)) for bar in seen] for name in ("open", "high", "low", "close", "volume"))
        return Candles(symbol, timeframe, np.array([ms_of(b.open_at) for b in seen]), *map(np.array, columns))

    def quote(self, symbol: str, *, now: datetime) -> Quote:
        last = next((bar for bar in reversed(self._of(symbol)) if bar.close_at <= now), None)
        if last is None:
            raise NoPrice(f"no {symbol} price at {now}")
        due = last.close_at + timeframe_delta(self.timeframe)
        return Quote(symbol, last.close, last.close, at=last.close_at, due_at=due, synthetic=True)

    def bars(self, symbol: str, *, after: datetime, until: datetime) -> Sequence[Bar]:
        return [bar for bar in self._of(symbol) if after < bar.close_at <= until]

    def _of(self, symbol: str) -> Iterable[Bar]:
        if symbol not in self._bars:
            raise UnknownSymbol(symbol, self.symbols)
        return self._bars[symbol]


class HandClock:
    """ports.Clock: market time stands where it was put; real time is real."""

    def __init__(self, at: datetime = START + STEP):
        self.at = at

    def market(self) -> datetime:
        return self.at

    def real(self) -> datetime:
        return datetime.now(UTC)

    def boot(self) -> float:
        return time.monotonic()

    def bars_on(self, count: int = 1) -> None:
        """``count`` bars later."""
        self.at += count * STEP


def order(order_id: str, side: Side = Side.BUY, size: str = "1", **given: Any) -> Order:
    """An order of BTC/USDT, to be sent within an hour: some are made when a test file is read. Prices may be text."""
    now = datetime.now(UTC)
    for name in ("limit_price", "trigger_price"):
        if name in given:
            given[name] = Decimal(given[name])
    usual: dict[str, Any] = {
        "symbol": BTC,
        "type": OrderType.MARKET,
        "role": Role.ENTRY,
        "source": Source.LOOP,
        "at": START,
        "real_at": now,
        "send_by": now + timedelta(hours=1),
        "worst_price": Decimal(110 if side is Side.BUY else 0),  # what the desk has reserved for a purchase
    }
    return Order(order_id=order_id, side=side, size=Decimal(size), **(usual | given))


def limit(order_id: str, side: Side = Side.BUY, size: str = "1", *, price: str, **given: Any) -> Order:
    return order(order_id, side, size, type=OrderType.LIMIT, limit_price=price, **given)


def stop(order_id: str, side: Side = Side.SELL, size: str = "1", *, trigger: str, **given: Any) -> Order:
    return order(order_id, side, size, type=OrderType.STOP, trigger_price=trigger, **given)
