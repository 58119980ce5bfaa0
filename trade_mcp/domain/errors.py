"""What can go wrong, in words: a message with numbers, a hint what to do, and whether trying again can help.

Refusals by a rule are values (`Verdict`), not errors. Connectivity (nobody knows what happened) and rejection
(the venue said no) are different types, because only one of them is known.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from trade_mcp.domain.order import Report


class TradeError(Exception):
    """Anything the desk can say about a failure. ``exit_code`` is what a command line ends with."""

    retryable = False
    exit_code = 1

    def __init__(self, message: str, *, hint: str = ""):
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message


class BadInput(TradeError):
    """What was asked cannot be understood or cannot be: the asker can mend it."""

    exit_code = 2


class BadConfig(BadInput):
    """A setting is unknown, of the wrong kind, or out of its range."""


class UnknownSymbol(BadInput):
    """No such instrument at this venue and feed."""

    def __init__(self, symbol: str, nearest: tuple[str, ...]):
        close = f"did you mean {', '.join(nearest)}?" if nearest else "find_instruments lists what trades here"
        super().__init__(f"unknown symbol {symbol!r}", hint=close)
        self.symbol, self.nearest = symbol, nearest


class IdConflict(BadInput):
    """An order id that is known already, with other content."""


class CandleFileError(BadInput):
    """A candle file that is corrupt, truncated, unsorted, duplicated or of an unknown shape."""


class RefusedError(TradeError):
    """A control said no to a command (not to an order: that is a value)."""

    exit_code = 3


class NotWaiting(RefusedError):
    """The proposal that was answered is not there, ran out, or was answered before."""


class FeedError(TradeError):
    """Prices could not be had."""

    retryable = True


class NoPrice(FeedError):
    """The feed has no price for a symbol at this market time; nothing is made up instead."""


class VenueError(TradeError):
    """Something between us and the venue."""


class VenueUnreachable(VenueError):
    """Connectivity: nobody knows whether the venue acted. Never resent blindly."""


class OddAnswer(VenueUnreachable):
    """The venue answered, and what it said of one thing cannot be understood: that stays unknown, others may not."""


class NotOurs(OddAnswer):
    """An order lives there by an id of ours, and it is another one than we sent."""


class HeardInPart(OddAnswer):
    """The venue was read but for one symbol or order. What was read stands in ``reports``; ``cursor`` is the next."""

    def __init__(self, message: str, *, hint: str, reports: "Sequence[Report]", cursor: str):
        super().__init__(message, hint=hint)
        self.reports, self.cursor = reports, cursor


class VenueRejected(VenueError):
    """The venue said no: nothing happened there."""


class RefusedForTime(VenueRejected):
    """The venue refused a request for the time it carried, and for nothing else: it may be sent once more."""


class LedgerError(TradeError):
    """The ledger cannot be used as asked."""


class LedgerBusy(LedgerError):
    """Another writer held the ledger for too long."""

    retryable = True


class LedgerUnwritable(LedgerError):
    """The disk is full, or the ledger may only be read: nothing can be written down for now."""

    retryable = True


class HaltUnwritten(LedgerError):
    """Trading is halted by the flag, and its entries are cancelled at the venue, but the ledger does not know it."""

    def __init__(self, why: str, cancelled: list[str], failed: list[str]):
        left = f"; NOT cancelled: {'; '.join(failed)}" if failed else ""
        super().__init__(
            f"the flag HALT is up and {len(cancelled)} entries were cancelled at the venue{left}, but the halt could "
            f"not be written down: {why}",
            hint="nothing is entered while the flag is up; look at the open orders at the venue, and halt again",
        )
        self.cancelled, self.failed = cancelled, failed


class SchemaNewer(LedgerError):
    """The database was written by a newer version than this one."""


class ForeignDatabase(LedgerError):
    """The file is a database of another program."""


class ForeignLedger(LedgerError):
    """The ledger belongs to another venue, account or feed."""


class LeaseLost(LedgerError):
    """Another process took over this role; what it held may neither write nor send."""


class StrategyFailed(TradeError):
    """A strategy raised, answered what is no opinion, or did not answer in time. It costs that opinion alone."""

    def __init__(self, name: str, why: str):
        super().__init__(f"{name} has no opinion: {why}", hint="trade-mcp check-strategy tries it")
        self.why = why


class NotDelivered(TradeError):
    """A channel did not take a message.

    ``fault``: "channel", nothing passes until it is back or somebody mends it; "passing", this message may pass later;
    "final", it never will. ``left``: who has not got it, where others have.
    """

    def __init__(
        self, message: str, *, fault: Literal["channel", "passing", "final"], left: tuple[str, ...] = (), hint: str = ""
    ):
        super().__init__(message, hint=hint)
        self.fault, self.left = fault, left
