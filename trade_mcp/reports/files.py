"""Files: a report written down as HTML, text and JSON, each whole or not at all."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

import msgspec

from trade_mcp.domain.errors import TradeError
from trade_mcp.office.past import reading
from trade_mcp.office.reporting import PastPrices, Report, report
from trade_mcp.office.span import asked
from trade_mcp.reports.body import body
from trade_mcp.reports.html import html
from trade_mcp.reports.page import page_of
from trade_mcp.reports.sections.summary import sentences
from trade_mcp.reports.text import text
from trade_mcp.reports.wanted import Told, Wanted

STEPS = ("reading the ledger", "drawing", "writing")


def write(wanted: Wanted, prices: Callable[[], PastPrices], tell: Callable[[int, int, str], None]) -> Told:
    """Make what is ``wanted``. Raises TradeError: a period that is none, a ledger or a folder that cannot be used."""
    span = asked(wanted.period, start=wanted.start, end=wanted.end)
    made_at = datetime.fromisoformat(wanted.made_at)
    folder = Path(wanted.folder)
    with _spoken(folder):  # now rather than after all the work
        folder.mkdir(parents=True, exist_ok=True)
    tell(0, len(STEPS), STEPS[0])
    with reading(wanted.ledger) as ledger:
        found = report(ledger, span, prices())
    tell(1, len(STEPS), STEPS[1])
    page = page_of(found, name=wanted.name, made_at=made_at)
    forms = {
        "html": html(page),
        "txt": text(page),
        "json": _json(body(found, name=wanted.name, made_at=wanted.made_at)),
    }
    tell(2, len(STEPS), STEPS[2])
    stem = folder / _stem(found, wanted.name, made_at)
    paths = {kind: stem.with_name(f"{stem.name}.{kind}") for kind in forms}
    for kind, path in paths.items():
        put(path, forms[kind])
    tell(3, len(STEPS), "done")
    since, until = (None if at is None else at.isoformat() for at in (found.span.start, found.span.end))
    return Told(
        since=since,
        until=until,
        summary=tuple(sentences(found)),
        html=str(paths["html"]),
        text=str(paths["txt"]),
        json=str(paths["json"]),
    )


def put(path: Path, content: str) -> None:
    """Write ``content`` to ``path`` whole or not at all. Raises TradeError when it cannot be."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with _spoken(path):
        try:
            part.write_text(content, encoding="utf-8")
            part.replace(path)
        except OSError:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise


@contextmanager
def _spoken(path: Path) -> Iterator[None]:
    """What the disk says, in our words."""
    try:
        yield
    except OSError as error:
        hint = "name another folder, or make room"
        raise TradeError(f"{path} cannot be written: {error.strerror}", hint=hint) from None


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=1).decode()


def _stem(found: Report, name: str, made_at: datetime) -> str:
    """A file's name that sorts by the end of its span."""
    return f"report-{found.span.end or made_at:%Y%m%d-%H%M}-{name.replace(' ', '-').replace(':', '')}"
