"""Server: the desk's tools as one MCP server. Which are served is a matter of settings; what they do is not."""

import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from mcp.server.mcpserver import MCPServer
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, CallToolResult, InputRequiredResult

import trade_mcp
from trade_mcp.domain.errors import BadInput
from trade_mcp.server import attempts
from trade_mcp.server.errors import guarded
from trade_mcp.server.prompts import add_prompts
from trade_mcp.server.resources import add_resources
from trade_mcp.server.shapes import Body
from trade_mcp.server.tool import Entry, served
from trade_mcp.server.tools import TOOLSETS
from trade_mcp.server.untrusted import NOTE, echo

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
        server = DeskServer(
            desk,
            "trade-mcp",
            title="Trading desk",
            version=trade_mcp.__version__,
            instructions=INSTRUCTIONS,
            tools=list(tools),
        )
    add_resources(server, desk)
    add_prompts(server)
    return server


class DeskServer(MCPServer):
    """The SDK's server, which also tells a call of a tool that is not there what such a call may not do."""

    def __init__(self, desk: "App", *given: Any, **named: Any):
        super().__init__(*given, **named)
        self._desk = desk
        self._lowlevel_server.middleware.insert(0, self._watched)

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Any = None
    ) -> CallToolResult | InputRequiredResult:
        if self._tool_manager.get_tool(name) is None:
            return await anyio.to_thread.run_sync(unknown_tool, self._desk, name)
        return await super().call_tool(name, arguments, context)

    async def _watched(self, ctx: Any, call_next: Callable[[Any], Awaitable[Any]]) -> Any:
        """A forged or stale answer to a question is refused by the SDK; that somebody tried is written down."""
        try:
            return await call_next(ctx)
        except MCPError as error:
            if error.code == INVALID_PARAMS and (ctx.params or {}).get("requestState") is not None:
                await anyio.to_thread.run_sync(attempts.forged, self._desk)
            raise


def unknown_tool(desk: "App", name: str) -> CallToolResult:
    """The answer to a call of a tool that does not exist, or is not served here."""

    def refuse() -> Body:
        attempts.note(desk, name)
        near = get_close_matches(name, [entry.name for entry in entries(None, read_only=False)], n=1)
        hint = attempts.WHY if attempts.reaches(name) else f"did you mean {near[0]}?" if near else "list the tools"
        raise BadInput(f"there is no tool {echo(name)} here", hint=hint)

    return guarded(desk, "unknown", refuse, {})


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
