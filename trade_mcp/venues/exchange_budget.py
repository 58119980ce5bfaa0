"""Budget: how many requests an exchange still lets us make, and who may make them.

An exchange says in its answers how much of a minute's weight is used, or is known to count calls by the key and to
reduce that count as time goes by: then we count with it.

Prices are given up first, entries and looks at the account next; the rest is kept for cancels and exits. Whoever was
asked to wait (HTTP 429, 418) waits: more requests make a ban longer.
"""

from collections.abc import Mapping
from enum import Enum

from msgspec import Struct

from trade_mcp.domain.errors import VenueUnreachable
from trade_mcp.ports import Clock

MINUTE_S = 60.0


class Purpose(Enum):
    """Why a request is made."""

    PRICES = "prices"
    ACCOUNT = "account"  # what became of orders, fills, balances
    ENTRY = "entry"
    EXIT = "exit"  # cancels, protective and reducing orders


STOPS_AT = {Purpose.PRICES: 0.6, Purpose.ACCOUNT: 0.8, Purpose.ENTRY: 0.8, Purpose.EXIT: 1.0}  # share of the budget


class Counter(Struct, frozen=True):
    """A count of the key's calls that the exchange keeps and does not tell. It falls by ``per_s``, to 0."""

    most: float
    per_s: float
    costs: Mapping[str, int]  # by ccxt's name; of all others: 1
    full: str  # what the exchange says when it is at its most
    locked: str  # and when it hears nobody for minutes


COUNTERS: Mapping[str, Counter] = {
    "kraken": Counter(  # of the lowest tier; the others may more
        most=15,
        per_s=0.33,
        costs={
            "create_order": 0,  # these have a limit of their own, for each pair
            "cancel_order": 0,
            "private_post_tradeshistory": 2,
            "fetch_markets": 0,  # these are public
            "fetch_ticker": 0,
        },
        full="EAPI:Rate limit exceeded",
        locked="EGeneral:Temporary lockout",
    )
}
LOCKED_S = 300.0
PATIENCE_S = 7.0  # for a counter that falls; an answer that is lost takes longer


class Budget:
    """The weight used in the running minute, as the exchange's answers say it, or the key's calls, as a ``counter``
    says. ``limit`` None and no counter: nobody counts.
    """

    def __init__(self, clock: Clock, *, header: str | None, limit: int | None, counter: Counter | None = None):
        self._clock, self._header = clock, header
        self.limit, self.counter = limit, counter
        self._used, self._minute = 0, 0
        self._level, self._level_at = 0.0, 0.0  # of the counter
        self._wait_until = 0.0

    @property
    def counts(self) -> bool:
        """Whether anybody counts."""
        return self.limit is not None or self.counter is not None

    @property
    def share(self) -> float:
        """The used part of what may be used, 0 to 1 and beyond; 0 where nobody counts."""
        if self.counter is not None:
            return self._now_at(self.counter) / self.counter.most
        if not self.limit or self._minute != self._now():
            return 0.0
        return self._used / self.limit

    @property
    def waiting_s(self) -> float:
        """Seconds until the exchange wants to hear from us again; 0 if it does now."""
        return max(self._wait_until - self._clock.boot(), 0.0)

    def note(self, headers: Mapping[str, str]) -> None:
        """Read what an answer says about the weight used."""
        if self._header is not None and (said := headers.get(self._header, "")).isdigit():
            self._used, self._minute = int(said), self._now()

    def wait(self, seconds: float) -> None:
        """The exchange asks for silence."""
        self._wait_until = max(self._wait_until, self._clock.boot() + seconds)

    def hear(self, refusal: str) -> None:
        """Read what a refusal says of the counter."""
        if self.counter is not None and self.counter.full in refusal:
            self._level, self._level_at = self.counter.most, self._clock.boot()
        if self.counter is not None and self.counter.locked in refusal:
            self.wait(LOCKED_S)

    def spend(self, purpose: Purpose, method: str) -> None:
        """A call that is being made."""
        if self.counter is not None and (cost := self._cost(self.counter, purpose, method)):
            self._level, self._level_at = self._now_at(self.counter) + cost, self._clock.boot()

    def pause_s(self, purpose: Purpose, method: str) -> float:
        """Seconds until the counter has fallen far enough for ``method``; 0 where it has, and where that takes long."""
        if self.counter is None or not self._cost(self.counter, purpose, method):
            return 0.0
        above = self._now_at(self.counter) - STOPS_AT[purpose] * self.counter.most
        pause = above / self.counter.per_s + 0.01
        return pause if above >= 0 and pause <= PATIENCE_S else 0.0

    def check(self, purpose: Purpose, exchange: str, method: str = "") -> None:
        """Raises VenueUnreachable where a request for ``purpose`` may not be made now. Nothing was sent then."""
        if (left := self.waiting_s) > 0:
            raise VenueUnreachable(
                f"{exchange} asked us to wait {left:.0f} s more; nothing was sent",
                hint="it had too many requests from this address; other programs here count too",
            )
        if self.counter is not None and not self._cost(self.counter, purpose, method):
            return
        if self.share >= STOPS_AT[purpose]:
            raise VenueUnreachable(
                f"{self.share:.0%} of the requests that {exchange} takes are used;"
                f" {purpose.value} stops at {STOPS_AT[purpose]:.0%}; nothing was sent",
                hint="the rest is kept for cancels and exits; it is all there again within a minute",
            )

    def _cost(self, counter: Counter, purpose: Purpose, method: str) -> int:
        return 0 if purpose is Purpose.PRICES else counter.costs.get(method, 1)

    def _now_at(self, counter: Counter) -> float:
        return max(0.0, self._level - (self._clock.boot() - self._level_at) * counter.per_s)

    def _now(self) -> int:
        return int(self._clock.real().timestamp() // MINUTE_S)
