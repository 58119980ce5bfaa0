"""Signal tools: what the strategies think, and why."""

from typing import TYPE_CHECKING, Annotated

from trade_mcp.desk.scan import scan
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


def scan_market(
    desk: "App",
    *,
    limit: Annotated[int, Within(1, 25), "default 10"] = 10,
    everything: Annotated[bool, "all symbols with prices, not only those the desk trades"] = False,
) -> Body:
    """Symbols ranked by blended strength, the strongest first, with their change and volume of 24 h.

    To find where to look; get_signals says why. Without a price or enough bars a symbol is counted, not ranked.
    """
    found, left = scan(desk.market, desk.signals, everything=everything)
    return {
        "ranked": [
            {
                "symbol": one.symbol,
                "strength": _rounded(one.strength),
                "bar_before": _rounded(one.before),
                "leader": clean(one.leader, 40) or None,
                "change_24h": one.change,
                "volume_24h": one.volume,
            }
            for one in found[:limit]
        ],
        "of": len(found),
        "unknown": left or None,
    }


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


TOOLS = (Entry(get_signals, "Strategy signals"), Entry(scan_market, "Market scan"))
