"""Correlations of today: from the daily candles of what the desk trades and holds, once a day, outside the gate."""

from datetime import date

from trade_mcp.desk.market import Market, held
from trade_mcp.domain.errors import FeedError, UnknownSymbol
from trade_mcp.ports import Clock
from trade_mcp.quant.candles import Candles
from trade_mcp.quant.correlation import DAYS, Shrunk, correlations
from trade_mcp.store.correlations import keep, newest
from trade_mcp.store.log import Log


def correlate(ledger: Log, market: Market, *, clock: Clock) -> str:
    """Make today's snapshot unless it is there already; one line about it."""
    day: date = clock.market().date()
    known = newest(ledger.engine, day)
    if known is not None and known.day == day:
        return f"correlations of {day} are known"
    daily: dict[str, Candles] = {}
    for symbol in sorted({*market.symbols, *held(ledger.refresh())}):
        try:
            daily[symbol] = market.candles(symbol, "1d", limit=DAYS + 1)
        except (FeedError, UnknownSymbol):
            continue  # unknown counts as 1
    found: Shrunk = correlations(daily)
    keep(ledger.engine, day, found, real=clock.real())
    return f"{len(found.pairs)} correlations of {day}, of {found.days} days, shrunk by {found.shrinkage:.2f}"
