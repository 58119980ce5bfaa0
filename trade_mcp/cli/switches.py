"""The person's switches: stop trading now, and let it go on."""

from typing import Annotated

import typer

from trade_mcp.cli.options import Config, Json, desk, say
from trade_mcp.office.plain import plain


def halt(
    flatten: Annotated[bool, typer.Option("--flatten", help="Also sell every position of the desk.")] = False,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why; it is written to the ledger.")
    ] = "by hand",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Halt trading: no entries from anyone; live entries are cancelled, stops stay. Works with no program running.

    Only `trade-mcp resume` ends it. With --flatten, exit code 1 or 3 if a position could not be sold.

    \b
    Examples:
      trade-mcp halt --reason "exchange looks odd"
      trade-mcp halt --flatten
    """
    with desk(config, "halt") as app:
        from trade_mcp.domain.events import TradingState
        from trade_mcp.domain.order import Source

        receipt = app.gate.set_state(TradingState.HALTED, Source.OPERATOR, reason=reason)
        sold = app.gate.flatten(Source.OPERATOR, reason=reason, make_id=app.new_id) if flatten else []
        answer = {
            "state": "halted",
            "reason": reason,
            "outcome": receipt.outcome,
            "sold": [plain(each) for each in sold],
        }
        lines = [receipt.message, *(f"  {each.message}" for each in sold)]
        say(answer, "\n".join(lines), as_json=as_json)
        if any(each.outcome == "refused" for each in sold):
            raise typer.Exit(3)
        if any(each.outcome == "nothing" for each in sold):
            raise typer.Exit(1)


def resume(
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why it is safe again; written to the ledger.")
    ],
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Let trading go on after a halt. Only a person may: no tool can.

    \b
    Example:
      trade-mcp resume --reason "spread is normal again"
    """
    with desk(config, "resume") as app:
        from trade_mcp.domain.events import TradingState
        from trade_mcp.domain.order import Source

        receipt = app.gate.set_state(TradingState.ACTIVE, Source.OPERATOR, reason=reason)
        say({"state": "active", "reason": reason, "outcome": receipt.outcome}, receipt.message, as_json=as_json)
