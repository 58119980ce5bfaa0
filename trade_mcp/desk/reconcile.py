"""Reconcile: the book against what the venue says. The venue wins; a break that stays halts its symbol."""

from decimal import Decimal

from msgspec import structs

from trade_mcp.desk.send import Sender
from trade_mcp.domain.book import Book
from trade_mcp.domain.events import Alarm, BreakSeen, BreakSettled, OrderCancelling
from trade_mcp.domain.instrument import ZERO
from trade_mcp.domain.order import Order, Report, Status
from trade_mcp.ports import Clock, Venue
from trade_mcp.store.leases import Lease
from trade_mcp.store.log import Log

Difference = tuple[str, Decimal, Decimal]  # currency, ours, the venue's


class Reconcile:
    """Settles orders nobody heard of, books missed fills, compares balances."""

    def __init__(self, ledger: Log, venue: Venue, sender: Sender, *, clock: Clock):
        self._log, self._venue, self._sender, self._clock = ledger, venue, sender, clock
        self._cursor = ""
        self._suspects: tuple[int, list[Difference]] = (-1, [])

    def fills(self) -> set[str]:
        """Book everything the venue reports since the last look; the symbols it changed."""
        reports, cursor = self._venue.reports_since(self._cursor)
        changed = self._sender.record(reports)
        self._cursor = cursor  # only after it is written: a failure looks again
        return changed

    def pending(self) -> None:
        """Find out about orders whose answer is missing, once nobody can be sending them any more."""
        now = self._clock.real()
        for order in list(self._log.refresh().live()):
            if order.status is Status.CANCELLING or (order.status is Status.PENDING and now > order.send_by):
                self._sender.settle(order)
        cancelling = [order for order in self._log.refresh().live() if order.status is Status.CANCELLING]
        self._sender.cancel(cancelling)

    def audit(self) -> None:
        """Every live order of ours is asked for one by one: one that is gone, or another there, is found out."""
        for order in list(self._log.refresh().live()):
            if order.status is Status.WORKING:
                self._sender.settle(order)
                self._compare(order)

    def _compare(self, order: Order) -> None:
        """An order that the venue holds as something else than we asked for is told, and cancelled: exits are then
        placed anew.
        """
        report = self._venue.order(order)
        now = self._log.refresh().orders.get(order.order_id)
        if report is None or now is None or now.status is not Status.WORKING or not (wrong := unlike(now, report)):
            return
        text = f"the venue holds {order.order_id} otherwise than asked: {', '.join(wrong)}; it is cancelled"
        with self._log.writing() as ledger:
            ledger.append(Alarm(text, order_id=order.order_id, symbol=order.symbol))
            cancelling = structs.replace(now, status=Status.CANCELLING, note="not as asked")
            ledger.append(OrderCancelling(cancelling))
        self._sender.cancel((cancelling,))

    def balances(self, lease: Lease | None = None) -> None:
        """Compare holdings; a difference seen in two passes with no event of ours between is a break."""
        seq = self._log.refresh().seq
        found = differences(self._log.book, self._venue)
        seen_seq, seen = self._suspects
        self._suspects = (seq, found)
        book = self._log.book
        breaks = [break_ for break_ in found if seen_seq == seq and break_ in seen]
        fresh = [b for b in breaks if b[0] not in book.breaks]
        gone = [c for c in book.breaks if c not in {b[0] for b in found}]
        if not fresh and not gone:
            return
        with self._log.writing(lease) as ledger:
            for currency, ours, venue in fresh:
                reason = f"the book says {ours:f} {currency}, the venue {venue:f}"
                ledger.append(BreakSeen(currency, ours, venue, reason))
                ledger.append(Alarm(reason, symbol=currency))
            for currency in gone:
                ledger.append(BreakSettled(currency, "book and venue agree again"))
        self._suspects = (-1, [])


def unlike(order: Order, report: Report) -> list[str]:
    """In what ``report`` is another order than ours: type, side, size, trigger, limit; what it leaves out is not."""
    ours = {
        "type": order.type,
        "side": order.side,
        "size": order.size,
        "trigger": order.trigger_price,
        "limit": order.limit_price,
    }
    theirs = {
        "type": report.type,
        "side": report.side,
        "size": report.size,
        "trigger": report.trigger_price,
        "limit": report.limit_price,
    }
    wrong = {name: theirs[name] for name, asked in ours.items() if theirs[name] not in (None, asked)}
    return [f"{name} {value} instead of {ours[name]}" for name, value in wrong.items()]


def differences(book: Book, venue: Venue) -> list[Difference]:
    """Currencies in which the book (desk and external together) and the venue's account differ."""
    ours: dict[str, Decimal] = dict(book.external)
    ours[book.quote] = ours.get(book.quote, ZERO) + book.cash
    for symbol, position in book.positions.items():
        base = symbol.partition("/")[0]
        ours[base] = ours.get(base, ZERO) + position.size
    theirs = {currency: balance.total for currency, balance in venue.balances().items()}
    return [
        (currency, ours.get(currency, ZERO), theirs.get(currency, ZERO))
        for currency in sorted(ours.keys() | theirs.keys())
        if ours.get(currency, ZERO) != theirs.get(currency, ZERO)
    ]
