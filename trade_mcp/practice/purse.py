"""Purse: what an account owns, what its open orders lock of it, and what it can still pay.

What an account owns is its totals in the books; what its open orders lock is derived from them: the two cannot differ.
"""

from collections.abc import Mapping, Sequence
from decimal import ROUND_UP, Decimal

from trade_mcp.domain.instrument import ZERO, Instrument
from trade_mcp.domain.matching import Execution, Match
from trade_mcp.domain.order import Side
from trade_mcp.practice.books import Books
from trade_mcp.practice.errors import INSUFFICIENT, rejected
from trade_mcp.practice.ticket import State, Ticket

CENT = Decimal("0.00000001")  # amounts have eight decimals
type Balances = dict[str, tuple[Decimal, Decimal]]


class Purse:
    """The money of every account."""

    def __init__(self, books: Books, instruments: Mapping[str, Instrument]):
        self._books, self._instruments = books, instruments

    def locked(self, account: str) -> dict[str, Decimal]:
        """What open orders lock, by asset; an OCO locks once."""
        groups: dict[tuple[str, int], tuple[str, Decimal]] = {}
        for ticket in self._books.live.values():
            if ticket.account == account:
                asset, amount = self.needs(ticket)
                groups[ticket.group] = asset, max(amount, groups.get(ticket.group, (asset, ZERO))[1])
        found: dict[str, Decimal] = {}
        for asset, amount in groups.values():
            found[asset] = found.get(asset, ZERO) + amount
        return found

    def balances(self, account: str) -> Balances:
        """Free and locked by asset. An order in the middle of its trade may ask for more than there is: no loans."""
        totals, locks = self._books.totals.get(account, {}), self.locked(account)
        locked = {asset: min(locks.get(asset, ZERO), total) for asset, total in sorted(totals.items())}
        return {asset: (totals[asset] - lock, lock) for asset, lock in locked.items()}

    def needs(self, ticket: Ticket) -> tuple[str, Decimal]:
        """What an order locks: all that may still trade, and what has traded and is not told."""
        instrument = self._instruments[ticket.spec.symbol]
        waiting = not ticket.open or ticket.state is State.PENDING_NEW
        size = ticket.late + (ZERO if waiting else ticket.remaining)
        if ticket.spec.side is Side.SELL:
            return instrument.base, size
        return instrument.quote, (size * ticket.lock_price).quantize(CENT, ROUND_UP)

    def payable(self, ticket: Ticket, trade: Execution) -> Decimal:
        """What of a trade the account can pay: a triggered buy may cost more than it locked."""
        if ticket.spec.side is Side.SELL:
            return trade.size
        instrument = self._instruments[ticket.spec.symbol]
        free, _ = self.balances(ticket.account).get(instrument.quote, (ZERO, ZERO))
        own = [t for t in self._books.live.values() if t.group == ticket.group]
        purse = free + max((self.needs(t)[1] for t in own), default=ZERO)
        if trade.size * trade.price <= purse:
            return trade.size
        return instrument.round_size(max(purse, ZERO) / trade.price)

    def afford(self, account: str, legs: Sequence[Ticket], matches: Sequence[Match | None]) -> None:
        """Raises -2010 if the account cannot pay what trades now and lock the rest."""
        asset, needed = "", ZERO
        for ticket, match in zip(legs, matches, strict=True):
            asset, amount = self.needs(ticket)
            trades = match is not None and match.execution is not None and not ticket.waits
            if trades and ticket.spec.side is Side.BUY:
                assert match is not None and match.execution is not None
                rests = match.resting.remaining if match.ended is None else ZERO
                amount = match.execution.size * match.execution.price + rests * ticket.lock_price
            needed = max(needed, amount)
        if legs and needed > self.balances(account).get(asset, (ZERO, ZERO))[0]:
            raise rejected(INSUFFICIENT)
