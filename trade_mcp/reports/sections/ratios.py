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
    rows = tuple((Cell(NAMES[name]), _value(name, one, unit), _sample(one)) for name, one in report.measures.items())
    return Section("Ratios", (Table(("", "value", "made of"), rows, note=NOTE),))


def _value(name: str, measure: Measure, unit: str) -> Cell:
    if measure.value is None:
        return Cell("unknown")
    if name == "win_rate":
        return Cell(percent(measure.value))
    return Cell(f"{measure.value:,.2f} {unit}" if name == "expectancy" else f"{measure.value:,.2f}")


def _sample(measure: Measure) -> Cell:
    return Cell(measure.missing or f"{measure.sample:,} {measure.of}")
