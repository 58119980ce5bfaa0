"""Venues: where orders go. A venue is a factory in this table; the contract suite runs over all of them."""

from collections.abc import Callable
from typing import Any

from trade_mcp.ports import Venue
from trade_mcp.venues.paper import open_paper


def _ccxt(*given: Any, **named: Any) -> Venue:
    from trade_mcp.venues.ccxt import open_ccxt  # loads ccxt: only for those who want it

    return open_ccxt(*given, **named)


VENUES: dict[str, Callable[..., Venue]] = {"paper": open_paper, "ccxt": _ccxt}
