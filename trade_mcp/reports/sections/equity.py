"""Equity and drawdown through time, beside holding and doing nothing."""

import numpy as np

from trade_mcp.office.figures import amount, gain, percent
from trade_mcp.office.reporting import Report
from trade_mcp.quant.candles import ms_of
from trade_mcp.reports.blocks import Block, Cell, Chart, Section, Table, toned
from trade_mcp.reports.charts import equity_chart, thinned
from trade_mcp.reports.mark import mark


def section(report: Report) -> Section | None:
    if not len(report.curve):
        return None
    return Section("Equity", (*_chart(report), _beside(report)))


def _chart(report: Report) -> tuple[Block, ...]:
    curve, line = report.curve, report.baseline.line
    if len(curve) < 2 or not np.isfinite(curve.growth).all():
        return ()

    def draw() -> bytes:
        assert report.span.end is not None, "a curve has an end"
        until = max(int(curve.at_ms[-1]), ms_of(report.span.end))
        lines = [np.append(each, each[-1]) for each in (curve.growth, curve.drawdown)]  # the last value holds
        times, (index, drawdown) = thinned(np.append(curve.at_ms, until), *lines)
        held_times, (held,) = thinned(line.at_ms, line.equity)
        return equity_chart(times, index, drawdown, hold=(held_times, held), mark=mark(report))

    worth = report.worth
    alt = (
        f"Equity from {amount(worth.start)} to {amount(worth.end)} {report.found.now.currency} "
        f"({gain(worth.growth)}), buy and hold {gain(report.baseline.growth)}; "
        f"the deepest drawdown {percent(report.found.max_drawdown, places=2)}"
    )
    return (Chart("equity", alt, draw),)


def _beside(report: Report) -> Table:
    held = report.baseline
    rows = (
        (Cell("The desk"), toned(gain(report.worth.growth), report.worth.growth), _fall(report.found.max_drawdown)),
        (Cell("Buy and hold"), toned(gain(held.growth), held.growth), _fall(held.max_drawdown)),
        (Cell("Doing nothing"), Cell("0.00%"), _fall(0.0)),
    )
    note = (
        f"Buy and hold is unknown: {held.unknown}."
        if held.growth is None
        else f"Buy and hold: {', '.join(held.symbols)} in equal parts at the start, before costs."
    )
    return Table(("", "return", "worst fall"), rows, note=note)


def _fall(fraction: float | None) -> Cell:
    return Cell("unknown" if fraction is None else percent(fraction, places=2))
