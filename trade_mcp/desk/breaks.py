"""Breaks: balances that stay different. Two looks with nothing of ours between them halt the entries of a currency.

What an exchange's rounding explains is no break: it is written down as external, in the open, as small as it is.
"""

from decimal import Decimal

from trade_mcp.desk.compare import Difference, differing, ours, shown, unsettled
from trade_mcp.desk.market import Market
from trade_mcp.domain.book import Book
from trade_mcp.domain.events import Alarm, BreakSeen, BreakSettled, ExternalMoved
from trade_mcp.domain.instrument import ZERO
from trade_mcp.ports import Clock, Venue
from trade_mcp.store.leases import Lease
from trade_mcp.store.log import Ledger, Log

LAG_S = 5.0  # real time that an exchange's balances may lag behind its fills: a difference younger than that is none


class Breaks:
    """Holds the account's balances against the book's."""

    def __init__(self, ledger: Log, venue: Venue, *, market: Market, clock: Clock):
        self._log, self._venue, self._market, self._clock = ledger, venue, market, clock
        self._suspects: dict[Difference, float] = {}  # since when (boot time) it is seen, ours and theirs unchanged

    def look(self, lease: Lease | None = None) -> None:
        """One pass. A difference is a break once it was seen ``LAG_S`` ago already, and neither side moved since."""
        balances = self._venue.balances()
        book, now = self._log.refresh(), self._clock.boot()
        found = differing(book, balances)
        waiting = unsettled(book)
        self._suspects = {each: self._suspects.get(each, now) for each in found if each[0] not in waiting}
        stays = [each for each, since in self._suspects.items() if now - since >= LAG_S and not self._told(book, each)]
        gone = [currency for currency in book.breaks if currency not in {each[0] for each in found}]
        if not stays and not gone:
            return
        with self._log.writing(lease) as ledger:
            for each in stays:
                if _still(ledger.book, book, each[0]):
                    self._write(ledger, *each)
            for currency in gone:
                if currency in ledger.book.breaks and _still(ledger.book, book, currency):
                    ledger.append(BreakSettled(currency, "book and venue agree again"))

    def due(self) -> bool:
        """Whether a difference was seen that is old enough for a second look."""
        now, book = self._clock.boot(), self._log.book
        return any(now - since >= LAG_S and not self._told(book, each) for each, since in self._suspects.items())

    @property
    def open(self) -> bool:
        """Whether something differs that may still turn out to be a lag."""
        return any(not self._told(self._log.book, each) for each in self._suspects)

    def _write(self, ledger: Ledger, currency: str, said: Decimal, theirs: Decimal) -> None:
        if abs(theirs - said) <= self._venue.rounding(currency):
            text = f"the account holds {shown(theirs)} {currency} instead of {shown(said)}: fills are rounded there"
            ledger.append(ExternalMoved(f"rounded:{currency}:{ledger.book.seq}", {currency: theirs - said}, text))
            return
        if self._is_the_desks(ledger.book, currency):
            reason = f"the book says {shown(said)} {currency}, the venue {shown(theirs)}"
            ledger.append(BreakSeen(currency, said, theirs, reason))
            ledger.append(Alarm(f"{reason}: no entries with {currency} until it is settled", symbol=currency))
            return
        text = f"the account holds {shown(theirs)} {currency} instead of {shown(said)}: by another hand"
        ref = f"seen:{currency}:{ledger.book.seq}"
        ledger.append(ExternalMoved(ref, {currency: theirs - said}, text))
        ledger.append(Alarm(f"{text}; recorded, not touched", symbol=currency))

    def _is_the_desks(self, book: Book, currency: str) -> bool:
        """Whether the desk trades in ``currency``: what it never touches can only be external."""
        named = {*self._market.symbols, *book.positions, *(order.symbol for order in book.live())}
        return any(currency in symbol.split("/") for symbol in named)

    @staticmethod
    def _told(book: Book, difference: Difference) -> bool:
        """Whether it stands as a break already, with the same numbers."""
        currency, said, theirs = difference
        return currency in book.breaks and book.missing.get(currency, ZERO) == max(said - theirs, ZERO)


def _still(now: Book, then: Book, currency: str) -> bool:
    """Whether the book says of ``currency`` what it said at the look."""
    return now.seq == then.seq or ours(now).get(currency, ZERO) == ours(then).get(currency, ZERO)
