"""How the trades ended."""

from trade_mcp.office.analysis import STILL_OPEN
from trade_mcp.office.reporting import Report
from trade_mcp.reports.blocks import Section
from trade_mcp.reports.mark import titled
from trade_mcp.reports.sections.groups import by


def section(report: Report) -> Section | None:
    kinds = {name: group for name, group in report.found.by_exit.items() if name != STILL_OPEN and group.closed}
    return Section(titled("Exits by kind", report), (by("exit", kinds, report.found.now.currency),)) if kinds else None
