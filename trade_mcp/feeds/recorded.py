"""Recorded: what feeds that read files, or make prices up, have in common. All of the past is known, nothing fails."""

from collections.abc import Mapping
from datetime import datetime

from trade_mcp.domain.errors import NoPrice
from trade_mcp.domain.instrument import Instrument
from trade_mcp.domain.market import OrderBook


class Recorded:
    """A feed whose bars are there as soon as they close, and which has no order books."""

    name: str
    trouble = ""

    def instruments(self) -> Mapping[str, Instrument]:
        """See ``ports.Feed``: nothing is known of them."""
        return {}

    def known_until(self, symbol: str, timeframe: str, *, now: datetime) -> datetime:
        """See ``ports.Feed``."""
        return now

    def order_book(self, symbol: str, depth: int, *, now: datetime) -> OrderBook:
        """See ``ports.Feed``: there is none."""
        raise NoPrice(f"{self.name} prices come without an order book", hint="get_quotes shows bid and ask")
