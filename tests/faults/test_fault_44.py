"""Fault 44: the mail server is down, a report job crashes: the tick goes on, on time; told once, not a flood."""

import json
import socket
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from channels.servers import Hook, http
from cli.test_programs import running
from server.serving import until


@pytest.mark.storm
def test_fault_44_a_dead_mail_server_and_a_broken_report_delay_no_tick(tmp_path: Path) -> None:
    (tmp_path / "trade-mcp.toml").write_text(
        '[mail]\nhost = "127.0.0.1"\nport = 1\ntls = "off"\nsender = "a@example.org"\nto = ["b@example.org"]\n'
        '[reports]\nevery = "10m"\nfolder = "/proc/no-such-folder"\n[feed]\nspeed = 120\n'
    )
    hook = Hook()
    with socket.socket() as silent, http(hook) as url:
        silent.bind(("127.0.0.1", 0))
        silent.listen()  # takes the connection, and says nothing for ever
        port = str(silent.getsockname()[1])
        told = {"TRADE_MCP_ALERTS_WEBHOOK_URL": url, "TRADE_MCP_MAIL__PORT": port}
        with running(tmp_path, "watch", **told) as watch, running(tmp_path, "loop", **told) as loop:
            loop.says('"decided"')
            watch.process.send_signal(10)  # SIGUSR1: a halt, which is told
            until(lambda: any("halted" in message["subject"] for message in hook.got), within_s=40)
            until(lambda: any("report failed" in message["text"] for message in hook.got), within_s=60)
            began = time.monotonic()
            until(lambda: bars(tmp_path) > 12, within_s=60)
            assert watch.process.poll() is None and loop.process.poll() is None
        took = time.monotonic() - began
    assert took < 60
    with closing(sqlite3.connect(tmp_path / "desk" / "ledger.db")) as ledger:
        (slowest,) = ledger.execute("SELECT max(duration_ms) FROM tick_reports").fetchone()
        waiting = dict(ledger.execute("SELECT state, count(*) FROM outbox WHERE channel = 'mail' GROUP BY state"))
    assert slowest < 5000
    assert waiting.keys() == {"queued"}  # nothing is lost, nothing got through
    assert len([message for message in hook.got if "report failed" in message["text"]]) == 1  # told once
    assert json.dumps(hook.got).count("halted") >= 1


def bars(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "desk" / "ledger.db")) as ledger:
        return int(ledger.execute("SELECT count(*) FROM tick_reports").fetchone()[0])
