"""The clerk in real programs: each message is handed over once, whoever is the clerk, and survives whoever dies."""

import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from channels.servers import Hook, Letters, http, smtp
from cli.test_programs import running
from server.serving import until

pytestmark = pytest.mark.nightly  # they wait for most of a minute each

PASSWORD = {"TRADE_MCP_MAIL_PASSWORD": "a-good-password"}


@pytest.fixture
def letters() -> Letters:
    return Letters()


@pytest.fixture
def mail(tmp_path: Path, letters: Letters) -> Iterator[None]:
    """A mail server, and a desk in ``tmp_path`` that writes to it."""
    with smtp(tmp_path, letters) as (port, authority):
        (tmp_path / "trade-mcp.toml").write_text(
            f'[mail]\nhost = "127.0.0.1"\nport = {port}\nuser = "me"\nsender = "desk@example.org"\n'
            f'to = ["a@example.org"]\nca_file = "{authority}"\n'
        )
        yield


def subjects(letters: Letters) -> list[str]:
    return [
        line.removeprefix(b"Subject: ").decode()
        for envelope in letters.got
        for line in (envelope.content or b"").splitlines()
        if line.startswith(b"Subject: ")
    ]


def ids(letters: Letters) -> list[bytes]:
    found = [line for one in letters.got for line in (one.content or b"").splitlines()]
    return [line for line in found if line.startswith(b"Message-ID: ")]


def test_a_halt_is_mailed_once_and_the_password_stands_nowhere(tmp_path: Path, letters: Letters, mail: None) -> None:
    with running(tmp_path, "watch", **PASSWORD) as watch:
        watch.says('"clerk"')
        watch.process.send_signal(signal.SIGUSR1)  # a halt
        until(lambda: any("halted" in subject for subject in subjects(letters)), within_s=40)
        assert watch.end() == 0
    with running(tmp_path, "watch", **PASSWORD) as again:
        again.says('"clerk"')
        time.sleep(5)  # two looks of the next clerk
        assert again.end() == 0
    assert len([subject for subject in subjects(letters) if "halted" in subject]) == 1
    assert "a-good-password" not in watch.said + again.said


def test_a_server_slower_than_the_lease_gets_each_message_once(tmp_path: Path, letters: Letters, mail: None) -> None:
    letters.hang_s = 8  # the lease lives for 5
    with running(tmp_path, "watch", **PASSWORD) as watch, running(tmp_path, "loop", **PASSWORD) as loop:
        loop.says('"decide"')
        watch.process.send_signal(signal.SIGUSR1)
        until(lambda: waiting(tmp_path) == 0 and len(letters.got) > 0, within_s=60)
        time.sleep(10)
        assert "lost the role" not in watch.said + loop.said
    assert len(set(ids(letters))) == len(letters.got)


def test_a_clerk_killed_while_it_sends_has_its_message_sent_again(tmp_path: Path, letters: Letters, mail: None) -> None:
    letters.hang_s = 3
    with running(tmp_path, "watch", **PASSWORD) as watch:
        watch.says('"clerk"')
        watch.process.send_signal(signal.SIGUSR1)
        until(lambda: claimed(tmp_path), within_s=40)
        time.sleep(1)
        psutil.Process(watch.process.pid).kill()
    letters.hang_s = 0
    with closing(sqlite3.connect(tmp_path / "desk" / "ledger.db")) as ledger:  # instead of two minutes
        ledger.execute("UPDATE outbox SET next_at = '2020-01-01T00:00:00.000000+00:00'")
        ledger.commit()
    with running(tmp_path, "watch", **PASSWORD):
        until(lambda: len(letters.got) > 0 and waiting(tmp_path) == 0, within_s=40)
    assert len(set(ids(letters))) == 1  # a repeat, if the server had taken it, is known as one


def test_a_dead_mail_server_is_told_by_the_webhook(tmp_path: Path) -> None:
    (tmp_path / "trade-mcp.toml").write_text(
        '[mail]\nhost = "127.0.0.1"\nport = 1\ntls = "off"\nsender = "a@example.org"\nto = ["b@example.org"]\n'
    )
    hook = Hook()
    with http(hook) as url, running(tmp_path, "watch", TRADE_MCP_ALERTS_WEBHOOK_URL=url) as watch:
        watch.says('"clerk"')
        watch.process.send_signal(signal.SIGUSR1)
        until(lambda: any("mail delivers nothing" in message["subject"] for message in hook.got), within_s=90)
        assert any("halted" in message["subject"] for message in hook.got)
        assert "a-secret-path" not in watch.said
    assert waiting(tmp_path) > 0


def waiting(folder: Path) -> int:
    return _count(folder, "state = 'queued'")


def claimed(folder: Path) -> bool:
    return _count(folder, "attempts > 0") > 0


def _count(folder: Path, what: str) -> int:
    with closing(sqlite3.connect(folder / "desk" / "ledger.db")) as ledger:
        return int(ledger.execute(f"SELECT count(*) FROM outbox WHERE {what}").fetchone()[0])
