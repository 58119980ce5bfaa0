"""What the desk holds now."""

from trade_mcp.office.figures import amount, clean, price, signed
from trade_mcp.office.portfolio import Holding
from trade_mcp.office.reporting import Report
from trade_mcp.reports.blocks import Cell, Section, Table, toned
from trade_mcp.reports.mark import titled


def section(report: Report) -> Section | None:
    now = report.found.now
    if not now.positions or report.span.ends:
        return None
    rows = tuple(_row(held) for held in now.positions)
    note = f"As of {now.as_of:%Y-%m-%d %H:%M} UTC, at the prices last seen." if now.as_of else ""
    return Section(
        titled("Held now", report), (Table(("position", "entry", "now", f"profit, {now.currency}"), rows, note=note),)
    )


def _row(held: Holding) -> tuple[Cell, ...]:
    whose = clean(held.strategy, 24) or held.owner.value
    exits = ", ".join(
        f"{name} {price(level)}" for name, level in (("stop", held.stop), ("target", held.target)) if level is not None
    )
    unrealised = None if held.unrealised is None else float(held.unrealised)
    return (
        Cell(f"{price(held.size)} {held.symbol}", f"{whose}; {exits or 'no exits set'}"),
        Cell(price(held.entry)),
        Cell(price(held.mark) if held.mark is not None else "unknown"),
        toned(signed(held.unrealised), unrealised, "" if held.value is None else f"worth {amount(held.value)}"),
    )
