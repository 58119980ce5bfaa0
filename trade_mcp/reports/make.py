"""Make: a report made by a child process within its time. What burns CPU stays out of the desk's way."""

import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

import msgspec
from msgspec import structs

from trade_mcp import logs
from trade_mcp.domain.errors import BadInput, TradeError
from trade_mcp.reports.wanted import Line, Told, Wanted
from trade_mcp.store.engine import path_of
from trade_mcp.store.reports import Made

if TYPE_CHECKING:
    from trade_mcp.settings import Settings

COMMAND = (sys.executable, "-m", "trade_mcp.reports")
SHOWN = ("symbols", "timeframe")  # of [desk], that candles are found with

Tell = Callable[[int, int, str], object]  # (done, of, what it does now)


class ReportFailed(TradeError):
    """A report was not made; nothing else is affected."""


def wanted(
    settings: "Settings",
    *,
    made_at: datetime,
    period: str | None = None,
    start: str | None = None,
    end: str | None = None,
    folder: Path | None = None,
) -> Wanted:
    """A report on the desk of ``settings``; its files go to ``folder`` (None: where reports are kept)."""
    shown = settings.model_dump(mode="json", include={"desk": set(SHOWN), "feed": True}, exclude_none=True)
    return Wanted(
        ledger=str(path_of(settings.desk.ledger_url).absolute()),
        folder=str((folder or settings.reports_folder).absolute()),
        made_at=made_at.isoformat(timespec="seconds"),
        limit_s=settings.reports.time_limit_s,
        period=period,
        start=start,
        end=end,
        desk=shown["desk"],
        feed=shown["feed"],
    )


def make(what: Wanted, tell: Tell = lambda *_: None) -> Made:
    """Make ``what`` is wanted in a child process. Raises ReportFailed, BadInput for a period that is none."""
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said)
        overdue = threading.Event()

        def end() -> None:
            overdue.set()
            child.kill()

        timer = threading.Timer(what.limit_s, end)
        timer.start()
        try:
            told = _followed(child, what, tell)
        finally:
            timer.cancel()
            child.kill()  # if the one who waits gave up; else it has ended by itself
            child.wait()
            child.stdout.close()  # type: ignore[union-attr]
        if told is None:
            raise _broken(said, what, child.returncode, late=overdue.is_set())
    return Made(
        made_at=datetime.fromisoformat(what.made_at),
        name=what.name,
        since=None if told.since is None else datetime.fromisoformat(told.since),
        until=None if told.until is None else datetime.fromisoformat(told.until),
        summary="\n".join(told.summary),
        html=Path(told.html),
        text=Path(told.text),
        json=Path(told.json),
    )


def _followed(child: "subprocess.Popen[bytes]", what: Wanted, tell: Tell) -> Told | None:
    """What the child says at the end; None if it ended without a word."""
    assert child.stdin is not None
    assert child.stdout is not None
    with suppress(BrokenPipeError):  # it is gone already: that is seen below
        child.stdin.write(msgspec.json.encode(what))
        child.stdin.close()
    for text in child.stdout:
        line = msgspec.json.decode(text, type=Line)
        if line.step is not None:
            tell(*structs.astuple(line.step))
        if line.failure is not None:
            kind = BadInput if line.failure.bad_input else ReportFailed
            raise kind(line.failure.message, hint=line.failure.hint)
        if line.told is not None:
            return line.told
    return None


def _broken(said: IO[bytes], what: Wanted, code: int, *, late: bool) -> ReportFailed:
    if late:
        return ReportFailed(
            f"the report was not made within {what.limit_s:g} s",
            hint="ask for a shorter period, or raise [reports] time_limit_s",
        )
    said.seek(0)
    lines = said.read().decode(errors="replace").strip().splitlines() or ["no message"]
    logs.get_logger("reports").error("a report broke", exit_code=code, said="\n".join(lines[-20:]))
    return ReportFailed(f"the report broke: {lines[-1][:200]}", hint="this is a bug; the log has more")
