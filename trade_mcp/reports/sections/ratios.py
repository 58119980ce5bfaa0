"""Ratios, each with the number of things it is made of."""

from trade_mcp.office.figures import percent
from trade_mcp.office.reporting import Report
from trade_mcp.quant.measure import Measure
from trade_mcp.reports.blocks import Cell, Section, Table

NAMES = {
    "sharpe": "Sharpe",
    "sortino": "Sortino",
    "calmar": "Calmar",
    "win_rate": "Win rate",
    "profit_factor": "Profit factor",
    "expectancy": "Expectancy",
}
NOTE = (
    "Sharpe, Sortino and Calmar are annualised (years of 365.25 days, no risk-free rate) and net of deposits. Profit "
    "factor is money won over money lost, expectancy the average trade, both after fees. Small samples say little."
)


def section(report: Report) -> Section | None:
    if not len(report.curve):
        return None
    unit = report.found.now.currency
    rows = tuple((Cell(NAMES[name]), _cell(name, one, unit)) for name, one in report.measures.items())
    return Section("Ratios", (Table(("", "value, and what it is made of"), rows, note=NOTE),))


def _cell(name: str, measure: Measure, unit: str) -> Cell:
    """A value with its sample below it, or why there is none."""
    if measure.value is None:
        return Cell("unknown", measure.missing)
    shown = percent(measure.value) if name == "win_rate" else f"{measure.value:,.2f}"
    return Cell(f"{shown} {unit}" if name == "expectancy" else shown, f"{measure.sample:,} {measure.of}")
