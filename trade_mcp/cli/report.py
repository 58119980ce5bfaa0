"""The report: what happened in a span of time, as a page for a browser, as text and as JSON."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from uuid_utils import uuid7

from trade_mcp.cli.options import Config, Json, say
from trade_mcp.domain.errors import BadInput

if TYPE_CHECKING:
    from trade_mcp.ports import Channel
    from trade_mcp.settings import Settings
    from trade_mcp.store.engine import Engine


def report(
    period: Annotated[
        str | None, typer.Option(metavar="SPAN", help="day, week, month, all, or 36h, 7d; default week.")
    ] = None,
    start: Annotated[str | None, typer.Option("--from", metavar="TIME", help="Begin at this date or time.")] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="TIME", help="End before it; default now.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the files; default [reports] folder.")
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    mail: Annotated[bool, typer.Option("--mail", help="Send it to [mail] to, now.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Make a report of a day, a week or any span. What happened, profit by strategy, symbol and hour, trades, exits,
    fees, risk, health.

    Three files with one name: HTML that stands alone, text, and JSON with everything in it. Works while the desk runs,
    and without it. Times are of the market, in UTC.

    \b
    Examples:
      trade-mcp report --period day --open
      trade-mcp report --from 2023-03-01 --to 2023-04-01 --out reports
      trade-mcp report --mail
    """
    from trade_mcp.reports.charts import MISSING, drawable
    from trade_mcp.reports.make import make, wanted
    from trade_mcp.settings import load_settings
    from trade_mcp.store.reports import keep

    settings = load_settings(config)
    post = _post(settings) if mail else None
    if period is None and start is None:
        period = "week"
    made_at = datetime.now(UTC)
    what = wanted(settings, made_at=made_at, period=period, start=start, end=end, folder=out)
    with _ledger(settings) as engine:
        made = make(what, _progress if sys.stderr.isatty() else _silent)
        if engine is not None:
            keep(engine, made)
    if post is not None:
        from trade_mcp.reports.job import letter

        post.deliver(letter(made, uuid7().hex))
    answer = {
        "report": made.name,
        "since": made.since,
        "until": made.until,
        "summary": made.summary.splitlines(),
        "html": str(made.html),
        "text": str(made.text),
        "json": str(made.json),
        "mailed": list(settings.mail.to) if post is not None else [],
    }
    said = [made.summary, str(made.html)]
    if post is not None:
        said.append(f"mailed to {', '.join(settings.mail.to)}")
    if not drawable():
        said.append(MISSING)
    say(answer, "\n".join(said), as_json=as_json)
    if show:
        import webbrowser

        webbrowser.open(made.html.absolute().as_uri())


def _post(settings: "Settings") -> "Channel":
    """Where mail goes. Raises BadInput before the report is made."""
    if (post := settings.channels().get("mail")) is None:
        raise BadInput("there is no mail server to send it with", hint="trade-mcp setup mail")
    return post


@contextmanager
def _ledger(settings: "Settings") -> "Iterator[Engine | None]":
    """The ledger, at the newest schema; None if there is none yet, and none is made."""
    from trade_mcp.store.engine import open_engine, path_of
    from trade_mcp.store.schema import revision

    if revision(path_of(settings.desk.ledger_url)) is None:
        yield None
        return
    engine = open_engine(settings.desk.ledger_url)
    try:
        yield engine
    finally:
        engine.close()


def _progress(done: int, of: int, what: str) -> None:
    print(f"\r\x1b[K{what} ({done} of {of})" if done < of else "\r\x1b[K", end="", file=sys.stderr, flush=True)


def _silent(done: int, of: int, what: str) -> None:
    """Nobody looks."""
