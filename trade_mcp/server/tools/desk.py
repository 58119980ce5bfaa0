"""Desk tools: is everything alive, and why did it do what it did."""

from typing import TYPE_CHECKING

from trade_mcp.server.shapes import Body
from trade_mcp.server.tool import Entry

if TYPE_CHECKING:
    from trade_mcp.app import App


def get_status(desk: "App") -> Body:
    """Is the desk alive: state, programs, problems, and the loop's last decision on each symbol with its reason.

    Call it first in a conversation, and whenever nothing seems to happen.
    """
    raise NotImplementedError


TOOLS = (Entry(get_status, "Desk status"),)
