"""Role: one lease a program holds while it works, the heartbeat that shows it, and the count of what failed.

Whoever does not hold the lease stands by and takes over when it lapses. Signals end a program between two rounds, never
inside one.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from trade_mcp import logs
from trade_mcp.domain.errors import LeaseLost, LedgerUnwritable, TradeError
from trade_mcp.domain.order import Source

if TYPE_CHECKING:
    from trade_mcp.app import App
    from trade_mcp.store.leases import Lease

TTL_S = 5.0  # real seconds: how long a silent holder keeps its role, so the longest a take-over waits
ROUND_S = 60.0  # a round that lasts longer keeps its role no more
BEAT_EVERY_S = 1.0
STANDBY_BEAT_S = 5.0
RECENT_S = 60.0  # for so long a failure that is over still counts as a problem
QUIET_S = 30.0  # the same failure is logged in full once in this time, and counted in between


class Role:
    """The lease ``name`` ("watch", "decide") of this process; ``beat`` names the heartbeat of who holds it."""

    def __init__(self, app: "App", name: str, *, beat: str):
        self._app, self._name, self._beat = app, name, beat
        self._lease: Lease | None = None
        self._renew_at = self._beat_at = self._began = 0.0
        self._failures, self._error, self._failed_at, self._logged_at = 0, "", 0.0, 0.0
        self.log = logs.get_logger(beat)

    def hold(self) -> "Lease | None":
        """The lease, taken or renewed in time; None while another process holds it."""
        now = self._began = self._app.clock.boot()
        if self._lease is None:
            self._lease = self._app.leases.take(self._name, TTL_S)
            if self._lease is not None:
                self.log.info("took the role", role=self._name, epoch=self._lease.epoch)
                self._app.heartbeats.gone(self._standby)
                self._beat_at = now
        elif now >= self._renew_at and not self._renewed(self._lease):
            self.lost(LeaseLost(f"the lease {self._name!r} lapsed and another process took it"))
        if self._lease is not None and now >= self._renew_at:
            self._renew_at = now + TTL_S / 3
        elif self._lease is None and now >= self._beat_at:
            self._beat_at = now + STANDBY_BEAT_S
            self._app.heartbeats.beat(self._standby, {})
        return self._lease

    @contextmanager
    def kept(self) -> Iterator[None]:
        """While the block runs, the role stays ours though a round takes longer than it is given for: a request that
        hangs would hand it to another process, which hangs at the same request, and to and fro.
        """
        stop = threading.Event()

        def keep() -> None:
            while not stop.wait(TTL_S / 3):
                lease = self._lease
                if lease is not None and self._app.clock.boot() - self._began < ROUND_S:
                    with suppress(TradeError):  # lost, or nothing can be written: the next round finds out
                        self._app.leases.renew(lease)

        thread = threading.Thread(target=keep, name=f"{self._beat} keeper")
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _renewed(self, lease: "Lease") -> bool:
        """Whether the role is still ours. While the ledger cannot be written, it is as long as nobody took it."""
        try:
            return self._app.leases.renew(lease)
        except LedgerUnwritable as error:
            self.failed("the ledger cannot be written", error)
            return self._app.leases.current(lease)

    def lost(self, error: LeaseLost) -> None:
        """Another process has the role now; this one stands by."""
        self.log.warning("lost the role; standing by", role=self._name, error=error.message)
        self._lease = None

    def alive(self, **detail: object) -> None:
        """Show that the work is being done; often enough, not on every round."""
        now = self._app.clock.boot()
        if now >= self._beat_at:
            self._beat_at = now + BEAT_EVERY_S
            failed: dict[str, object] = {"failures": self._failures} if self._failures else {}
            if self._failures and now - self._failed_at < RECENT_S:
                failed["last_error"] = self._error
            self._app.heartbeats.beat(self._beat, {**detail, **failed})

    def failed(self, what: str, error: BaseException) -> None:
        """A round that failed is logged with an incident id and counted; the program goes on."""
        self._failures += 1
        now, text = self._app.clock.boot(), f"{type(error).__name__}: {error}"
        if text != self._error or now - self._logged_at >= QUIET_S:
            self._logged_at = now
            logs.incident(what, error, role=self._name, failures=self._failures)
        self._failed_at, self._error = now, text
        with suppress(TradeError):  # a ledger that is busy or gone: that it failed is in the log already
            self._app.heartbeats.beat(f"{self._beat} failing", {"last_error": text, "failures": self._failures})

    def release(self) -> None:
        """Give the role up, so that another takes over at once."""
        if self._lease is not None:
            self._app.leases.release(self._lease)
            self._lease = None
        else:
            self._app.heartbeats.gone(self._standby)

    @property
    def _standby(self) -> str:
        """The heartbeat of who waits for the role. Never that of who has it: nobody is protected by waiting."""
        return f"{self._beat} standby"


@contextmanager
def until_told(for_s: float | None, *, on_halt: Callable[[], object] | None = None) -> Iterator[threading.Event]:
    """An event that SIGTERM, Ctrl-C, a closed terminal or the end of ``for_s`` real seconds sets.

    SIGUSR1 calls ``on_halt`` meanwhile. Under nohup a closed terminal ends nothing.
    """
    stop = threading.Event()
    timer = threading.Timer(for_s or 0.0, stop.set)
    timer.daemon = True

    def on_signal(number: int, _frame: object) -> None:
        if number != signal.SIGUSR1:
            stop.set()
        elif on_halt is not None:
            threading.Thread(target=on_halt, name="halt").start()

    numbers = [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, on_signal) for number in numbers}
    if for_s is not None:
        timer.start()
    try:
        yield stop
    finally:
        timer.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)


def halt(app: "App") -> None:
    """Stop trading at once: what SIGUSR1 to a program does."""
    try:
        app.gate.halt(Source.OPERATOR, reason="SIGUSR1")
    except TradeError as error:
        logs.incident("halt by signal failed", error)
