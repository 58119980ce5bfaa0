"""Nonce: the number that must rise with every signed request of a key, where an exchange wants one (Kraken).

All clients of a process share one count, and all processes of a machine count by its clock: microseconds leave room
between any two requests. Requests may still overtake each other on their way; the exchange refuses the lower number
then, and nothing was executed.
"""

import threading

from trade_mcp.ports import Clock

WINDOW = 10_000_000  # what to set as the key's nonce window: ten seconds of this count


class Nonce:
    """One count for all clients of a key. Safe between threads."""

    def __init__(self, clock: Clock):
        self._clock, self._lock, self._last = clock, threading.Lock(), 0

    def rise(self) -> int:
        """The next number: microseconds of real time, and higher than the last, whatever the clock was set to."""
        with self._lock:
            self._last = max(self._last + 1, int(self._clock.real().timestamp() * 1_000_000))
            return self._last
