"""Portfolio tools: what the desk holds and what it is worth."""

from typing import TYPE_CHECKING

from trade_mcp.office.plain import number
from trade_mcp.office.portfolio import Holding
from trade_mcp.server.shapes import Body
from trade_mcp.server.tool import Entry
from trade_mcp.server.tools.parts import brief_number, distance
from trade_mcp.server.untrusted import clean

if TYPE_CHECKING:
    from trade_mcp.app import App


def get_portfolio(desk: "App") -> Body:
    """Equity, cash, profit, drawdown, and every position with entry, mark, stop, target and owner.

    `realised` is before `fees`. Exposure and heat (lost if every stop is hit) are fractions of equity. The loop never
    touches a position owned by `model`; adding to or closing one of the loop makes it yours.
    """
    now = desk.portfolio()
    return {
        "currency": now.currency,
        "state": desk.trading.now(desk.log.book)[0],
        "equity": now.equity,
        "cash": now.cash,
        "reserved": now.reserved,
        "realised": now.realised,
        "unrealised": now.unrealised,
        "fees": now.fees,
        "deposits": now.deposits,
        "drawdown": now.drawdown,
        "exposure": now.exposure,
        "heat": now.heat,
        "positions": [_position(held) for held in now.positions],
        "unpriced": now.unpriced or None,
        "unprotected": now.unprotected or None,
        "external": now.external or None,
    }


def _position(held: Holding) -> Body:
    return {
        "symbol": held.symbol,
        "size": held.size,
        "entry": brief_number(held.entry),
        "mark": held.mark,
        "value": held.value,
        "unrealised": held.unrealised,
        "stop": held.stop,
        "target": held.target,
        "trailing": distance(held.trail),
        "break_even": held.break_even,
        "ladder": [f"{number(share * 100)}% at {number(price)}" for share, price in held.ladder] or None,
        "until": held.until,
        "protected": held.protected,
        "owner": held.owner,
        "strategy": clean(held.strategy, 40) or None,
        "opened_at": held.opened_at,
        "dust": held.dust or None,
    }


TOOLS = (Entry(get_portfolio, "Portfolio"),)
