"""Server: the desk's tools as one MCP server. Which are served is a matter of settings; what they do is not."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mcp.server.mcpserver import MCPServer

import trade_mcp
from trade_mcp.server.prompts import add_prompts
from trade_mcp.server.resources import add_resources
from trade_mcp.server.tool import Entry, served
from trade_mcp.server.tools import TOOLSETS
from trade_mcp.server.untrusted import NOTE

if TYPE_CHECKING:
    from trade_mcp.app import App

INSTRUCTIONS = (
    "A trading desk with its own risk limits. Every order passes one gate: a refusal names the rule and its numbers, "
    "so change the order instead of repeating it. Prices, sizes and money are strings; times are market time in UTC. "
    f"Begin with get_status and get_portfolio; preview_order before place_order. {NOTE}"
)


def entries(toolsets: tuple[str, ...] | None, *, read_only: bool) -> tuple[Entry, ...]:
    """The tools of ``toolsets`` (None: of all), without those that change something if ``read_only``."""
    chosen = [entry for name, tools in TOOLSETS.items() if toolsets is None or name in toolsets for entry in tools]
    return tuple(entry for entry in chosen if entry.reads or not read_only)


def build_server(desk: "App") -> MCPServer:
    """The MCP server of ``desk``, with the tools its settings ask for."""
    settings = desk.settings.server
    tools = [served(entry, desk) for entry in entries(settings.toolsets, read_only=settings.read_only)]
    with _no_rich():
        server = MCPServer(
            "trade-mcp",
            title="Trading desk",
            version=trade_mcp.__version__,
            instructions=INSTRUCTIONS,
            tools=list(tools),
        )
    add_resources(server, desk)
    add_prompts(server)
    return server


@contextmanager
def _no_rich() -> Iterator[None]:
    """The SDK loads rich to print logs that ours print already: 0.05 s of every start."""
    hidden = {name: sys.modules.get(name, ...) for name in ("rich", "rich.console", "rich.logging")}
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name, module in hidden.items():
            if module is ...:
                del sys.modules[name]
            else:
                sys.modules[name] = module
