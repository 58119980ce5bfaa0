"""Foreign: what other hands do in our account: orders, trades, transfers. Recorded and told, never corrected."""

from collections.abc import Iterable
from contextlib import suppress
from decimal import Decimal

from trade_mcp.desk.market import Market
from trade_mcp.domain.errors import FeedError, UnknownSymbol
from trade_mcp.domain.events import Alarm, ForeignOrderGone, ForeignOrderSeen
from trade_mcp.domain.external import of_trade, of_transfer, trade_ref
from trade_mcp.domain.order import Report
from trade_mcp.ports import Clock, Transfer
from trade_mcp.store.leases import Lease
from trade_mcp.store.log import Ledger, Log


class Foreign:
    """Keeps the external bucket true."""

    def __init__(self, ledger: Log, *, market: Market, clock: Clock):
        self._log, self._market, self._clock = ledger, market, clock

    def trades(self, ledger: Ledger, reports: Iterable[Report]) -> set[str]:
        """Record the fills of orders that are not ours; the symbols they changed."""
        changed = set()
        for report in reports:
            for fill in report.fills:
                if ledger.order(report.order_id) is None and not ledger.recorded(trade_ref(fill)):
                    for event in of_trade(ledger.book, fill):
                        ledger.append(event)
                    changed.add(fill.symbol)
        return changed

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
