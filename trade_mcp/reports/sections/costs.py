"""Fees and what they took."""

from trade_mcp.office.figures import amount, many, percent
from trade_mcp.office.reporting import Report
from trade_mcp.reports.blocks import Cell, Section, Table


def section(report: Report) -> Section | None:
    costs, unit = report.costs, report.found.now.currency
    if not costs.fills:
        return None
    of_profit = (
        Cell("none to share", "nothing was made before fees")
        if costs.of_profit is None
        else Cell(percent(costs.of_profit), "of what was realised before fees")
    )
    rows = (
        (Cell("Fees"), Cell(f"{amount(costs.fees)} {unit}", f"in {many(costs.fills, 'fill')}, {costs.maker} as maker")),
        (Cell("Turnover"), Cell(f"{amount(costs.turnover)} {unit}", "bought and sold")),
        (Cell("Share of turnover"), Cell(percent(costs.of_turnover, places=3))),
        (Cell("Share of profit"), of_profit),
    )
    return Section("Fees", (Table(("", ""), rows),))
