"""Trading: whether entries may be made now, and the switches a person has: halt, resume, arm, disarm.

Three things must agree: the ledger's state, the flag file, and on a live desk that it is armed.
"""

from datetime import timedelta

import structlog

from trade_mcp.domain.approvals import By
from trade_mcp.domain.book import LIVE, Book
from trade_mcp.domain.errors import BadInput
from trade_mcp.domain.events import Armed, Denied, Disarmed, TradingState
from trade_mcp.domain.order import Source
from trade_mcp.ports import Clock
from trade_mcp.risk.rules.state import held_until
from trade_mcp.store.flag import HaltFlag
from trade_mcp.store.log import Log

RESUME = "a person, in a terminal: trade-mcp resume --reason ..."
ARM = "a person, in a terminal: trade-mcp arm --for 8h"
SHORTEST, LONGEST = timedelta(minutes=1), timedelta(days=7)

log = structlog.get_logger(__name__)


def check_length(length: timedelta) -> None:
    """Raises BadInput for a time for which nobody arms a desk."""
    if not SHORTEST <= length <= LONGEST:
        raise BadInput(f"a live desk is armed for a minute to a week, not for {length}", hint="such as --for 8h")


class Trading:
    """What is in force now; and how a person changes it. Nothing here speaks to the venue."""

    def __init__(self, ledger: Log, flag: HaltFlag, *, clock: Clock):
        self._log, self.flag, self._clock = ledger, flag, clock

    def halted(self, book: Book) -> str:
        """Why trading is halted though the book does not say so; "" if it does, or if it is not."""
        if book.state is TradingState.HALTED:
            return ""
        return self.flag.why() or book.unarmed(self._clock.real())

    def now(self, book: Book) -> tuple[TradingState, str]:
        """The state in force, and why."""
        if halted := self.halted(book):
            return TradingState.HALTED, halted
        return book.state, book.state_reason

    def cleared_by(self, book: Book) -> str:
        """What ends it before entries are made again; "" while they are."""
        if self.halted(book):
            return RESUME if self.flag.why() else ARM
        if book.state is TradingState.ACTIVE:
            return ""
        until = held_until(book)
        return RESUME if until is None else f"the time: {until:%Y-%m-%d %H:%M} UTC"

    def put_up_flag(self, reason: str) -> None:
        """The first thing of every halt: it holds though the ledger may be locked or gone."""
        try:
            self.flag.put_up(reason)
        except OSError as error:  # a full disk must not keep the ledger from halting
            log.error("the halt flag could not be written", error=str(error))

    def arm(self, length: timedelta) -> Armed:
        """Let a live desk enter for ``length`` of real time; it leaves a halt as it is. Raises BadInput."""
        if self._log.refresh().mode != LIVE:
            raise BadInput("only a live desk is armed; this one trades without", hint="nothing to do")
        check_length(length)
        now = self._clock.real()
        event = Armed(now, now + length, By.TERMINAL)
        with self._log.writing() as ledger:
            ledger.append(event)
        return event

    def disarm(self, source: Source, *, reason: str) -> bool:
        """Take the arming back; False if there was none. The caller sweeps the entries that live."""
        with self._log.writing() as ledger:
            if ledger.book.armed_until is None:
                return False
            ledger.append(Disarmed(reason, source))
        return True

    def deny(self, act: str, why: str, source: Source, *, order_id: str = "") -> None:
        """Write down that somebody tried what is not theirs to do."""
        with self._log.writing() as ledger:
            ledger.append(Denied(act, why, source, order_id))
