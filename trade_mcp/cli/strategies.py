"""The command about strategies: does one keep the laws."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trade_mcp.cli.options import Config, Json, say

if TYPE_CHECKING:
    from trade_mcp.sources.voices import Voice


def check_strategy(
    strategy: Annotated[
        str | None, typer.Argument(metavar="[FILE|NAME]", help="Your file, or a name; default: all that are on.")
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Try a strategy before it trades. Its shape, nothing from the future, nothing beyond its lookback, its time.

    A file has a class Strategy with `lookback` and `strengths(candles)`: docs/strategies.md. It runs in a process of
    its own, and is stopped if it does not answer. Exit code 1 if a check fails.

    \b
    Examples:
      trade-mcp check-strategy mine.py
      trade-mcp check-strategy ema_cross --json
    """
    from trade_mcp.sources.voices import examined

    answer: list[dict[str, Any]] = []
    lines: list[str] = []
    for one in _asked(strategy, config):
        checks = examined(one.strategy)
        one.close()
        passed = all(check.passed for check in checks)
        answer.append({"strategy": one.name, "passed": passed, "checks": checks})
        lines.append(f"{one.name}: {'keeps the laws' if passed else 'cannot be used like this'}")
        for check in checks:
            lines.append(f"  {'ok  ' if check.passed else 'FAIL'}  {check.name:<10}  {check.seen}")
            lines += [f"                    hint: {check.hint}"] if check.hint else []
    passed = all(one["passed"] for one in answer)
    say({"passed": passed, "strategies": answer}, "\n".join(lines), as_json=as_json)
    if not passed:
        raise typer.Exit(1)


def _asked(strategy: str | None, config: Path | None) -> "list[Voice]":
    """What is to be tried. Raises BadInput for a file that is not there, BadConfig for a name nobody knows."""
    from trade_mcp.domain.errors import BadInput
    from trade_mcp.settings import load_settings
    from trade_mcp.settings.sections import parameters
    from trade_mcp.sources.voices import voice

    if strategy is not None and strategy.endswith(".py"):
        if not Path(strategy).is_file():
            raise BadInput(f"there is no file {strategy}", hint="trade-mcp check-strategy FILE.py, or a name")
        return [voice(Path(strategy).stem, {"file": strategy}, {})]
    settings = load_settings(config)
    tables = settings.active_strategies if strategy is None else {strategy: settings.strategies.get(strategy, {})}
    return [voice(name, table, parameters(table)) for name, table in tables.items()]
