"""Venues: where orders go. A venue is a factory in this table; the contract suite runs over all of them."""

from collections.abc import Callable

from trade_mcp.ports import Venue
from trade_mcp.venues.paper import open_paper

VENUES: dict[str, Callable[..., Venue]] = {"paper": open_paper}
