"""Cancel timer: the exchange's own dead man's switch, where it has one. It ends what rests there if we fall silent.

It knows no difference between an entry and a stop. So it runs only while entries rest and nothing else does, neither a
stop nor an order of another hand, and is stopped before the stop of a new position is sent: a position without its stop
is worse than an entry that outlives us.
"""

from trade_mcp.domain.order import Role, Status
from trade_mcp.ports import Clock, Venue
from trade_mcp.store.log import Log

AFTER_S = 60.0  # real time without a word from us until the exchange cancels
EVERY_S = 15.0  # real time between two words
AGAIN_S = 5.0  # after one that failed


class CancelTimer:
    """Refreshed by the watcher's rounds, so it runs out when they end."""

    def __init__(self, ledger: Log, venue: Venue, *, clock: Clock):
        self._log, self._venue, self._clock = ledger, venue, clock
        self._runs: bool | None = None  # None: who was here before us may have started it
        self._again = self._not_before = 0.0

    def step(self) -> None:
        """Start, refresh or stop it. Raises VenueError."""
        if not self._venue.cancel_timer:
            return
        wanted, now = self._wanted(), self._clock.boot()
        if (wanted is self._runs and (not wanted or now < self._again)) or now < self._not_before:
            return
        self._not_before = now + AGAIN_S  # until it is known to have worked
        self._venue.cancel_all_after(AFTER_S if wanted else 0.0)
        self._runs, self._again, self._not_before = wanted, now + EVERY_S, now

    def _wanted(self) -> bool:
        book = self._log.refresh()
        live = list(book.live())
        if book.foreign or any(order.role is not Role.ENTRY for order in live):
            return False
        if book.positions and not book.stops_watched:
            return False  # a stop will rest
        return any(order.status is not Status.PENDING for order in live)
