"""Sections of a report, in their order. To add one: a file here, and its line in `SECTIONS`.

A section is a function of the report; None where it has nothing to say.
"""

from collections.abc import Callable

from trade_mcp.office.reporting import Report
from trade_mcp.reports.blocks import Section
from trade_mcp.reports.sections import (
    costs,
    equity,
    exits,
    groups,
    health,
    holdings,
    ratios,
    refusals,
    risk,
    summary,
    trades,
)

SECTIONS: tuple[Callable[[Report], Section | None], ...] = (
    summary.section,
    equity.section,
    holdings.section,
    ratios.section,
    groups.section,
    groups.hours,
    trades.section,
    exits.section,
    refusals.section,
    costs.section,
    risk.section,
    health.section,
)


def sections(report: Report) -> list[Section]:
    """Everything this report has to say."""
    return [said for make in SECTIONS if (said := make(report)) is not None]
