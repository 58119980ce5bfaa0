"""Budget: how many requests an exchange still lets us make, and who may make them.

An exchange says in its answers how much of a minute's weight is used, or it counts calls by the key and does not tell:
then we count with it (`exchange_calls`), and wait a while for the count to fall.

Prices are given up first, entries and looks at the account next; the rest is kept for cancels and exits. Whoever was
asked to wait (HTTP 429, 418) waits: more requests make a ban longer.
"""

from collections.abc import Mapping
from enum import Enum

from trade_mcp.domain.errors import VenueUnreachable
from trade_mcp.ports import Clock
from trade_mcp.venues.exchange_calls import Calls

MINUTE_S = 60.0


class Purpose(Enum):
    """Why a request is made."""

    PRICES = "prices"
    ACCOUNT = "account"  # what became of orders, fills, balances
    ENTRY = "entry"
    EXIT = "exit"  # cancels, protective and reducing orders


STOPS_AT = {Purpose.PRICES: 0.6, Purpose.ACCOUNT: 0.8, Purpose.ENTRY: 0.8, Purpose.EXIT: 1.0}  # share of the budget


LOCKED_S = 300.0


class Budget:
    """The weight used in the running minute, as the exchange's answers say it, or the key's ``calls``. ``limit`` None
    and no calls: nobody counts.
    """

    def __init__(self, clock: Clock, *, header: str | None, limit: int | None, calls: Calls | None = None):
        self._clock, self._header = clock, header
        self.limit, self.calls = limit, calls
        self._used, self._minute = 0, 0
        self._wait_until = 0.0

    @property
    def counts(self) -> bool:
        """Whether anybody counts."""
        return self.limit is not None or self.calls is not None

    @property
    def share(self) -> float:
        """The used part of what may be used, 0 to 1 and beyond; 0 where nobody counts."""
        if self.calls is not None:
            return self.calls.share
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
        """Read what a refusal says of the key's calls."""
        if self.calls is not None and self.calls.counter.full in refusal:
            self.calls.fill()
        if self.calls is not None and self.calls.counter.locked in refusal:
            self.wait(LOCKED_S)

    def take(self, purpose: Purpose, method: str) -> float:
        """Count a call that is about to be made; or the seconds until it may be."""
        if self.calls is None or purpose is Purpose.PRICES:
            return 0.0
        cost = self.calls.counter.costs.get(method, 1)
        return self.calls.take(cost, share=STOPS_AT[purpose]) if cost else 0.0

    def check(self, purpose: Purpose, exchange: str) -> None:
        """Raises VenueUnreachable where a request for ``purpose`` may not be made now. Nothing was sent then."""
        if (left := self.waiting_s) > 0:
            raise VenueUnreachable(
                f"{exchange} asked us to wait {left:.0f} s more; nothing was sent",
                hint="it had too many requests from this address; other programs here count too",
            )
        if self.calls is None and self.share >= STOPS_AT[purpose]:
            raise VenueUnreachable(
                f"{self.share:.0%} of the requests that {exchange} takes are used;"
                f" {purpose.value} stops at {STOPS_AT[purpose]:.0%}; nothing was sent",
                hint="the rest is kept for cancels and exits; it is all there again within a minute",
            )

    def _now(self) -> int:
        return int(self._clock.real().timestamp() // MINUTE_S)
