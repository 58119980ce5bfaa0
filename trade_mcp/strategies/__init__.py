"""Strategies: opinions about candles as arrays. To add one: its file, one line in ``STRATEGIES``."""

from collections.abc import Mapping
from difflib import get_close_matches

import msgspec

from trade_mcp.domain.errors import BadConfig
from trade_mcp.strategies.bollinger_reversion import BollingerReversion
from trade_mcp.strategies.buy_and_hold import BuyAndHold
from trade_mcp.strategies.dca import Dca
from trade_mcp.strategies.donchian_breakout import DonchianBreakout
from trade_mcp.strategies.ema_cross import EmaCross
from trade_mcp.strategies.macd_cross import MacdCross
from trade_mcp.strategies.protocol import Strategy
from trade_mcp.strategies.rsi_reversion import RsiReversion
from trade_mcp.strategies.supertrend import Supertrend

STRATEGIES: dict[str, type[Strategy]] = {
    "ema_cross": EmaCross,
    "rsi_reversion": RsiReversion,
    "macd_cross": MacdCross,
    "bollinger_reversion": BollingerReversion,
    "donchian_breakout": DonchianBreakout,
    "supertrend": Supertrend,
    "buy_and_hold": BuyAndHold,
    "dca": Dca,
}


def build_strategy(name: str, parameters: Mapping[str, object] | None = None, *, table: str = "") -> Strategy:
    """The strategy ``name`` with ``parameters`` (of ``[strategies.<table>]``), defaults for what they do not name.

    Raises BadConfig for an unknown strategy or parameter (with the nearest name) or a value out of its bounds.

    >>> build_strategy("ema_cross", {"fast": 5}).lookback
    200
    """
    if name not in STRATEGIES:
        hint = f'{_nearest(name, list(STRATEGIES))}; one of your own has a file = "mine.py"'
        raise BadConfig(f"unknown strategy {name!r}", hint=hint)
    kind, section = STRATEGIES[name], f"[strategies.{table or name}]"
    given = dict(parameters or {})
    known = parameters_of(name)
    for key in given:
        if key not in known:
            raise BadConfig(f"{section} has no parameter {key!r}", hint=_nearest(key, list(known)))
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        defaults = ", ".join(f"{key} = {value}" for key, value in known.items())
        raise BadConfig(f"{section}: {str(error).replace('$.', '')}", hint=f"the defaults are {defaults}") from error


def parameters_of(name: str) -> dict[str, object]:
    """The parameters of the strategy ``name`` with their defaults."""
    return {field.name: field.default for field in msgspec.structs.fields(STRATEGIES[name])}  # type: ignore[arg-type]


def _nearest(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"one of {', '.join(known)}"
