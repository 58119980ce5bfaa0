"""Foreign: what other hands do in our account: orders, trades, transfers. Recorded and told, never corrected."""

from collections.abc import Iterable
from contextlib import suppress
from decimal import Decimal

from msgspec import structs

from trade_mcp.desk.market import Market
from trade_mcp.domain.errors import FeedError, UnknownSymbol, VenueUnreachable
from trade_mcp.domain.events import Alarm, Event, ForeignOrderGone, ForeignOrderSeen
from trade_mcp.domain.external import of_trade, of_transfer, trade_ref
from trade_mcp.domain.lifecycle import advance
from trade_mcp.domain.order import Fill, Report
from trade_mcp.ports import Clock, Transfer
from trade_mcp.store.leases import Lease
from trade_mcp.store.log import Ledger, Log


class Foreign:
    """Keeps the external bucket true."""

    def __init__(self, ledger: Log, *, market: Market, clock: Clock):
        self._log, self._market, self._clock = ledger, market, clock

    def trades(self, ledger: Ledger, reports: Iterable[Report]) -> set[str]:
        """Record the fills of orders that are not ours; the symbols they changed. Raises VenueUnreachable.

        Nothing is called another hand's that may be ours: an order told under a name we never gave is looked up by the
        venue's own id, and one that is told without side and size is no order.
        """
        changed = set()
        for report in reports:
            if report.side is None or report.size is None:
                raise VenueUnreachable(f"the venue told of trades, and not of their order {report.venue_id}")
            for fill in report.fills:
                for event in self._of_fill(ledger, report, fill):
                    ledger.append(event)
                    changed.add(fill.symbol)
        return changed

    def _of_fill(self, ledger: Ledger, report: Report, fill: Fill) -> Iterable[Event]:
        if ours := ledger.order(report.order_id) or ledger.order_at_venue(fill.symbol, report.venue_id):
            told = structs.replace(report, order_id=ours.order_id)
            return advance(ours, structs.replace(told, fills=(structs.replace(fill, order_id=ours.order_id),)))
        return () if ledger.recorded(trade_ref(fill)) else of_trade(ledger.book, fill)

    def transfers(self, ledger: Ledger, found: Iterable[Transfer]) -> None:
        """Record deposits and withdrawals."""
        for one in found:
            ref = f"transfer:{one.transfer_id}"
            if not ledger.recorded(ref):
                way = "came in" if one.amount > 0 else "was taken out"
                text = f"{abs(one.amount):f} {one.currency} {way} (transfer {one.transfer_id})"
                self.moved(ledger, one.currency, one.amount, ref=ref, text=text)

    def moved(self, ledger: Ledger, currency: str, amount: Decimal, *, ref: str, text: str) -> None:
        """Record ``amount`` of ``currency`` that came (+) or went (-) without a trade."""
        price = None  # then what the desk had of it goes at cost
        with suppress(FeedError, UnknownSymbol):
            price = self._market.quote(f"{currency}/{ledger.book.quote}").bid
        at = self._clock.market()
        for event in of_transfer(ledger.book, currency, amount, ref=ref, text=text, price=price, at=at):
            ledger.append(event)

    def orders(self, resting: Iterable[Report], lease: Lease | None = None) -> None:
        """Tell of orders that rest in the account and that nobody here placed; forget those that are gone."""
        book = self._log.refresh()
        theirs = {report.order_id: report for report in resting if self._log.order(report.order_id) is None}
        if theirs.keys() == book.foreign.keys():
            return
        with self._log.writing(lease) as ledger:
            for ref, report in theirs.items():
                if ref not in ledger.book.foreign and ledger.order(ref) is None:
                    size = "" if report.size is None else f" {report.size:f}"
                    text = f"{report.side or 'an order'}{size} {report.symbol} ({report.type or 'unknown type'})"
                    ledger.append(ForeignOrderSeen(ref, report.symbol, text))
                    told = f"an order of another hand rests in the account: {text}, {ref}; it is not touched"
                    ledger.append(Alarm(told, symbol=report.symbol))
            for ref in book.foreign.keys() - theirs.keys():
                if ref in ledger.book.foreign:
                    ledger.append(ForeignOrderGone(ref))
