"""The account at the venue: does it say what the book says, and what of it shall be the desk's."""

import sys
import time
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trade_mcp.cli import person
from trade_mcp.cli.options import Config, Json, Reason, desk, say
from trade_mcp.domain.errors import BadInput
from trade_mcp.office.plain import number, plain

if TYPE_CHECKING:
    from trade_mcp.app import App
    from trade_mcp.desk.tally import Line

PATIENCE_S = 30.0  # real time for a difference to turn out to be a lag, or an answer to come


def reconcile(
    accept: Annotated[
        str | None,
        typer.Option(
            "--accept", metavar="CURRENCY", help="Record what differs in this currency as external: you know why."
        ),
    ] = None,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; with --accept.")] = "",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Hold the book against the venue's account. Compares orders, stops, fills, fees, positions, balances.

    Missed fills are booked and lost answers found out first, as the watcher does every minute; nothing is traded. What
    differs is looked at again for some seconds, because balances may lag. Exit code 1 if something still differs. On a
    live desk --accept asks for the passphrase: it ends a break, and lets entries in again.

    \b
    Examples:
      trade-mcp reconcile
      trade-mcp reconcile --accept BTC --reason "staking reward"
    """
    if accept and not reason:
        raise BadInput("--accept needs a --reason", hint='for example --reason "deposit from the bank"')
    with desk(config, "reconcile") as app:
        lines = _looked(app)
        if accept:
            person.passphrase(app, "reconcile --accept")
            moved = app.reconcile.accept(accept.upper(), reason=reason)
            print(f"{number(moved)} {accept.upper()} recorded as external", file=sys.stderr)
            lines = _looked(app)
        book = app.log.refresh()
        differs = [line for line in lines if line.verdict == "differs"]
        answer = {
            "agrees": not differs,
            "lines": [plain(line) for line in lines],
            "breaks": book.breaks,
            "external": book.external,
            "foreign_orders": book.foreign,
        }
        say(answer, _table(lines, book.breaks), as_json=as_json)
        if differs:
            raise typer.Exit(1)


def takeover(
    symbol: Annotated[str, typer.Argument(help="What to take over: BTC/USDT for coins, USDT for money.")],
    reason: Reason,
    size: Annotated[
        str | None, typer.Option("--size", metavar="N", help="How much; default all that is external, in whole lots.")
    ] = None,
    entry: Annotated[
        str | None,
        typer.Option("--entry", metavar="PRICE", help="Average entry; asked for on a terminal, else the bid of now."),
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Make external holdings the desk's. Only a person may: no tool can; on a live desk it asks for the passphrase.

    Coins become a position of yours, with the default exits of [exits] counted from the price of now, whatever the
    entry was. Nothing is bought; the value counts as a deposit, not as profit.

    \b
    Examples:
      trade-mcp takeover BTC/USDT --reason "let the desk watch it"
      trade-mcp takeover BTC/USDT --size 0.2 --entry 61250 --reason "bought in May"
      trade-mcp takeover USDT --size 2000 --reason "more capital"
    """
    with desk(config, "takeover") as app:
        person.passphrase(app, "takeover")
        wanted = None if size is None else _decimal("--size", size)
        if symbol.upper() == app.log.refresh().quote:
            amount = app.takeover.cash(amount=wanted, reason=reason, takeover_id=app.new_id())
            answer: dict[str, Any] = {"currency": app.log.book.quote, "amount": amount}
            say(answer, f"{number(amount)} {app.log.book.quote} are the desk's now", as_json=as_json)
            return
        price = _entry(app, symbol, entry, ask=not as_json)
        held = app.takeover.coins(symbol, size=wanted, entry=price, reason=reason, takeover_id=app.new_id())
        stop = held.levels.stop_price
        protected = symbol not in app.portfolio().unprotected
        answer = {"symbol": symbol, "size": held.size, "entry": held.entry, "stop": stop, "protected": protected}
        text = f"{number(held.size)} {symbol} are the desk's now, at {number(held.entry)}"
        if stop is not None:
            how = "watched" if app.log.book.stops_watched else "resting"
            text += f"; stop at {number(stop)}" + ("" if protected else f", not {how} yet")
        say(answer, text, as_json=as_json)


def _looked(app: "App") -> "list[Line]":
    """Find out what can be, then compare; what differs gets time to turn out to be a lag."""
    from trade_mcp.desk.tally import tally

    deadline = time.monotonic() + PATIENCE_S
    app.reconcile.audit()
    while True:
        app.reconcile.fills()
        app.reconcile.pending()
        app.reconcile.balances()
        lines = tally(app.log, app.venue)
        if all(line.verdict != "differs" for line in lines) or time.monotonic() > deadline:
            return lines
        if app.log.refresh().breaks and not app.reconcile.breaks.open:
            return lines  # it stayed: it is a break
        time.sleep(0.5)


def _table(lines: "list[Line]", breaks: dict[str, str]) -> str:
    head = ("", "", "book", "venue", "")
    rows = [(line.what, line.name, line.book, line.venue, f"{line.verdict} {line.note}".strip()) for line in lines]
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(5)]
    shown = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)
    ]
    differing = sum(line.verdict == "differs" for line in lines)
    shown.append("book and venue agree" if not differing else f"{differing} differ")
    shown += [f"no entries with {currency}: {why}" for currency, why in breaks.items()]
    return "\n".join(shown)


def _entry(app: "App", symbol: str, given: str | None, *, ask: bool) -> Decimal | None:
    if given is not None:
        return _decimal("--entry", given)
    bid = app.market.quote(symbol).bid
    if not (ask and sys.stdin.isatty()):
        return bid
    return _decimal("--entry", typer.prompt(f"average entry of your {symbol}", default=number(bid)))


def _decimal(option: str, text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise BadInput(f"{option} {text!r} is not a number", hint=f"for example {option} 0.25") from None
