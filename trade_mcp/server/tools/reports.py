"""Report tools: a page with everything, for a person to read."""

from typing import TYPE_CHECKING

from trade_mcp.office.span import asked
from trade_mcp.reports.make import make, wanted
from trade_mcp.server.shapes import Body
from trade_mcp.server.tool import Entry, Tell
from trade_mcp.server.tools.performance import Period
from trade_mcp.server.untrusted import clean
from trade_mcp.store import reports

if TYPE_CHECKING:
    from trade_mcp.app import App


def generate_report(desk: "App", tell: Tell, *, period: Period = "week") -> Body:
    """Write a report for people (HTML, text, JSON): charts, trades, exits, fees, risk, health. Takes seconds.

    The answer names the files on the desk's machine. get_performance has the numbers without it.
    """
    asked(period)
    made = make(wanted(desk.settings, made_at=desk.clock.real(), period=period), tell)
    reports.keep(desk.engine, made)
    return {
        "since": made.since,
        "until": made.until,
        "summary": [clean(sentence, 300) for sentence in made.summary.splitlines()],
        "html": str(made.html),
        "text": str(made.text),
        "json": str(made.json),
    }


TOOLS = (Entry(generate_report, "Generate a report", keeps=True, tells=True),)
