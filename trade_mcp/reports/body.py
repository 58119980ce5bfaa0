"""Body: a report as JSON, all of it: money as text, ratios as numbers, null for what is not known."""

from typing import Any

from trade_mcp import __version__
from trade_mcp.office.analysis import flat
from trade_mcp.office.plain import moment, plain
from trade_mcp.office.reporting import Report
from trade_mcp.quant.returns import Curve
from trade_mcp.reports.charts import thinned
from trade_mcp.reports.sections.summary import sentences

PARTS = ("worth", "measures", "costs", "risk", "health")


def body(report: Report, *, name: str, made_at: str) -> dict[str, Any]:
    """The report as plain JSON values; the curve with at most a thousand points."""
    held = report.baseline
    return {
        "report": name,
        "made_at": made_at,
        "version": __version__,
        "summary": sentences(report),
        **flat(report.found),
        **{part: plain(getattr(report, part)) for part in PARTS},
        "baseline": {
            "symbols": list(held.symbols),
            "without": list(held.without),
            "growth": held.growth,
            "max_drawdown": held.max_drawdown,
            "unknown": held.unknown or None,
        },
        "closed": plain(report.trades),
        "curve": _points(report.curve),
    }


def _points(curve: Curve) -> list[dict[str, Any]]:
    times, (equity, drawdown) = thinned(curve.at_ms, curve.equity, curve.drawdown)
    return [
        {"at": moment(at), "equity": round(float(worth), 8), "drawdown": round(float(fall), 6)}
        for at, worth, fall in zip(times, equity, drawdown, strict=True)
    ]
