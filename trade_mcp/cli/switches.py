"""The person's switches: stop trading now, and let it go on."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from trade_mcp.cli import person
from trade_mcp.cli.options import Config, Json, desk, say
from trade_mcp.office.plain import plain

if TYPE_CHECKING:
    from trade_mcp.desk.receipt import Receipt


def halt(
    flatten: Annotated[bool, typer.Option("--flatten", help="Also sell every position of the desk.")] = False,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why; it is written to the ledger.")
    ] = "by hand",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Halt trading: no entries from anyone. Live entries are cancelled, stops stay. Works with no program running.

    First of all it puts up the file HALT in the data folder, which stops entries even while the ledger is locked or
    gone. Only `trade-mcp resume` ends a halt. Exit code 1 if something could not be written, cancelled or sold.

    \b
    Examples:
      trade-mcp halt --reason "exchange looks odd"
      trade-mcp halt --flatten
    """
    from trade_mcp.domain.errors import HaltUnwritten, TradeError
    from trade_mcp.settings import load_settings
    from trade_mcp.store.flag import HaltFlag

    settings = load_settings(config)
    flag = HaltFlag(settings.desk.data_dir)
    try:
        flag.put_up(reason)
    except OSError as error:
        print(f"the flag {flag.path} could not be put up: {error.strerror}", file=sys.stderr)
    sold: list[Receipt] = []
    try:
        with desk(config, "halt") as app:
            from trade_mcp.domain.order import Source

            receipt = app.gate.halt(Source.OPERATOR, reason=reason)
            sold = app.gate.flatten(Source.OPERATOR, reason=reason, make_id=app.new_id) if flatten else []
            lines = [receipt.message, *(f"  {each.message}" for each in sold)]
            failed = any(each.outcome == "nothing" for each in sold)
            outcome = receipt.outcome
    except HaltUnwritten as error:
        more = "; nothing was sold" if flatten else ""
        raise TradeError(f"{error.message}{more}", hint=error.hint) from error
    except TradeError as error:
        from trade_mcp.cli.last_resort import last_resort

        done, calm = last_resort(settings, reason)
        lines, failed, outcome = [f"the desk cannot be opened: {error.message}", *done], True, "nothing"
        if flatten:
            lines.append("nothing was sold: without the desk nobody knows what is its own")
        if not calm:
            lines.append("look at the open orders at the exchange yourself, now")
    answer = {
        "state": "halted",
        "reason": reason,
        "outcome": outcome,
        "flag": str(flag.path),
        "sold": [plain(each) for each in sold],
        "said": lines,
    }
    say(answer, "\n".join(lines), as_json=as_json)
    if any(each.outcome == "refused" for each in sold):
        raise typer.Exit(3)
    if failed:
        raise typer.Exit(1)


def resume(
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why it is safe again; written to the ledger.")
    ],
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Let trading go on after a halt. Only a person may: no tool can. On a live desk it asks for the passphrase.

    \b
    Example:
      trade-mcp resume --reason "spread is normal again"
    """
    with desk(config, "resume") as app:
        from trade_mcp.domain.order import Source

        person.passphrase(app, "resume")
        receipt = app.gate.resume(Source.OPERATOR, reason=reason)
        state, why = app.trading.now(app.log.refresh())
        lines = [receipt.message]
        if state != "active":
            lines.append(f"but trading is {state}: {why}; cleared by {app.trading.cleared_by(app.log.book)}")
        answer = {"state": state, "reason": reason, "outcome": receipt.outcome}
        say(answer, "\n".join(lines), as_json=as_json)
