"""Page: what stands around the sections: title, which desk and which time it is about, and what to know about it."""

from datetime import datetime

from msgspec import Struct

from trade_mcp import __version__
from trade_mcp.office.figures import clean
from trade_mcp.office.reporting import Report
from trade_mcp.reports.blocks import Section
from trade_mcp.reports.mark import EXPLAINED
from trade_mcp.reports.sections import sections


class Page(Struct, frozen=True):
    title: str
    subtitle: str
    warning: str
    sections: tuple[Section, ...]
    footer: str


def page_of(report: Report, *, name: str, made_at: datetime) -> Page:
    """The report as a page; ``name`` says which span was asked for ("week"), ``made_at`` is real time."""
    now = report.found.now
    feed = clean(now.feed.partition(":")[0])
    desk = f"{clean(now.mode).capitalize()} desk on {feed} prices" if now.mode else "An empty ledger"
    return Page(
        title=f"Trading report: {name}",
        subtitle=f"{span_text(report)}. {desk}, in {clean(now.currency) or 'no currency yet'}.",
        warning=EXPLAINED if report.synthetic else "",
        sections=tuple(sections(report)),
        footer=f"Made {made_at:%Y-%m-%d %H:%M} UTC by trade-mcp {__version__}. All times are UTC, of the market.",
    )


def span_text(report: Report) -> str:
    """The span in words."""
    span = report.span
    if span.start is None or span.end is None:
        return "Nothing has happened yet"
    since = ", since the beginning" if span.whole else ""
    return f"{span.start:%Y-%m-%d %H:%M} to {span.end:%Y-%m-%d %H:%M}{since}"
