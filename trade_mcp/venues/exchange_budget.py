"""Budget: how many requests an exchange still lets us make this minute, and who may make them.

Prices are given up first, entries and looks at the account next; the rest is kept for cancels and exits. Whoever was
asked to wait (HTTP 429, 418) waits: more requests make a ban longer.
"""

from collections.abc import Mapping
from enum import Enum

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


class Budget:
    """The weight used in the running minute, as the exchange's answers say it. ``limit`` None: it does not say."""

    def __init__(self, clock: Clock, *, header: str | None, limit: int | None):
        self._clock, self._header = clock, header
        self.limit = limit
        self._used, self._minute = 0, 0
        self._wait_until = 0.0

    @property
    def share(self) -> float:
        """The used part of this minute's weight, 0 to 1 and beyond; 0 where nobody counts."""
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

    def check(self, purpose: Purpose, exchange: str) -> None:
        """Raises VenueUnreachable where a request for ``purpose`` may not be made now. Nothing was sent then."""
        if (left := self.waiting_s) > 0:
            raise VenueUnreachable(
                f"{exchange} asked us to wait {left:.0f} s more; nothing was sent",
                hint="it had too many requests from this address; other programs here count too",
            )
        if self.share >= STOPS_AT[purpose]:
            raise VenueUnreachable(
                f"{self.share:.0%} of {exchange}'s requests of this minute are used;"
                f" {purpose.value} stops at {STOPS_AT[purpose]:.0%}; nothing was sent",
                hint="the rest is kept for cancels and exits; it is all there again in the next minute",
            )

    def _now(self) -> int:
        return int(self._clock.real().timestamp() // MINUTE_S)
