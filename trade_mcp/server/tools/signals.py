"""Signal tools: what the strategies think, and why."""

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

from trade_mcp.desk.scan import Scanned, scan
from trade_mcp.desk.signals import Opinion, SymbolView
from trade_mcp.domain.errors import TradeError
from trade_mcp.server import errors
from trade_mcp.server.shapes import Body, Refused
from trade_mcp.server.strict import Within
from trade_mcp.server.tool import Entry
from trade_mcp.server.tools.arguments import Timeframe
from trade_mcp.server.untrusted import clean

if TYPE_CHECKING:
    from trade_mcp.app import App

FOUND, MOST = 10, 25


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
    everything: Annotated[bool, "all symbols with prices, not only those the desk trades"] = False,
    min_volume: Annotated[Decimal | None, "least volume of 24 h, quote currency"] = None,
    limit: Annotated[int, Within(1, MOST), f"default {FOUND}, at most {MOST}"] = FOUND,
) -> Body:
    """Symbols ranked by blended strength, the strongest first, with their change and volume of 24 h.

    To find where to look; get_signals says why.
    """
    symbols = desk.market.priced if everything else desk.market.symbols
    found = scan(desk.market, desk.signals, symbols, least_volume=float(min_volume or 0), now=desk.clock.market())
    return {
        "ranked": [_rank(one, desk) for one in found.ranked[:limit]],
        "of": len(found.ranked),
        "below_min_volume": found.thin or None,
        "without_prices": found.unknown or None,
    }


def _rank(one: Scanned, desk: "App") -> Body:
    return {
        "symbol": one.symbol,
        "trades": None if one.symbol in desk.market.symbols else False,
        "strength": _rounded(one.strength),
        "bar_before": _rounded(one.before),
        "leader": clean(one.leader, 40) or None,
        "change_24h": round(one.change, 4),
        "volume_24h": one.volume,
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
        "opinions": [_opinion(one, view) for one in view.opinions],
    }


def _opinion(one: Opinion, view: SymbolView) -> Body:
    """An opinion; on which bar it is, where that is another than the view's."""
    own = one.timeframe != view.timeframe
    return {
        "strategy": clean(one.strategy, 40),
        "strength": "failed" if one.failed else _rounded(one.strength),
        "why": clean(one.why, 160),
        "timeframe": one.timeframe if own else None,
        "bar_closed": one.at if own else None,
    }


def _rounded(strength: float | None) -> float | str:
    return "warming up" if strength is None else round(strength, 3)


TOOLS = (Entry(get_signals, "Strategy signals"), Entry(scan_market, "Market scan"))
