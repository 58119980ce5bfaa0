"""What the gate refused, by rule."""

from trade_mcp.office.figures import listed
from trade_mcp.office.reporting import Report
from trade_mcp.reports.blocks import Block, Cell, Section, Table, Words


def section(report: Report) -> Section | None:
    orders, rules = report.found.orders, report.found.refusals
    if not orders.total and not rules:
        return None
    asked = listed([f"{count} by {source}" for source, count in orders.by_source.items()])
    became = listed([f"{count} {status.replace('_', ' ')}" for status, count in orders.by_status.items()], most=6)
    blocks: list[Block] = []
    if orders.total:
        blocks.append(Words((f"{orders.total} orders were placed: {asked}; {became}.",)))
    if rules:
        rows = tuple((Cell(rule.replace("_", " ")), Cell(str(count))) for rule, count in rules.items())
        note = "A request that several rules refuse counts with each of them."
        blocks.append(Table(("refused by", "times"), rows, note=note))
    else:
        blocks.append(Words(("No request was refused.",)))
    return Section("Orders and refusals", tuple(blocks))
