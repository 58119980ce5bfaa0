"""Weights: what each request costs, and what happens to who spends too much: 429, and if that is ignored, 418.

Weights are those of Binance's REST documentation (spot); ccxt's costs are a fifth of them.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from trade_mcp.practice.errors import ApiError
from trade_mcp.practice.params import Params

IGNORED = 10  # this many 429 in a row make an address banned (assumed)
BAN_S = 120  # the first ban; it doubles up to three days (published range)
LONGEST_BAN_S = 3 * 86_400
TEN_S, DAY_S = WINDOWS = 10, 86_400  # of the unfilled orders
MAKER_CREDIT = 5  # orders that a first fill as maker gives back
DEPTH = ((100, 5), (500, 25), (1000, 50), (5000, 250))


def _depth(params: Params) -> int:
    limit = params.integer("limit") or 100
    return next((weight for most, weight in DEPTH if limit <= most), DEPTH[-1][1])


def _tickers(single: int, all_: int) -> Callable[[Params], int]:
    return lambda params: single if params.has("symbol") else all_


def _day_tickers(params: Params) -> int:
    if params.has("symbol"):
        return 2
    several = (params.text("symbols") or "").count(",") + 1 if params.has("symbols") else 101
    return 2 if several <= 20 else 40 if several <= 100 else 80


WEIGHTS: dict[str, int | Callable[[Params], int]] = {
    "GET exchangeInfo": 20,
    "GET depth": _depth,
    "GET trades": 25,
    "GET historicalTrades": 25,
    "GET aggTrades": 4,
    "GET klines": 2,
    "GET uiKlines": 2,
    "GET avgPrice": 2,
    "GET ticker/24hr": _day_tickers,
    "GET ticker/price": _tickers(2, 4),
    "GET ticker/bookTicker": _tickers(2, 4),
    "POST order/test": lambda params: 20 if params.text("computeCommissionRates") == "true" else 1,
    "GET order": 4,
    "GET openOrders": _tickers(6, 80),
    "GET allOrders": 20,
    "GET orderList": 4,
    "GET openOrderList": 6,
    "GET allOrderList": 20,
    "GET account": 20,
    "GET account/commission": 20,
    "GET myTrades": lambda params: 5 if params.has("orderId") else 20,
    "GET rateLimit/order": 40,
}


def weight_of(name: str, params: Params) -> int:
    """Weight of ``GET account`` and the like; 1 for what is not listed."""
    weight = WEIGHTS.get(name, 1)
    return weight if isinstance(weight, int) else weight(params)


class Limits:
    """Counts per address and per account, in real time."""

    def __init__(self, *, weight: int, orders_10s: int, orders_day: int, clock: Callable[[], float]):
        self.weight, self.orders_10s, self.orders_day, self._clock = weight, orders_10s, orders_day, clock
        self._used: dict[str, tuple[int, int]] = {}
        self._ignored: dict[str, int] = defaultdict(int)
        self._bans: dict[str, tuple[float, int]] = {}  # until, and how long the last was
        self._orders: dict[str, dict[tuple[int, int], int]] = defaultdict(dict)

    def used(self, address: str) -> int:
        """Weight of this minute."""
        minute, used = self._used.get(address, (0, 0))
        return used if minute == self._minute() else 0

    def spend(self, address: str, weight: int) -> None:
        """Raises 429 over the limit, 418 while banned. What is refused is not counted."""
        now = self._clock()
        until, length = self._bans.get(address, (0.0, 0))
        if now < until:
            raise self._banned(until)
        used = self.used(address) + weight
        if used <= self.weight:
            self._used[address] = self._minute(), used
            self._ignored[address] = 0
            return
        self._ignored[address] += 1
        if self._ignored[address] > IGNORED:
            self._ignored[address] = 0
            raise self.ban(address, min(max(2 * length, BAN_S), LONGEST_BAN_S))
        raise self.limited(int(60 - now % 60) + 1)

    def limited(self, retry_after_s: int) -> ApiError:
        return ApiError(
            -1003,
            f"Too much request weight used; current limit is {self.weight} request weight per 1 MINUTE. Please use"
            " WebSocket Streams for live updates to avoid polling the API.",
            status=429,
            retry_after_s=retry_after_s,
        )

    def ban(self, address: str, seconds: float) -> ApiError:
        """Ban an address from now on; what it is told."""
        until = self._clock() + seconds
        self._bans[address] = until, int(seconds)
        return self._banned(until)

    def pardon(self) -> None:
        """Lift every ban."""
        self._bans.clear()
        self._ignored.clear()
        self._used.clear()

    def orders(self, account: str) -> tuple[int, int]:
        """Unfilled orders of these ten seconds and of this day (UTC)."""
        counts = self._orders[account]
        return tuple(counts.get(self._window(length), 0) for length in WINDOWS)  # type: ignore[return-value]

    def room(self, account: str, count: int = 1) -> None:
        """Raises -1015 if so many more orders would be too many."""
        recent, day = self.orders(account)
        if recent + count > self.orders_10s:
            raise self._too_many(f"{self.orders_10s} orders per 10 SECOND", TEN_S)
        if day + count > self.orders_day:
            raise self._too_many(f"{self.orders_day} orders per 1 DAY", DAY_S)

    def count(self, account: str, orders: int = 1) -> None:
        """So many more unfilled orders; below 0 fewer, but never less than none."""
        counts = {self._window(length): 0 for length in WINDOWS}
        for window in counts:
            counts[window] = max(self._orders[account].get(window, 0) + orders, 0)
        self._orders[account] = counts

    @contextmanager
    def placing(self, account: str, count: int = 1) -> Iterator[None]:
        """Count orders that are placed inside; refused ones do not count. Raises -1015."""
        self.room(account, count)
        self.count(account, count)
        try:
            yield
        except ApiError:
            self.count(account, -count)
            raise

    def traded(self, account: str, event: Mapping[str, Any]) -> None:
        """Hear of an event: an order that trades does not count, and one that waited for it gives back more."""
        if event["e"] == "executionReport" and event["x"] == "TRADE" and event["z"] == event["l"]:
            self.count(account, -MAKER_CREDIT if event["m"] else -1)

    def _window(self, length_s: int) -> tuple[int, int]:
        return length_s, int(self._clock() // length_s)

    def _too_many(self, limit: str, window_s: int) -> ApiError:
        wait_s = int(window_s - self._clock() % window_s) + 1
        return ApiError(-1015, f"Too many new orders; current limit is {limit}.", status=429, retry_after_s=wait_s)

    def _banned(self, until: float) -> ApiError:
        return ApiError(
            -1003,
            f"Way too much request weight used; IP banned until {int(until * 1000)}. Please use WebSocket Streams for"
            " live updates to avoid bans.",
            status=418,
            retry_after_s=max(1, int(until - self._clock()) + 1),
        )

    def _minute(self) -> int:
        return int(self._clock() // 60)
