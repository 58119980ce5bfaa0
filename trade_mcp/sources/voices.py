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
NEEDED = "it needs a class Strategy with lookback and strengths(candles): docs/strategies.md"


class Voice(Struct, frozen=True):
    """One strategy as it was configured: its name, and its own timeframe (None: the desk's)."""

    name: str
    strategy: Strategy
    timeframe: str | None = None

    @property
    def custom(self) -> bool:
        """Whether it is a person's own, in a process of its own."""
        return isinstance(self.strategy, Custom)

    def close(self) -> None:
        """End its process, if it has one."""
        if isinstance(self.strategy, Custom):
            self.strategy.close()


def voice(name: str, table: Mapping[str, Any], parameters: Mapping[str, Any]) -> Voice:
    """The strategy of ``[strategies.<name>]``; a person's own is neither loaded nor checked yet. Raises BadConfig."""
    return Voice(name, strategy_of(name, table, parameters), table.get("timeframe"))


def strategy_of(name: str, table: Mapping[str, Any], parameters: Mapping[str, Any]) -> Strategy:
    """What the table ``name`` asks for: a file, a built-in strategy, or one that a package offers."""
    kind = str(table.get("kind", name))
    if "file" in table:
        path = str(Path(str(table["file"])).expanduser().absolute())
        if not path.endswith(".py") or "kind" in table:
            raise BadConfig(
                f'[strategies.{name}] file = "{table["file"]}": expected a .py file, and no kind beside it',
                hint='file = "mine.py"; an installed package offers its own by an entry point',
            )
        return Custom(name, path, parameters)
    if kind not in STRATEGIES and (found := entry_points(group=GROUP, name=kind)):
        return Custom(name, next(iter(found)).value, parameters)
    return build_strategy(kind, parameters, table=name)


def checked(one: Voice) -> Voice:
    """``one``, after a strategy of a person's own was loaded and keeps the laws. Raises BadConfig."""
    if not isinstance(one.strategy, Custom):
        return one
    for check in examined(one.strategy):
        if not check.passed:
            one.close()
            raise BadConfig(
                f"[strategies.{one.name}] {check.name}: {check.seen}",
                hint=f"{check.hint}; try it with: trade-mcp check-strategy {one.name}",
            )
    return one


def examined(strategy: Strategy) -> list[Check]:
    """Every check of a strategy: that it loads (one of a person's own), and the laws."""
    if not isinstance(strategy, Custom):
        return trial(strategy)
    if strategy.file.endswith(".py") and not Path(strategy.file).is_file():
        return [
            Check("load", False, f"there is no file {strategy.file}", "relative paths count from the settings file")
        ]
    try:
        lookback = strategy.lookback
    except StrategyFailed as error:
        return [Check("load", False, error.why, NEEDED)]
    return [Check("load", True, f"lookback {lookback} bars"), *trial(strategy)]
