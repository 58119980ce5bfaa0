"""Signal tools: what the strategies think, and why."""

from typing import TYPE_CHECKING, Annotated

from trade_mcp.desk.signals import SymbolView
from trade_mcp.domain.errors import TradeError
from trade_mcp.server import errors
from trade_mcp.server.shapes import Body, Refused
from trade_mcp.server.strict import Within
from trade_mcp.server.tool import Entry
from trade_mcp.server.tools.arguments import Timeframe
from trade_mcp.server.untrusted import clean

if TYPE_CHECKING:
    from trade_mcp.app import App


def get_signals(
    desk: "App",
    *,
    symbols: Annotated[list[str] | None, Within(1, 10), "default: all the desk trades"] = None,
    timeframe: Timeframe = None,
) -> Body:
    """What each strategy thinks at the newest closed bar: strength -1 (flat) to 1 (buy), blended, with the numbers why.

    The loop buys when the blend crosses `entry_threshold` upwards and sells what it owns below 0.
    """
    asked = symbols or list(desk.market.symbols[:10])
    views = [_about(symbol, timeframe, desk) for symbol in asked]
    if all("error" in view for view in views):
        raise Refused(views[0] if len(views) == 1 else {"signals": views})
    return {"entry_threshold": desk.settings.loop.entry_threshold, "signals": views}


def _about(symbol: str, timeframe: str | None, desk: "App") -> Body:
    try:
        return _line(desk.signals.view(symbol, timeframe))
    except TradeError as error:
        return {"symbol": symbol} | errors.failure(error)


def _line(view: SymbolView) -> Body:
    return {
        "symbol": view.symbol,
        "timeframe": view.timeframe,
        "bar_closed": view.at,
        "strength": _rounded(view.strength),
        "bar_before": _rounded(view.before),
        "opinions": [
            {"strategy": clean(one.strategy, 40), "strength": _rounded(one.strength), "why": clean(one.why, 160)}
            for one in view.opinions
        ],
    }


def _rounded(strength: float | None) -> float | str:
    return "warming up" if strength is None else round(strength, 3)


TOOLS = (Entry(get_signals, "Strategy signals"),)
