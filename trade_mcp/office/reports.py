"""Reports: which is the latest, and the old ones with their files gone. Made by the package of that name."""

from contextlib import suppress
from datetime import datetime

from trade_mcp.store import reports
from trade_mcp.store.engine import Engine, Reader
from trade_mcp.store.reports import Made


def latest(reader: Reader) -> Made | None:
    """The last report that was made and is still there; None when there is none."""
    return next((made for made in reports.newest(reader) if made.html.exists()), None)


def forget(engine: Engine, *, before: datetime) -> int:
    """Delete the reports made before real time ``before``, rows and files; how many there were."""
    old = reports.older(engine, before)
    for path in (path for made in old for path in made.files):
        with suppress(OSError):  # somebody moved or took it: it is theirs now
            path.unlink(missing_ok=True)
    if old:
        reports.forget(engine, before)
    return len(old)
