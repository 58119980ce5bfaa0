"""Resources: what may be read without a tool call: the portfolio, the limits, the last report, an order's journal."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import msgspec
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError
from mcp.server.mcpserver.resources import FunctionResource

from trade_mcp import logs
from trade_mcp.domain import events as e
from trade_mcp.domain.errors import BadInput, TradeError
from trade_mcp.office.explain import Story, explain
from trade_mcp.office.reports import latest
from trade_mcp.server.errors import failure
from trade_mcp.server.shapes import Body, fit, head, plain
from trade_mcp.server.tools.portfolio import get_portfolio
from trade_mcp.server.tools.risk import get_risk
from trade_mcp.server.tools.trades import story
from trade_mcp.server.untrusted import marked

if TYPE_CHECKING:
    from trade_mcp.app import App

JSON = "application/json"
MOST_TEXT = 12_000  # characters of a report: about 3,000 tokens; the file has all of it


def add_resources(server: MCPServer, desk: "App") -> None:
    """Offer the desk's resources on ``server``."""
    fixed: tuple[tuple[str, str, str, Callable[[App], Body]], ...] = (
        ("portfolio://current", "Portfolio", "What the desk holds now and what it is worth", get_portfolio),
        ("limits://current", "Limits", "Every limit in force, with its use and headroom", get_risk),
        ("report://latest", "Last report", "The last report that was made, as text", _last_report),
    )
    for uri, title, description, read in fixed:
        server.add_resource(
            FunctionResource(
                uri=uri,
                name=uri.partition("://")[0],
                title=title,
                description=description,
                mime_type=JSON,
                fn=partial(_read, desk, uri, read),
            )
        )

    @server.resource(
        "journal://{order_id}",
        name="journal",
        title="Journal of an order",
        description="The story of an order's trade with every event behind it, its place in the chain and its hash",
        mime_type=JSON,
    )
    def journal(order_id: str) -> str:
        return _read(desk, f"journal://{order_id}", lambda desk: _journal(explain(desk.log, order_id)))


def _last_report(desk: "App") -> Body:
    made = latest(desk.engine)
    if made is None:
        raise BadInput("no report has been made yet", hint="generate_report makes one")
    return {
        "name": made.name,
        "made_at": made.made_at,
        "since": made.since,
        "until": made.until,
        "html": str(made.html),
        "text": made.text.read_text("utf-8")[:MOST_TEXT],
    }


def _journal(told: Story) -> Body:
    return story(told) | {
        "timeline": None,
        "events": [
            {
                "seq": line.entry.seq,
                "at": line.entry.at,
                "kind": e.kind(line.entry.event),
                "order_id": line.entry.order_id or None,
                "what": line.what,
                "words": marked(line.words) or None,
                "policy": line.entry.policy[:12],
                "code": line.entry.code,
                "hash": line.entry.hash[:16],
            }
            for line in told.lines
        ],
    }


def _read(desk: "App", uri: str, read: Callable[["App"], Body]) -> str:
    """The resource as JSON text. What we foresaw is told with its hint, what we did not by an incident number."""
    try:
        return msgspec.json.encode(fit(plain(head(desk) | read(desk)))).decode()
    except TradeError as error:
        told = failure(error)["error"]
        raise ResourceError(f"{told['message']}; {told['hint']}" if told["hint"] else told["message"]) from None
    except Exception as error:  # the edge of the process: whatever broke must not reach the client
        number = logs.incident("a resource broke", error, uri=uri)
        raise ResourceError(f"{uri} could not be read: incident {number} is in the server's log") from None
