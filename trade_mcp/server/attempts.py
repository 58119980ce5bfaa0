"""Attempts: tool calls that reach for what only a person may do. They are told so, and are written down."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from trade_mcp.domain.errors import TradeError
from trade_mcp.domain.order import Source
from trade_mcp.logs import get_logger
from trade_mcp.server.untrusted import clean

if TYPE_CHECKING:
    from trade_mcp.app import App

PERSONS = re.compile(r"resum|unhalt|\barm|_arm|disarm|approv|takeover|take_over|adopt|passphrase|polic|limit", re.I)
WHY = "no tool raises a limit, resumes, arms or approves: a person does, in a terminal"

log = get_logger("attempts")


def reaches(name: str) -> bool:
    """Whether ``name``, of a tool or an argument that does not exist, is one of a person's acts or a limit."""
    from trade_mcp.risk.policy import LIMITS

    return name in LIMITS or PERSONS.search(name) is not None


def note(desk: "App", tool: str, arguments: Iterable[str] = ()) -> None:
    """Write down that a call of ``tool`` reached too far, by its name or by ``arguments`` it has not; if it did."""
    found = [name for name in (tool, *arguments) if reaches(name)][:3]
    if found:
        _deny(desk, clean(", ".join(found), 80), WHY)


def forged(desk: "App") -> None:
    """Write down that an answer came to a question that was not asked so, or too long ago."""
    _deny(desk, "approve", "the answer to a question was forged, of another call, or too late")


def _deny(desk: "App", act: str, why: str) -> None:
    try:
        desk.trading.deny(act, why, Source.MODEL)
    except TradeError as error:  # the refusal stands, written down or not
        log.warning("an attempt could not be written down", error=error.message)
