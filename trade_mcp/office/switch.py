"""Switch: a dead man's switch elsewhere hears from us while the desk does its work, and raises the alarm when it does
not: also when this machine is gone and nobody here could tell.
"""

from collections.abc import Callable

from trade_mcp.domain.errors import TradeError
from trade_mcp.ports import Clock


class Switch:
    """Pings ``url`` every so often (real time) while nothing is ``failing``.

    While something is, it is silent, which is what the switch listens for; with ``tell_why`` it posts the reasons to
    ``url``/fail, as healthchecks.io takes them, so that the alarm is raised at once. ``send(url, body)`` answers what
    went wrong, or "".
    """

    def __init__(
        self,
        url: str,
        *,
        every_s: float,
        tell_why: bool,
        failing: Callable[[], tuple[str, ...]],
        send: Callable[[str, str], str],
        clock: Clock,
    ):
        self._url, self._every_s, self._tell_why = url, every_s, tell_why
        self._failing, self._send, self._clock = failing, send, clock
        self._due = 0.0

    @property
    def due(self) -> bool:
        return self._clock.boot() >= self._due

    def step(self) -> str:
        """Ping if the desk is well; what went wrong with the ping, or ""."""
        self._due = self._clock.boot() + self._every_s
        try:
            failing = self._failing()
        except TradeError as error:  # a ledger that cannot even be read
            failing = (error.message,)
        if not failing:
            return self._send(self._url, "")
        return self._send(f"{self._url.rstrip('/')}/fail", "\n".join(failing)) if self._tell_why else ""
