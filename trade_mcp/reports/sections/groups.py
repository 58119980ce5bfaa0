"""Profit by strategy, symbol, source and hour."""

from collections.abc import Mapping

from trade_mcp.office.analysis import Group
from trade_mcp.office.figures import amount, clean, percent, signed
from trade_mcp.office.reporting import Report
from trade_mcp.quant.performance import MIN_TRADES
from trade_mcp.reports.blocks import Cell, Chart, Section, Table, toned
from trade_mcp.reports.charts import hours_chart
from trade_mcp.reports.mark import mark, titled

MOST = 25  # rows of a table; the largest


def section(report: Report) -> Section | None:
    found = report.found
    parts = {"strategy": found.by_strategy, "symbol": found.by_symbol, "source": found.by_source}
    tables = tuple(by(name, groups, found.now.currency) for name, groups in parts.items() if groups)
    return Section(titled("Profit by strategy, symbol and source", report), tables) if tables else None


def hours(report: Report) -> Section | None:
    """By the hour of the entry: a picture, and the table of it."""
    groups = {name: group for name, group in report.found.by_hour.items() if group.closed}
    if not groups:
        return None
    currency = report.found.now.currency
    net = {int(name): float(group.net) for name, group in groups.items()}
    best, worst = max(net, key=lambda hour: net[hour]), min(net, key=lambda hour: net[hour])
    alt = (
        f"Net profit by hour of entry: best {best:02d}:00 with {net[best]:+,.2f}, "
        f"worst {worst:02d}:00 with {net[worst]:+,.2f}"
    )

    def draw() -> bytes:
        return hours_chart(net, currency=currency, mark=mark(report))

    rows = tuple(
        (
            Cell(f"{name}:00"),
            Cell(f"{group.closed:,}"),
            Cell(f"{group.wins:,}"),
            toned(signed(group.net), float(group.net)),
        )
        for name, group in groups.items()
    )
    table = Table(("hour (UTC)", "trades", "won", f"net, {currency}"), rows)
    return Section(titled("Profit by hour of entry", report), (Chart("hours", alt, draw), table))


def by(name: str, groups: Mapping[str, Group], currency: str) -> Table:
    """The groups under ``name``, the largest profit or loss first."""
    names = sorted(groups, key=lambda name: abs(groups[name].net), reverse=True)
    rows = tuple(_row(one, groups[one]) for one in names[:MOST])
    left = len(names) - len(rows)
    return Table(
        (name, "trades", f"net, {currency}", "fees"),
        rows,
        note=f"{left} more, smaller ones, are in the JSON." if left else "",
    )


def _row(name: str, group: Group) -> tuple[Cell, ...]:
    won = f"{percent(group.win_rate, places=0)} won" if group.closed >= MIN_TRADES else f"{group.wins} won"
    held = f"{signed(group.unrealised)} unrealised" if group.unrealised else ""
    return (
        Cell(clean(name, 28), held),
        Cell(f"{group.closed:,}", won if group.closed else ""),
        toned(signed(group.net), float(group.net)),
        Cell(amount(group.fees)),
    )
