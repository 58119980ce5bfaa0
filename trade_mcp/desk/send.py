"""Send: the only file that submits to a venue. The intent is in the ledger before anything here runs.

No transaction is open while the venue is awaited. What the venue answers, or does not answer, is written down
afterwards by `record`; an answer that never came leaves the order PENDING until `settle` finds out.
"""

import logging
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta

import structlog
from msgspec import structs

from trade_mcp.desk.steps import for_each
from trade_mcp.desk.trading import Trading
from trade_mcp.domain.errors import LedgerError, NotOurs, RefusedForTime, VenueError, VenueRejected, VenueUnreachable
from trade_mcp.domain.events import Alarm, OrderEnded, TradingState
from trade_mcp.domain.lifecycle import advance
from trade_mcp.domain.order import Order, Report, Role, Status
from trade_mcp.ports import Clock, Venue
from trade_mcp.store.leases import Lease, Leases
from trade_mcp.store.log import Log

SEND_WITHIN = timedelta(seconds=5)  # real time between the decision and the send

log = structlog.get_logger(__name__)
story = logging.getLogger("order")  # the lines that follow one order; the others are written at its events


class Sender:
    """Carries journaled intents to the venue and the venue's answers to the ledger."""

    def __init__(self, ledger: Log, venue: Venue, *, clock: Clock, leases: Leases, trading: Trading):
        self._log, self._venue, self._clock, self._leases = ledger, venue, clock, leases
        self._trading = trading
        self._others: set[str] = set()  # ids of ours that another order has at the venue, told

    def send(self, orders: tuple[Order, ...], *, lease: Lease | None = None) -> None:
        """Submit journaled ``orders`` (one, or the legs of one OCO) and record what comes back.

        Before the network everything is checked once more: time, lease, trading state. Connectivity failures are
        left open: nobody knows, so nothing is resent.
        """
        try:
            reports = self._submit(orders, lease)
        except VenueRejected as no:
            self._refused_there(orders, no.message)
        except VenueUnreachable as lost:
            log.warning("order sent, no answer", orders=[o.order_id for o in orders], error=lost.message)
        else:
            if isinstance(reports, str):
                self._end(orders, Status.NEVER_PLACED, reports)
            else:
                self.record(reports)

    def cancel(self, orders: Iterable[Order]) -> None:
        """Cancel orders whose intent to cancel is journaled. An unreachable venue leaves them CANCELLING.

        Without a good answer the order is asked for at once: a close that waits for it can then go on.
        """
        for_each(orders, self._cancel)

    def without_ink(self, order: Order, legs: Iterable[Order], *, lease: Lease | None) -> None:
        """Cancel ``legs`` and submit ``order``, whose intents are in the spill because the ledger cannot be written.

        Nothing is sent unless every leg is certainly gone and sold nothing. What the venue answers is found out later.
        """
        try:
            ended = [self._venue.cancel(leg) for leg in legs]
            if any(report.status is Status.WORKING or report.filled > 0 for report in ended):
                return
            self._submit((order,), lease)
        except (VenueRejected, VenueUnreachable) as failure:
            log.error("sold without ink, no good answer", order=order.order_id, error=failure.message)

    def cancel_without_ink(self) -> tuple[list[str], list[str]]:
        """Cancel every live entry at the venue though the ledger cannot be written: which were, and which failed.

        What the venue answers is found out later, as for every order that changed behind our back.
        """
        with suppress(LedgerError):  # reading may work where writing does not
            self._log.refresh()
        gone, failed = [], []
        for order in [order for order in self._log.book.live() if order.role is Role.ENTRY]:
            try:
                self._venue.cancel(order)
                gone.append(order.order_id)
            except VenueError as error:
                failed.append(f"{order.order_id}: {error.message}")
        return gone, failed

    def record(self, reports: Iterable[Report]) -> set[str]:
        """Write down what ``reports`` change; the symbols they changed. Unknown ids are not ours and are left out.

        Each by itself: one that the ledger does not take keeps none of the others out.
        """
        changed: set[str] = set()

        def write(report: Report) -> None:
            with self._log.writing() as ledger:
                order = ledger.order(report.order_id)
                if order is None:
                    return
                for event in advance(order, report):
                    ledger.append(event)
                    changed.add(order.symbol)

        for_each([report for report in reports if self._says_something(report)], write)
        return changed

    def settle(self, order: Order) -> None:
        """Find out what became of an order nobody heard of: adopt it, or close it as never placed after the grace."""
        report = self.there(order)
        if report is not None:
            self.record((report,))
        elif self._clock.real() > order.send_by + timedelta(seconds=self._venue.grace_s):
            self._end((order,), Status.NEVER_PLACED, "the venue does not know it")

    def there(self, order: Order) -> Report | None:
        """What the venue says of ``order``; None if it does not know it, or another one by its id, which is told."""
        try:
            return self._venue.order(order)
        except NotOurs as other:
            if order.order_id not in self._others:
                self._others.add(order.order_id)
                with self._log.writing() as ledger:
                    ledger.append(Alarm(str(other), order_id=order.order_id, symbol=order.symbol))
            return None

    def _submit(self, orders: tuple[Order, ...], lease: Lease | None) -> tuple[Report, ...] | str:
        """What the venue says of ``orders``, or why they may not be sent now. Raises VenueRejected, VenueUnreachable.

        What was refused for its time alone is sent once more, if it still may: the clock was asked for in between.
        """
        if why := self._too_late(orders[0], lease):
            return why
        for order in orders:
            story.info("order sent", extra={"order_id": order.order_id, "symbol": order.symbol})
        try:
            return self._venue.submit(orders)
        except RefusedForTime:
            return self._too_late(orders[0], lease) or self._venue.submit(orders)

    def _cancel(self, order: Order) -> None:
        try:
            self.record((self._venue.cancel(order),))
        except VenueError as failure:  # no answer; or the venue does not know it, or not any more
            log.warning("cancel sent, no good answer", order=order.order_id, error=failure.message)
            with suppress(VenueError):
                self.settle(order)

    def _refused_there(self, orders: tuple[Order, ...], why: str) -> None:
        try:
            known = [report for order in orders if (report := self.there(order)) is not None]
        except VenueUnreachable as lost:  # it stays PENDING: refused as a duplicate, it may live there
            log.warning("order refused, not looked up", orders=[o.order_id for o in orders], error=lost.message)
            return
        if known:  # refused as a duplicate: our id lives there already
            self.record(known)
        else:
            self._end(orders, Status.REJECTED, why)

    def _says_something(self, report: Report) -> bool:
        order = self._log.book.orders.get(report.order_id) or self._log.order(report.order_id)
        return order is not None and bool(advance(order, report))

    def _too_late(self, order: Order, lease: Lease | None) -> str:
        if self._clock.real() > order.send_by:
            return "it was not sent in time"
        if lease is not None and not self._leases.current(lease):
            return "the lease was lost before it was sent"
        if order.role is Role.ENTRY:
            if flag := self._trading.flag.why():  # asked before the ledger, which may be locked or gone
                return flag
            state, _ = self._trading.now(self._log.refresh())
            if state is not TradingState.ACTIVE:
                return f"trading was {state} before it was sent"
        return ""

    def _end(self, orders: tuple[Order, ...], status: Status, note: str) -> None:
        """End orders that certainly do not live at the venue."""
        with self._log.writing() as ledger:
            for order in orders:
                now = ledger.order(order.order_id)
                if now is not None and now.live and now.filled == 0:
                    ledger.append(OrderEnded(structs.replace(now, status=status, note=note)))
