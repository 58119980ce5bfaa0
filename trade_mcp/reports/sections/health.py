"""How the programs did: passes, orders that went wrong, alarms."""

from trade_mcp.office.figures import clean, listed, many
from trade_mcp.office.reporting import Report
from trade_mcp.reports.blocks import Block, Cell, Section, Table, Words

MOST = 12


def section(report: Report) -> Section | None:
    if not len(report.curve):
        return None
    health, said = report.health, []
    if health.passes:
        said.append(f"The loop decided {many(health.passes, 'time')}; the slowest took {health.slowest_ms:,.0f} ms.")
    else:
        said.append("The loop made no decision.")
    if failed := [f"{count} {status.replace('_', ' ')}" for status, count in health.orders_failed.items()]:
        said.append(f"Orders that came to nothing: {listed(failed)}.")
    if not health.troubles:
        said.append("No alarm, no halt, no difference with the venue.")
    blocks: list[Block] = [Words((" ".join(said),))]
    if health.troubles:
        shown = health.troubles[: -MOST - 1 : -1]
        rows = tuple((Cell(f"{one.at:%m-%d %H:%M}", one.kind), Cell(clean(one.text, 160))) for one in shown)
        left = len(health.troubles) - len(shown)
        note = f"The newest {len(shown)}; {many(left, 'earlier one')} in the JSON." if left else ""
        blocks.append(Table(("when (UTC)", "what"), rows, left=2, note=note))
    return Section("Health", tuple(blocks))
