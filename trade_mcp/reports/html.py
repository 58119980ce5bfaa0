"""HTML: a page that reads on a phone and in a mail client, whole in one file."""

from base64 import b64encode
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from msgspec import structs

from trade_mcp.reports.blocks import Block, Chart, Words
from trade_mcp.reports.charts import MISSING, drawable
from trade_mcp.reports.page import Page

EMBEDDED = "data:image/png;base64,"


def html(page: Page) -> str:
    """``page`` as HTML, its pictures inside; where they cannot be drawn, what they show in words."""
    drawn = drawable()
    sections = [
        {"title": section.title, "blocks": [_block(block, drawn=drawn) for block in section.blocks]}
        for section in page.sections
    ]
    footer = page.footer if drawn else f"{page.footer} {MISSING}"
    return _template().render(page=structs.asdict(page) | {"sections": sections, "footer": footer})


def _block(block: Block, *, drawn: bool) -> dict[str, Any]:
    if isinstance(block, Chart):
        if not drawn:
            return {"kind": "words", "sentences": (f"{block.alt}.",)}
        return {"kind": "chart", "alt": block.alt, "source": EMBEDDED + b64encode(block.png()).decode()}
    return {"kind": "words" if isinstance(block, Words) else "table"} | structs.asdict(block)


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("trade_mcp.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html")
