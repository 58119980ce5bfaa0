"""Post: what waits for one channel is handed over, one message after the other, until the channel fails.

A channel that is down is left in peace for longer and longer, and told of by the others; every message stays.
"""

from collections.abc import Callable

from trade_mcp.domain.errors import NotDelivered
from trade_mcp.ports import Channel, Clock
from trade_mcp.store import outbox
from trade_mcp.store.engine import Engine
from trade_mcp.store.outbox import Claimed, pause

TOLD_AFTER = 3  # tries in vain in a row


class Post:
    """One channel. ``delivered`` hears of every message taken, ``failed`` of every one that was not, and why.

    ``broken`` is told, once in a row of failures, what a person should mend.
    """

    def __init__(
        self,
        engine: Engine,
        name: str,
        channel: Channel,
        *,
        clock: Clock,
        delivered: Callable[[Claimed], object],
        failed: Callable[[Claimed, Exception], object],
        broken: Callable[[str], object],
    ):
        self.name = name
        self._engine, self._channel, self._clock = engine, channel, clock
        self._delivered, self._failed, self._broken = delivered, failed, broken
        self._in_vain, self._next = 0, 0.0  # tries in a row; when the channel is tried again, boot time

    def waits(self) -> bool:
        """Whether there is something to hand over now."""
        return self._clock.boot() >= self._next and outbox.waits(self._engine, self.name, now=self._clock.real())

    def hand_over(self) -> bool:
        """Try the next message; whether it was taken, and another may follow at once."""
        if (one := outbox.claim(self._engine, self.name, now=self._clock.real())) is None:
            return False
        try:
            self._channel.deliver(one.message)
        except NotDelivered as error:
            self._failed(one, error)
            self._not_taken(one, error)
        except Exception as error:  # a message that no channel can carry must not stop the others
            self._failed(one, error)
            self._not_taken(one, NotDelivered(type(error).__name__, fault="passing"))
        else:
            outbox.sent(self._engine, one)
            self._in_vain = 0
            self._delivered(one)
            return True
        return False

    def _not_taken(self, one: Claimed, error: NotDelivered) -> None:
        now = self._clock.real()
        again = now if error.fault == "channel" else now + pause(one.attempts)
        final = error.fault == "final" or now - one.made_at >= outbox.PATIENCE
        outbox.not_sent(self._engine, one, error.message, left=error.left, again=None if final else again)
        if error.fault == "channel":
            self._in_vain += 1
            self._next = self._clock.boot() + pause(self._in_vain).total_seconds()
        if final:
            self._broken(f"a message could not be delivered by {self.name} and is not tried again: {error}")
        elif self._in_vain == TOLD_AFTER:
            self._broken(f"{self.name} delivers nothing; what waits is kept and tried again: {error}")
