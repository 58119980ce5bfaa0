"""Text: the same page for a terminal, and for a mail client that shows no HTML."""

from itertools import zip_longest
from textwrap import wrap

from trade_mcp.reports.blocks import Block, Cell, Chart, Table, Words
from trade_mcp.reports.page import Page

WIDTH = 78
GAP = "  "


def text(page: Page) -> str:
    """``page`` as plain text; its pictures as what they show."""
    lines = [page.title, "=" * len(page.title), *wrap(page.subtitle, WIDTH)]
    if page.warning:
        lines += ["", *wrap(page.warning, WIDTH)]
    for section in page.sections:
        lines += ["", section.title, "-" * len(section.title)]
        for block in section.blocks:
            lines += _block(block)
    return "\n".join([*lines, "", *wrap(page.footer, WIDTH), ""])


def _block(block: Block) -> list[str]:
    match block:
        case Words(sentences=sentences):
            return [line for sentence in sentences for line in wrap(sentence, WIDTH)]
        case Chart():
            return []
        case Table():
            return [*_table(block), *wrap(block.note, WIDTH), ""]


def _table(table: Table) -> list[str]:
    """Rows in columns; a note stands in the line below its cell. Words that do not fit are wrapped, numbers never."""
    heads = [tuple(Cell(name) for name in table.columns)] if any(table.columns) else []
    columns = list(zip(*heads, *table.rows, strict=True))
    widths = [max(max(len(cell.text), len(cell.note)) for cell in column) for column in columns]
    spare = WIDTH - len(GAP) * (len(widths) - 1) - sum(widths[table.left :])
    widest = max(range(table.left), key=lambda place: widths[place])
    widths[widest] = max(8, min(widths[widest], spare - sum(widths[: table.left]) + widths[widest]))
    return [line for row in (*heads, *table.rows) for line in _row(row, widths, table.left)]


def _row(row: tuple[Cell, ...], widths: list[int], left: int) -> list[str]:
    cells = [
        [*wrap(cell.text, width), *wrap(cell.note, width)] or [""] for cell, width in zip(row, widths, strict=True)
    ]
    return [
        GAP.join(
            part.ljust(width) if place < left else part.rjust(width)
            for place, (part, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in zip_longest(*cells, fillvalue="")
    ]
