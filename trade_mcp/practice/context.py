"""Context: what every endpoint works with."""

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

from trade_mcp.practice.accounts import Key
from trade_mcp.practice.errors import ApiError
from trade_mcp.practice.exchange import Exchange
from trade_mcp.practice.faults import Faults
from trade_mcp.practice.listing import Pair
from trade_mcp.practice.params import Params
from trade_mcp.practice.weights import Limits

DAY_MS = 86_400_000
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class Context:
    """The exchange, who may use it, how much, and what goes wrong."""

    def __init__(
        self,
        exchange: Exchange,
        keys: dict[str, Key],
        uids: dict[str, int],
        limits: Limits,
        *,
        clock: Callable[[], float],
    ):
        self.exchange, self.keys, self.uids, self.limits, self._clock = exchange, keys, uids, limits, clock
        self.new_id: Callable[[], str] = new_client_id

    @property
    def faults(self) -> Faults:
        return self.exchange.faults

    def account_of(self, key: str) -> str:
        """Whose ``key`` is; "" if nobody's."""
        known = self.keys.get(key)
        return "" if known is None else known.account

    def market_at(self, target: str) -> datetime:
        """The market time whose prices ``target`` shows: now, or since when they stand still."""
        since = self.faults.stale_since(target)
        now = self.exchange.time.market()
        if since is None:
            return now
        return now - timedelta(seconds=(self._clock() - since) * self.exchange.time.anchor.speed)


class Call:
    """One request at an endpoint: its parameters, whose it is, and the market time its prices are of."""

    def __init__(self, context: Context, params: Params, *, key: Key | None, at: datetime):
        self.context, self.params, self.at = context, params, at
        self.exchange = context.exchange
        self._key = key

    @property
    def key(self) -> Key:
        assert self._key is not None, "the route asks for a key"
        return self._key

    @property
    def account(self) -> str:
        return self.key.account

    def pair(self) -> Pair:
        """That of ``symbol``. Raises -1102, -1121."""
        return self.exchange.pair(self.params.need("symbol"))

    def day_span(self) -> tuple[int | None, int | None]:
        """startTime and endTime, at most a day apart. Raises -1127."""
        start, end = self.params.integer("startTime"), self.params.integer("endTime")
        if start is not None and end is not None and end - start > DAY_MS:
            raise ApiError(-1127, "More than 24 hours between startTime and endTime.")
        return start, end


def new_client_id() -> str:
    """An id such as the exchange makes for who sends none: 22 characters."""
    return "".join(secrets.choice(LETTERS) for _ in range(22))
