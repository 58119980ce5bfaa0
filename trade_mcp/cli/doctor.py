"""`doctor`: one line for each thing that must be so, with its number and what to do. Alive or dead, it only looks."""

from typing import TYPE_CHECKING

import typer

from trade_mcp.cli.options import Config, Json, say

if TYPE_CHECKING:
    from collections.abc import Callable

    from trade_mcp.cli.checks.patient import Finding, Patient

HIDDEN_BUG = "look at it by hand; a check that breaks is a bug"


def doctor(config: Config = None, as_json: Json = False) -> None:
    """Look at everything that must be so. One line each: ok, warn or fail, with the number and what to do.

    Works with nothing running and without a network; changes nothing. Exit code 1 if a check fails.

    \b
    Example:
      trade-mcp doctor --json
    """
    from trade_mcp.cli.checks import CHECKS
    from trade_mcp.cli.checks.patient import admitted
    from trade_mcp.logs.redact import redacted
    from trade_mcp.settings import config_file, load_settings

    settings = load_settings(config)
    with admitted(settings, config_file(config)) as patient:
        found = [(check.__name__, finding) for check in CHECKS if (finding := _found(check, patient)) is not None]
    answer = {
        "well": not any(finding.verdict == "fail" for _, finding in found),
        "checks": [
            {"check": name, "verdict": one.verdict, "said": redacted(one.said), "hint": one.hint} for name, one in found
        ],
    }
    say(answer, redacted("\n".join(_line(name, one) for name, one in found)), as_json=as_json)
    if not answer["well"]:
        raise typer.Exit(1)


def _found(check: "Callable[[Patient], Finding | None]", patient: "Patient") -> "Finding | None":
    """What ``check`` says; one that cannot be made is a failure of its own and hides no other."""
    from trade_mcp.cli.checks.patient import fail
    from trade_mcp.domain.errors import TradeError

    try:
        return check(patient)
    except TradeError as error:
        return fail(error.message, error.hint)
    except Exception as error:
        return fail(f"it could not be looked at: {type(error).__name__}: {error}", HIDDEN_BUG)


def _line(name: str, finding: "Finding") -> str:
    line = f"{finding.verdict:<5} {name.replace('_', ' '):<13} {finding.said}"
    return f"{line}  ->  {finding.hint}" if finding.hint else line
