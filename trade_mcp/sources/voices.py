"""Voices: the strategies of a configuration by the name of their table: built in, from a file, or from a package."""

from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from msgspec import Struct

from trade_mcp.domain.errors import BadConfig, StrategyFailed
from trade_mcp.sources.custom import Custom
from trade_mcp.sources.trial import Check, trial
from trade_mcp.strategies import STRATEGIES, Strategy, build_strategy

GROUP = "trade_mcp.strategies"  # entry points of other packages


class Voice(Struct, frozen=True):
    """One strategy as it was configured: its name, and its own timeframe (None: the desk's)."""

    name: str
    strategy: Strategy
    timeframe: str | None = None

    def close(self) -> None:
        """End its process, if it has one."""
        if isinstance(self.strategy, Custom):
            self.strategy.close()


def voice(name: str, table: Mapping[str, Any], parameters: Mapping[str, Any]) -> Voice:
    """The strategy of ``[strategies.<name>]``. Raises BadConfig for one that is unknown, or keeps not to the laws."""
    kind = str(table.get("kind", name))
    if "file" in table:
        return Voice(
            name, _checked(name, str(Path(str(table["file"])).expanduser()), parameters), table.get("timeframe")
        )
    if kind not in STRATEGIES and (found := entry_points(group=GROUP, name=kind)):
        return Voice(name, _checked(name, next(iter(found)).value, parameters), table.get("timeframe"))
    return Voice(name, build_strategy(kind, parameters), table.get("timeframe"))


def _checked(name: str, file: str, parameters: Mapping[str, Any]) -> Custom:
    try:
        made = Custom(name, file, parameters)
    except StrategyFailed as error:
        raise BadConfig(f"[strategies.{name}]: {error.message}", hint=f"trade-mcp check-strategy {file}") from error
    if broken := next((check for check in trial(made) if not check.passed), None):
        made.close()
        raise BadConfig(f"[strategies.{name}] {broken.name}: {broken.seen}", hint=broken.hint)
    return made


def examined(name_or_file: str, parameters: Mapping[str, Any]) -> list[Check]:
    """The checks of a strategy by name or file. Raises BadConfig for a name nobody knows."""
    if not name_or_file.endswith(".py") and ":" not in name_or_file:
        return trial(build_strategy(name_or_file, parameters))
    try:
        made = Custom(Path(name_or_file).stem, name_or_file, parameters)
    except StrategyFailed as error:
        return [Check("load", False, error.message, "it needs a class Strategy with lookback and strengths(candles)")]
    try:
        return [Check("load", True, f"lookback {made.lookback} bars"), *trial(made)]
    finally:
        made.close()
