"""Prices: where a report's candles come from: the feed that the settings name, if it can be opened."""

from typing import TYPE_CHECKING

from trade_mcp.domain.errors import TradeError
from trade_mcp.office.reporting import PastPrices

if TYPE_CHECKING:
    from trade_mcp.settings import Settings


def prices_of(settings: "Settings") -> PastPrices:
    """The candles of ``settings``; without them the report says why."""
    from trade_mcp.app import open_feed

    try:
        feed = open_feed(settings)
    except TradeError as error:
        return PastPrices(missing=f"the candles cannot be read: {error.message}")
    return PastPrices(feed, settings.desk.symbols or feed.symbols)
