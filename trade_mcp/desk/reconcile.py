"""Reconcile: the book against what the venue says of orders, fills, transfers and balances. The venue wins.

Our own orders are settled by their id, other hands' doings are recorded as external, and what still differs halts its
currency (`breaks`). Nothing here places an order.
"""

from decimal import Decimal

from msgspec import structs

from trade_mcp.desk.breaks import Breaks
from trade_mcp.desk.compare import Difference, differing, unlike
from trade_mcp.desk.foreign import Foreign
from trade_mcp.desk.market import Market
from trade_mcp.desk.send import Sender
from trade_mcp.desk.steps import all_of, for_each
from trade_mcp.domain.book import Book
from trade_mcp.domain.errors import BadInput, HeardInPart
from trade_mcp.domain.events import Alarm, OrderCancelling, OrderReopened
from trade_mcp.domain.order import Order, Report, Status
from trade_mcp.ports import Clock, Venue
from trade_mcp.store.leases import Lease
from trade_mcp.store.log import Log

FILLS, TRANSFERS = "fills", "transfers"  # names of the cursors kept in the ledger


class Reconcile:
    """Settles orders nobody heard of, books missed fills, tells of other hands, compares balances."""

    def __init__(self, ledger: Log, venue: Venue, sender: Sender, *, market: Market, clock: Clock):
        self._log, self._venue, self._sender, self._clock = ledger, venue, sender, clock
        self.foreign = Foreign(ledger, market=market, clock=clock)
        self.breaks = Breaks(ledger, venue, market=market, clock=clock)

    def fills(self, lease: Lease | None = None) -> set[str]:
        """Book everything the venue reports since the last known trade; the symbols it changed."""
        before, odd = self._log.cursor(FILLS), None
        try:
            reports, cursor = self._venue.reports_since(before)
        except HeardInPart as part:  # what was heard is written down first
            reports, cursor, odd = part.reports, part.cursor, part
        changed = self._sender.record(reports)
        others = [report for report in reports if report.fills and self._log.order(report.order_id) is None]
        if others or cursor != before:
            with self._log.writing(lease) as ledger:
                changed |= self.foreign.trades(ledger, others)
                ledger.keep_cursor(FILLS, cursor)  # with what it read: a failure looks again
        if odd is not None:
            raise odd
        return changed

    def pending(self) -> None:
        """Find out about orders whose answer is missing, once nobody can be sending them any more."""
        now = self._clock.real()
        open_ = [
            order
            for order in self._log.refresh().live()
            if order.status is Status.CANCELLING or (order.status is Status.PENDING and now > order.send_by)
        ]
        all_of(lambda: for_each(open_, self._sender.settle), self._cancel_again)

    def _cancel_again(self) -> None:
        cancelling = [order for order in self._log.refresh().live() if order.status is Status.CANCELLING]
        self._sender.cancel(cancelling)

    def audit(self, lease: Lease | None = None) -> None:
        """Every order that should rest against every order that does, whatever the stream said, and transfers."""
        resting = {report.order_id: report for report in self._venue.open_orders()}
        working = [order for order in self._log.refresh().live() if order.status is Status.WORKING]
        all_of(
            lambda: for_each(working, lambda order: self._check(order, resting.get(order.order_id))),
            lambda: for_each(resting.values(), self._revive),
            lambda: self.foreign.orders(resting.values(), lease),
            lambda: self._transfers(lease),
        )

    def _transfers(self, lease: Lease | None) -> None:
        before = self._log.cursor(TRANSFERS)
        moved, cursor = self._venue.transfers_since(before)
        if moved or cursor != before:
            with self._log.writing(lease) as ledger:
                self.foreign.transfers(ledger, moved)
                ledger.keep_cursor(TRANSFERS, cursor)

    def balances(self, lease: Lease | None = None) -> None:
        """Compare holdings; a difference that stays is a break."""
        self.breaks.look(lease)

    def accept(self, currency: str, *, reason: str) -> Decimal:
        """Record what the account holds more (+) or less (-) of ``currency`` than the book as external: a person knows
        why. Answers how much. Raises BadInput.
        """
        found = {name: theirs - said for name, said, theirs in differences(self._log.refresh(), self._venue)}
        if currency not in found:
            raise BadInput(f"book and venue agree about {currency}", hint="trade-mcp reconcile shows what differs")
        amount = found[currency]
        with self._log.writing() as ledger:
            ref = f"accepted:{currency}:{ledger.book.seq}"
            self.foreign.moved(ledger, currency, amount, ref=ref, text=f"{amount:+f} {currency} accepted: {reason}")
        self.breaks.look()
        return amount

    def _check(self, order: Order, report: Report | None) -> None:
        """An order of ours that does not rest is asked for by itself: an empty list is no proof of an end. One that the
        venue holds otherwise than we asked is told, and cancelled: exits are then placed anew.
        """
        if report is None or report.filled > order.filled:  # gone, or filled since: its own answer has the fills
            report = self._venue.order(order)
        if report is None:
            self._sender.settle(order)
            return
        self._sender.record((report,))
        now = self._log.refresh().orders.get(order.order_id)
        if now is None or now.status is not Status.WORKING or not (wrong := unlike(now, report)):
            return
        text = f"the venue holds {order.order_id} otherwise than asked: {', '.join(wrong)}; it is cancelled"
        self._take_back(now, text, note="not as asked")

    def _revive(self, report: Report) -> None:
        """An order of ours that had ended rests there: adopted if nobody ended it, else cancelled once more."""
        known = self._log.order(report.order_id)
        if known is None or known.live:
            return
        again = self._sender.there(known)
        if again is None:
            return  # another order by that id
        self._sender.record((again,))
        now = self._log.order(known.order_id)
        if now is None or now.live or again.status is not Status.WORKING:
            return  # adopted; or the list was old, and the venue knows of its end
        text = f"{known.order_id} was {known.status}, and it rests at the venue; it is cancelled"
        self._take_back(now, text, note=f"was {known.status}, and rested there")

    def _take_back(self, order: Order, text: str, *, note: str) -> None:
        cancelling = structs.replace(order, status=Status.CANCELLING, note=note)
        with self._log.writing() as ledger:
            ledger.append(Alarm(text, order_id=order.order_id, symbol=order.symbol))
            if not order.live:
                ledger.append(OrderReopened(structs.replace(order, status=Status.WORKING, note="")))
            ledger.append(OrderCancelling(cancelling))
        self._sender.cancel((cancelling,))


def first_cursors(venue: Venue) -> dict[str, str]:
    """Where the reading of ``venue`` begins for a new ledger: what happened before is in its first balances."""
    return {FILLS: venue.reports_since("")[1], TRANSFERS: venue.transfers_since("")[1]}


def differences(book: Book, venue: Venue) -> list[Difference]:
    """Currencies in which the book and the venue's account differ now."""
    return differing(book, venue.balances())
