"""Mark: made-up prices are called so wherever they show."""

from trade_mcp.office.reporting import Report

SYNTHETIC = "SYNTHETIC PRICES"
EXPLAINED = "SYNTHETIC: these prices are made up; nothing here says anything about a real market."


def mark(report: Report) -> str:
    """What is printed on everything that shows prices or profit; "" where they are real."""
    return SYNTHETIC if report.synthetic else ""


def titled(title: str, report: Report) -> str:
    """``title`` with the mark."""
    return f"{title} (synthetic prices)" if report.synthetic else title
