"""Live trading is armed by a person, for a time: the key is checked, the limits shown in money, then they answer."""

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer

from trade_mcp.cli import person
from trade_mcp.cli.options import Config, Json, desk, say, seconds
from trade_mcp.domain.errors import BadInput, RefusedError
from trade_mcp.office.plain import number

if TYPE_CHECKING:
    from trade_mcp.app import App

CENT = Decimal("0.01")


def arm(
    for_: Annotated[str, typer.Option("--for", metavar="TIME", help="Until when, in real time: 30m, 8h, 2d.")],
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Let a live desk make entries, for a time. Live trading is halted until it is armed, and when the time is over.

    At a terminal alone: the API key is checked (one that can withdraw is refused where the exchange can tell), the
    limits are shown in money, and you type the account's name and the operator's passphrase. The first time, a new
    passphrase is asked for twice. A halt stays a halt: `trade-mcp resume` ends that.

    \b
    Example:
      trade-mcp arm --for 8h
    """
    length = timedelta(seconds=seconds(for_) or 0)
    with desk(config, "arm") as app:
        from trade_mcp.desk.trading import check_length

        mode = app.settings.mode
        if mode != "live":
            raise BadInput(
                f"this desk is {mode}: it needs no arming", hint="only a live desk does; nothing was changed"
            )
        check_length(length)
        person.need_terminal("arm")
        told = _key(app)
        print("\n".join([f"Live trading of {app.settings.desk.account} on {app.settings.desk.exchange}.", told]))
        print("\n".join([*_limits(app), *_watched(app)]), flush=True)
        _account(app)
        from trade_mcp.store.passphrase import Passphrase

        if Passphrase(app.engine, clock=app.clock).is_set:
            person.passphrase(app, "arm")
        else:
            person.new_passphrase(app)
        armed = app.trading.arm(length)
        state, reason = app.trading.now(app.log.refresh())
        lines = [f"armed until {armed.until:%Y-%m-%d %H:%M:%S} UTC; trade-mcp disarm ends it sooner"]
        if state != "active":
            lines.append(f"but trading is {state} ({reason}): trade-mcp resume --reason ...")
        answer = {"armed_until": armed.until, "state": state, "state_reason": reason}
        say(answer, "\n".join(lines), as_json=as_json)


def disarm(
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is written down.")] = "by hand",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Take the arming back: a live desk makes no entries. It can be armed again. Live entries are cancelled.

    \b
    Example:
      trade-mcp disarm
    """
    with desk(config, "disarm") as app:
        from trade_mcp.domain.order import Source

        was = app.trading.disarm(Source.OPERATOR, reason=reason)
        app.gate.sweep_entries()
        text = "disarmed: nothing is entered until the next arm" if was else "it was not armed"
        say({"disarmed": was, "state": app.trading.now(app.log.refresh())[0]}, text, as_json=as_json)


def _key(app: "App") -> str:
    """What the exchange says of the key, in a sentence. Raises BadConfig for a key that must not be used."""
    from trade_mcp.app import open_exchange
    from trade_mcp.venues.exchange_key import check_key

    exchange = open_exchange(app.settings, signed=True)
    try:
        found = check_key(exchange)
    finally:
        exchange.close()
    if found.withdraw is None:
        return "The exchange does not tell whether this key can withdraw: make sure that it cannot."
    return "The key can trade, and cannot withdraw."


def _limits(app: "App") -> list[str]:
    """The limits in force that are fractions of equity, in money."""
    from trade_mcp.risk.policy import EQUITY, LIMITS

    book = app.log.refresh()
    equity = app.portfolio().equity
    if equity is None:
        raise RefusedError("equity is unknown while a position has no price", hint="see trade-mcp doctor, then arm")
    policy = app.judge.policy(book)
    lines = [f"Equity is {_money(equity, book.quote)}. At most:"]
    for key, limit in LIMITS.items():
        value = getattr(policy, key)
        if limit.unit == EQUITY and value:
            lines.append(f"  {limit.title:42} {_money(value * equity, book.quote):>18}  {key} {number(value)}")
    return lines


def _watched(app: "App") -> list[str]:
    """What does not rest at the exchange, and is kept only while the desk runs."""
    from trade_mcp.venues.ccxt import CcxtVenue

    assert isinstance(app.venue, CcxtVenue), "only an exchange is live"
    head = f"What cannot rest at {app.settings.desk.exchange}, the desk watches while it runs:"
    return [head, *(f"  {each}" for each in app.venue.can.watched)]


def _money(amount: Decimal, currency: str) -> str:
    return f"{amount.quantize(CENT):,f} {currency}"


def _account(app: "App") -> None:
    """The person types the account's name: not the one they did not mean. Raises RefusedError."""
    from trade_mcp.domain.order import Source

    name = app.settings.desk.account
    if person.typed("Type the name of the account to go on: ") != name:
        app.trading.deny("arm", "another account's name was typed", Source.OPERATOR)
        raise RefusedError(f"that is not the account ({name})", hint="nothing was armed")
