"""A person at a terminal: what only they may do on a live desk is asked of them there, and of nothing else.

The terminal itself is asked, not stdin: a pipe or an environment variable cannot answer, so no server holds the
passphrase. Whatever runs as the same user can open a terminal of its own; the passphrase is what it does not know.
"""

import getpass
import os
from typing import TYPE_CHECKING

from trade_mcp.domain.book import LIVE
from trade_mcp.domain.errors import RefusedError
from trade_mcp.domain.order import Source

if TYPE_CHECKING:
    from trade_mcp.app import App

TERMINAL = "/dev/tty"


def passphrase(app: "App", act: str) -> None:
    """On a live desk: ask for the operator's passphrase before ``act``. Elsewhere nothing is asked.

    Raises RefusedError; a wrong one, or one where none is set, is written to the ledger.
    """
    if app.log.refresh().mode != LIVE:
        return
    need_terminal(act)
    from trade_mcp.store.passphrase import Passphrase

    kept = Passphrase(app.engine, clock=app.clock)
    if not kept.is_set:
        raise RefusedError(f"{act} on a live desk needs the operator's passphrase, and none is set", hint=FIRST)
    try:
        kept.check(_hidden(f"Passphrase of {app.settings.desk.account}: "))
    except RefusedError as no:
        app.trading.deny(act, no.message, Source.OPERATOR)
        raise


FIRST = "trade-mcp arm asks for a new one"


def new_passphrase(app: "App") -> None:
    """Ask for a new passphrase, twice, and keep it. Raises RefusedError."""
    from trade_mcp.store.passphrase import SHORTEST, Passphrase

    first = _hidden(f"New passphrase, at least {SHORTEST} characters: ")
    if first != _hidden("The same again: "):
        raise RefusedError("the two were not the same", hint="nothing was kept; run it again")
    Passphrase(app.engine, clock=app.clock).set(first)


def need_terminal(act: str) -> None:
    """Raises RefusedError where nobody can be asked."""
    try:
        os.close(os.open(TERMINAL, os.O_RDWR | os.O_NOCTTY))
    except OSError:
        raise RefusedError(f"{act} needs a person at a terminal", hint="run it in one; it cannot be scripted") from None


def typed(prompt: str) -> str:
    """What the person types at the terminal, up to the end of the line."""
    with open(TERMINAL, "r+b", buffering=0) as terminal:
        terminal.write(prompt.encode())
        line = b""
        while not line.endswith(b"\n") and (char := terminal.read(1)):
            line += char
    return line.decode(errors="replace").strip()


def _hidden(prompt: str) -> str:
    """As `typed`, without showing it. `getpass` speaks to the terminal itself where there is one."""
    try:
        return getpass.getpass(prompt)
    except EOFError:
        raise RefusedError("no passphrase was given") from None
