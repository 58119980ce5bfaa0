"""How much of the limits was used."""

from decimal import Decimal

from trade_mcp.office.figures import percent
from trade_mcp.office.reporting import Report, RiskUse
from trade_mcp.reports.blocks import BAD, PLAIN, Cell, Section, Table
from trade_mcp.risk.policy import EQUITY


def section(report: Report) -> Section | None:
    if not report.risk:
        return None
    rows = tuple(_row(use) for use in report.risk)
    note = "Shares are of equity; the highest is what was marked at the close of each bar."
    return Section("Use of the limits", (Table(("limit", "now", "highest", "limit is"), rows, note=note),))


def _row(use: RiskUse) -> tuple[Cell, ...]:
    return (
        Cell(use.title),
        _cell(use.now, use),
        _cell(use.highest, use),
        Cell(_shown(use.limit, use.unit)),
    )


def _cell(value: Decimal | float | None, use: RiskUse) -> Cell:
    if value is None:
        return Cell("")
    return Cell(_shown(value, use.unit), tone=BAD if float(value) > float(use.limit) else PLAIN)


def _shown(value: Decimal | float, unit: str) -> str:
    return percent(float(value)) if unit == EQUITY else f"{float(value):g}"
