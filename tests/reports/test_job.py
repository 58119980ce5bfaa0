"""A report that makes itself and is received by a real mail server, with its pictures where the page shows them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from channels.servers import Letters, smtp
from cli.test_bad_input import run
from tests.office.story import Standing, Telling
from trade_mcp.app import App, build
from trade_mcp.clerk import _tidied
from trade_mcp.domain.errors import BadInput
from trade_mcp.domain.order import Source
from trade_mcp.office.jobs import Job, run_due
from trade_mcp.office.reports import latest
from trade_mcp.reports.job import report_and_mail
from trade_mcp.settings import Settings, load_settings
from trade_mcp.store import jobs, outbox

PASSWORD = {"TRADE_MCP_MAIL_PASSWORD": "a-good-password"}


def settings(folder: Path, mail: dict[str, Any] | None = None, **reports: Any) -> Settings:
    overrides = {
        "desk": {"data_dir": str(folder / "desk")},
        "feed": {"speed": "max"},
        "mail": mail or {},
        "reports": reports,
    }
    return load_settings(env=PASSWORD, overrides=overrides)


@contextmanager
def traded(given: Settings) -> Iterator[App]:
    """A desk that made one trade."""
    with build(given, "trades") as app:
        story = Telling(app.log, Standing(), app.feed.start)
        story.order("m1", "buy", "0.01", price="60000", fee="0.6", source=Source.MODEL)
        story.at(hours=1).order("m2", "sell", "0.01", price="61000", fee="0.6", source=Source.MODEL)
        yield app


def mail(port: int, ca: Path) -> dict[str, Any]:
    return {
        "host": "127.0.0.1",
        "port": port,
        "user": "me",
        "sender": "desk@example.org",
        "to": ["you@example.org"],
        "ca_file": str(ca),
    }


def test_the_job_makes_a_report_and_a_mail_of_it_that_arrives_whole(tmp_path: Path) -> None:
    letters = Letters()
    with smtp(tmp_path, letters) as (port, ca), traded(settings(tmp_path, mail(port, ca), period="week")) as app:
        said = report_and_mail(app)
        assert re.fullmatch(r"made report-\d{8}-\d{4}-week.html, put it into the outbox", said)
        waiting = outbox.claim(app.engine, "mail", now=app.clock.real())
        assert waiting is not None
        app.settings.channels()["mail"].deliver(waiting.message)
        made = latest(app.engine)
    assert made is not None
    letter = message_from_bytes(letters.got[0].content or b"", policy=policy.default)
    assert isinstance(letter, EmailMessage)
    assert letter["Subject"].startswith("Trading report: week, to 2025-01-01 01:00 UTC")
    page, text = letter.get_body(("html",)), letter.get_body(("plain",))
    assert page is not None and text is not None
    assert text.get_content().replace("\r\n", "\n").strip() == made.text.read_text("utf-8").strip()
    shown = re.findall(r'src="cid:([^"]+)"', page.get_content())
    pictures = {
        part["Content-ID"].strip("<>"): part.get_content()
        for part in letter.walk()
        if "image" in part.get_content_type()
    }
    assert shown and set(shown) == set(pictures)
    assert all(picture.startswith(b"\x89PNG") for picture in pictures.values())


def test_without_a_mail_server_it_is_made_all_the_same_and_old_ones_go(tmp_path: Path) -> None:
    with traded(settings(tmp_path, keep_days=1)) as app:
        assert "outbox" not in report_and_mail(app)
        first = latest(app.engine)
        assert first is not None
        with app.engine.transaction() as cursor:
            old = (app.clock.real() - timedelta(days=2)).isoformat(timespec="microseconds")
            cursor.execute("UPDATE project_reports SET made_at = ?, html_file = ?", (old, str(tmp_path / "old.html")))
        assert _tidied(app).endswith("1 old reports deleted")


def test_a_person_mails_one_at_once(tmp_path: Path) -> None:
    letters = Letters()
    with smtp(tmp_path, letters) as (port, ca):
        given = mail(port, ca) | {"to": "you@example.org,me@example.org"}
        more = {f"TRADE_MCP_MAIL__{key}".upper(): str(value) for key, value in given.items()}
        done = run(tmp_path, "report", "--mail", **more, **PASSWORD)
    assert done.returncode == 0, done.stderr
    assert "mailed to you@example.org, me@example.org" in done.stdout
    assert letters.got[0].rcpt_tos == ["you@example.org", "me@example.org"]


def test_mail_without_a_server_is_refused_before_the_work(tmp_path: Path) -> None:
    done = run(tmp_path, "report", "--mail")
    assert (done.returncode, "setup mail" in done.stderr) == (BadInput.exit_code, True)
    assert not (tmp_path / "desk" / "reports").exists()


def test_a_report_that_outlasts_the_clerks_lease_is_not_begun_by_the_next_clerk(tmp_path: Path) -> None:
    with traded(settings(tmp_path)) as app:
        begun = []

        def slow(desk: App) -> str:
            begun.append(desk.clock.market())
            assert run_due(job, app, app.engine, app.clock) is None  # the next clerk looks meanwhile
            return "done"

        job = Job("report", timedelta(hours=2), slow)
        for _ in range(2):
            assert run_due(job, app, app.engine, app.clock) is None
            app.clock.advance_to(app.clock.market() + timedelta(hours=2))
        assert len(begun) == 1
        assert jobs.job(app.engine, "report").outcome == "done"


def test_a_period_that_is_none_is_refused_at_the_start() -> None:
    with pytest.raises(BadInput, match=r"reports\.period"):
        load_settings(env={}, overrides={"reports": {"period": "fortnight"}})
