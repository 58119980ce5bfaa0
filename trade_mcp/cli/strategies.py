"""The command about strategies: does one keep the laws."""

from typing import Annotated

import typer

from trade_mcp.cli.options import Config, Json, say


def check_strategy(
    strategy: Annotated[str, typer.Argument(help="A name, a table of yours, FILE.py or package:Class.")],
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Try a strategy: its shape, nothing from the future, nothing beyond its lookback, its time.

    A file has a class Strategy with `lookback` and `strengths(candles)`: docs/strategies.md. It runs in a process of
    its own, with a time limit. Exit code 1 if a check fails.

    \b
    Examples:
      trade-mcp check-strategy mine.py
      trade-mcp check-strategy ema_cross --json
    """
    from trade_mcp.settings import load_settings
    from trade_mcp.settings.sections import parameters
    from trade_mcp.sources.voices import examined

    table = {} if strategy.endswith(".py") else load_settings(config).strategies.get(strategy, {})
    checks = examined(str(table.get("file", table.get("kind", strategy))), parameters(table))
    lines = []
    for check in checks:
        lines.append(f"{'ok  ' if check.passed else 'FAIL'}  {check.name:<10}  {check.seen}")
        lines += [f"                  hint: {check.hint}"] if check.hint else []
    passed = all(check.passed for check in checks)
    say({"passed": passed, "checks": checks}, "\n".join(lines), as_json=as_json)
    if not passed:
        raise typer.Exit(1)
