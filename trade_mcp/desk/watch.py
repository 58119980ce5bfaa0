"""Watch: fills, reconciliation and exits, again and again. No position is left without its stop, whoever opened it."""

from collections.abc import Container
from datetime import datetime

from msgspec import Struct

from trade_mcp.desk.cancel_timer import CancelTimer
from trade_mcp.desk.due import Due
from trade_mcp.desk.gate import Gate
from trade_mcp.desk.judge import Judge
from trade_mcp.desk.market import Market
from trade_mcp.desk.marks import Marks
from trade_mcp.desk.proposals import Proposals
from trade_mcp.desk.reconcile import Reconcile
from trade_mcp.desk.steps import NamedStep, Step, all_of, for_each, run_steps
from trade_mcp.desk.watched import unwatched
from trade_mcp.domain.book import Book
from trade_mcp.domain.errors import LeaseLost
from trade_mcp.domain.events import PeakRaised
from trade_mcp.domain.order import EXIT_ROLES
from trade_mcp.domain.position import Position
from trade_mcp.ports import Clock, Feed, Rests
from trade_mcp.store.leases import Lease
from trade_mcp.store.log import Log

AUDIT_EVERY_S = 60.0  # real time between full comparisons with the venue
HEARS = ("fills", "pending", "audit")  # steps that listen to the venue


class StepReport(Struct, frozen=True):
    """One round of the watcher."""

    at: datetime
    steps: tuple[Step, ...]
    unprotected: tuple[str, ...]

    @property
    def errors(self) -> tuple[str, ...]:
        return tuple(f"{step.name}: {step.error}" for step in self.steps if step.error)


class Watch:
    """The watching half of the desk. ``step`` is one round; a program or a thread calls it several times a second."""

    def __init__(
        self,
        ledger: Log,
        feed: Feed,
        market: Market,
        *,
        gate: Gate,
        proposals: Proposals,
        timer: CancelTimer,
        reconcile: Reconcile,
        marks: Marks,
        judge: Judge,
        rests: Rests,
        clock: Clock,
    ):
        self._proposals, self._timer = proposals, timer
        self._log, self._feed, self._market = ledger, feed, market
        self._gate, self._reconcile, self._marks, self._clock = gate, reconcile, marks, clock
        self._judge, self._rests = judge, rests
        self._due = Due(ledger, market, gate, rests=rests, clock=clock)
        self._audited: float | None = None
        self._peaks_until: dict[str, datetime] = {}

    def step(self, lease: Lease | None = None) -> StepReport:
        """One round: what the venue says, what is owed, exits, equity. Raises LeaseLost."""
        first: tuple[NamedStep, ...] = (
            ("flag", self._gate.heed_flag),
            ("spill", lambda: self._gate.inkless.import_spill(lease)),
            ("fills", lambda: self._fills(lease)),  # what was sold already is not sold again
        )
        then: tuple[NamedStep, ...] = (
            ("pending", self._reconcile.pending),
            ("audit", lambda: self._audit(lease)),
            ("peaks", lambda: self._raise_peaks(lease)),
            ("timer", self._timer.step),  # stopped before a stop rests: should we die, it would cancel that too
            ("exits", lambda: self._protect_all(lease)),
            ("due", lambda: self._due.step(lease)),
            ("entries", lambda: self._gate.sweep_entries(lease)),
            ("proposals", lambda: self._proposals.expire(lease)),
            ("equity", lambda: self._marks.step(lease)),
        )
        if not self._rests.stops:  # steps that wait for an answer must not keep the desk from the stops it watches
            then = tuple(one for step in then for one in (("stops", lambda: self._protect_all(lease)), step))
        steps = run_steps(first + then)
        if any(step.lost for step in steps if step.name in HEARS):
            self._audited = None  # the line was down: the first round that hears the venue again looks at everything
        book = self._log.refresh()
        return StepReport(self._clock.market(), steps, tuple(book.unprotected(self._unwatched(book))))

    def _unwatched(self, book: Book) -> Container[str]:
        if not book.stops_watched:
            return ()
        most_s = self._judge.policy(book).max_quote_age_s
        return unwatched(book, self._market.quote, now=self._clock.market(), most_s=most_s)

    def _fills(self, lease: Lease | None) -> None:
        """What is not written down yet left by us: until it is, its fills would be another hand's."""
        self._gate.inkless.import_spill(lease)
        self._reconcile.fills(lease)

    def _audit(self, lease: Lease | None) -> None:
        """At start before anything else, after every reconnect, then every minute: orders, transfers and balances."""
        now = self._clock.boot()
        if self._audited is None or now - self._audited >= AUDIT_EVERY_S:
            self._audited = now  # if the line is lost, it is taken back
            all_of(lambda: self._reconcile.audit(lease), lambda: self._reconcile.balances(lease))
        elif self._reconcile.breaks.due():
            self._fills(lease)  # what filled since the round began is no break
            self._reconcile.balances(lease)

    def _raise_peaks(self, lease: Lease | None) -> None:
        """Raise the best price of positions that follow it, by the bars since the last look, and since the entry."""
        held = list(self._log.refresh().positions.items())
        for_each(held, lambda one: self._raise_peak(*one, lease))

    def _raise_peak(self, symbol: str, position: Position, lease: Lease | None) -> None:
        if not position.levels.follows or position.opened_at is None:
            return
        start = position.levels.since or position.opened_at
        after = max(self._peaks_until.get(symbol, start), start)
        known = self._feed.known_until(symbol, self._feed.timeframe, now=self._clock.market())
        bars = self._feed.bars(symbol, after=after, until=known)
        self._peaks_until[symbol] = known
        # The bar of the entry counts by its close only: its high may lie before the fill.
        best = max((b.high if b.open_at >= start else b.close for b in bars), default=None)
        if best is None or (position.levels.peak is not None and best <= position.levels.peak):
            return
        with self._log.writing(lease) as ledger:
            now_held = ledger.book.position(symbol)
            if (now_held.opened_at, now_held.levels.since) == (position.opened_at, position.levels.since):
                ledger.append(PeakRaised(symbol, best))

    def _protect_all(self, lease: Lease | None) -> None:
        book = self._log.refresh()
        orphans = {order.symbol for order in book.live() if order.role in EXIT_ROLES}
        failed: list[Exception] = []
        for symbol in sorted(set(book.positions) | orphans):
            try:
                self._gate.protect(symbol, lease=lease)
            except LeaseLost:
                raise
            except Exception as failure:  # one symbol that fails never leaves the next without its stop
                failed.append(failure)
        if failed:
            raise failed[0]
