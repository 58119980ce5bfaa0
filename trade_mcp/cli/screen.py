"""Screen: what the desk does, looked up once and shown three ways: as lines, as a table that refreshes, as JSON."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trade_mcp.domain.errors import TradeError
from trade_mcp.office.plain import plain

if TYPE_CHECKING:
    from rich.console import RenderableType

    from trade_mcp.app import App
