"""Job: a report that makes itself, and is mailed where mail is set up."""

from typing import TYPE_CHECKING

from trade_mcp.ports import Message
from trade_mcp.reports.mail import mail_of
from trade_mcp.reports.make import make, wanted
from trade_mcp.store import outbox, reports
from trade_mcp.store.reports import Made

if TYPE_CHECKING:
    from trade_mcp.app import App


def report_and_mail(app: "App") -> str:
    """Make the report that [reports] asks for; says what was done. Raises TradeError when there is none."""
    settings, now = app.settings.reports, app.clock.real()
    made = make(wanted(app.settings, made_at=now, period=settings.period))
    reports.keep(app.engine, made)
    said = [f"made {made.html.name}"]
    if app.settings.mail.host is not None:
        outbox.put(app.engine, letter(made, app.new_id()), ("mail",), now=now)
        said.append("put it into the outbox")
    return ", ".join(said)


def letter(made: Made, message_id: str) -> Message:
    """The report as a mail."""
    page = mail_of(made.html.read_text("utf-8"))
    until = "" if made.until is None else f", to {made.until:%Y-%m-%d %H:%M} UTC"
    return Message(
        message_id,
        f"Trading report: {made.name}{until}",
        made.text.read_text("utf-8"),
        html=page.html,
        images=page.images,
    )
