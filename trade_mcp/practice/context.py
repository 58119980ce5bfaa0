"""Context: what every endpoint works with."""

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

from trade_mcp.practice.accounts import Key
from trade_mcp.practice.exchange import Exchange
from trade_mcp.practice.faults import Faults
from trade_mcp.practice.params import Params
from trade_mcp.practice.weights import Limits

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


def new_client_id() -> str:
    """An id such as the exchange makes for who sends none: 22 characters."""
    return "".join(secrets.choice(LETTERS) for _ in range(22))
