"""Tools: one file per theme, each with its TOOLS. A toolset is what settings switch on or off."""

from trade_mcp.server.tool import Entry
from trade_mcp.server.tools import desk, market, orders, performance, portfolio, reports, risk, signals, trades

TOOLSETS: dict[str, tuple[Entry, ...]] = {
    "market": market.TOOLS,
    "signals": signals.TOOLS,
    "orders": orders.TOOLS,
    "portfolio": portfolio.TOOLS + performance.TOOLS + trades.TOOLS,
    "risk": risk.TOOLS,
    "desk": desk.TOOLS + reports.TOOLS,
}
