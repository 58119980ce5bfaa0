"""The doctor looks at everything, alive or dead, says what is wrong with a hint, and changes nothing."""

import hashlib
import json
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from cli.test_bad_input import run
from cli.test_programs import running
from server.serving import environment, until
from trade_mcp.cli.checks import CHECKS
from trade_mcp.cli.checks.machine import kind_of
from trade_mcp.cli.checks.patient import admitted
from trade_mcp.cli.doctor import _found
from trade_mcp.clock import LiveClock
from trade_mcp.ports import Message
from trade_mcp.settings import load_settings
from trade_mcp.store import outbox
from trade_mcp.store.engine import open_engine

LEDGER = Path("desk") / "ledger.db"


def told(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, str]]:
    """The checks by name; and that the exit code is what they say."""
    answer: dict[str, Any] = json.loads(done.stdout)
    found = {check["check"]: check for check in answer["checks"]}
    failed = [name for name, check in found.items() if check["verdict"] == "fail"]
    assert answer["well"] is (not failed)
    assert done.returncode == (1 if failed else 0), done.stdout + done.stderr
    assert all(check["hint"] for check in found.values() if check["verdict"] != "ok")
    return found


def doctor(folder: Path, **env: str) -> dict[str, dict[str, str]]:
    return told(run(folder, "doctor", "--json", **env))


def examined(folder: Path, **sections: dict[str, Any]) -> dict[str, dict[str, str]]:
    """What the checks find, without the start of a process for each hurt."""
    settings = load_settings(env={}, overrides={"desk": {"data_dir": str(folder / "desk")}, **sections})
    with admitted(settings, None) as patient:
        found = {check.__name__: _found(check, patient) for check in CHECKS}
    return {name: structs.asdict(finding) for name, finding in found.items() if finding is not None}


def verdicts(found: dict[str, dict[str, str]]) -> dict[str, str]:
    return {name: check["verdict"] for name, check in found.items() if check["verdict"] != "ok"}


def changed(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / LEDGER)) as ledger:
        for statement in statements:
            ledger.execute(statement)
        ledger.commit()


def contents(folder: Path) -> dict[str, str]:
    """Every file but SQLite's shared memory, by what is in it."""
    files = (file for file in sorted(folder.rglob("*")) if file.is_file() and not file.name.endswith("-shm"))
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A desk that ran once and stands."""
    folder = tmp_path_factory.mktemp("stopped")
    assert run(folder, "tick").returncode == 0
    return folder


@pytest.fixture
def still(stopped: Path, tmp_path: Path) -> Path:
    """A copy of it, to be hurt."""
    (tmp_path / "desk").mkdir(mode=0o700)
    for file in (stopped / "desk").glob("*.db"):
        (tmp_path / "desk" / file.name).write_bytes(file.read_bytes())
    return tmp_path


@pytest.mark.storm
def test_a_desk_that_runs_is_well(tmp_path: Path) -> None:
    with running(tmp_path, "watch"), running(tmp_path, "loop"):
        until(lambda: (tmp_path / LEDGER).exists())
        until(lambda: run(tmp_path, "doctor").returncode == 0)
        found = doctor(tmp_path)
        assert set(found) == {check.__name__ for check in CHECKS}
        # somebody may be editing the source right now, or the clock of this machine be set
        assert set(verdicts(found)) <= {"clock", "code", "loop"}
        text = run(tmp_path, "doctor").stdout
    assert len(text.splitlines()) == len(CHECKS)
    assert "runs in 2 processes" in found["code"]["said"] or found["code"]["verdict"] == "warn"


def test_a_desk_that_stands_is_told_so_and_nothing_is_changed(still: Path) -> None:
    before = contents(still)
    assert verdicts(doctor(still)) == {"watcher": "warn", "loop": "warn"}
    assert contents(still) == before
    assert sorted(file.name for file in (still / "desk").iterdir()) == ["ledger.db", "paper.db"]


@pytest.mark.storm
def test_what_a_killed_desk_left_behind_is_read_and_left(tmp_path: Path) -> None:
    with running(tmp_path, "watch") as program:
        program.says('"watch"')
        program.process.send_signal(signal.SIGKILL)
        program.process.wait()
    before = contents(tmp_path / "desk")
    assert "ledger.db-wal" in before
    found = doctor(tmp_path)
    assert found["chain"]["verdict"] == "ok"
    assert contents(tmp_path / "desk") == before


def test_without_a_desk_there_is_nothing_to_find_and_nothing_is_made(tmp_path: Path) -> None:
    found = doctor(tmp_path)
    assert verdicts(found) == {"schema": "warn"}
    assert "trade-mcp up makes one" in found["schema"]["hint"]
    assert list(tmp_path.iterdir()) == []


HURTS = {
    "tables that are gone": (("DROP TABLE heartbeats",), "schema", "fail", "these tables are missing: heartbeats"),
    "a schema of another version": (("UPDATE alembic_version SET version_num = '9999'",), "schema", "fail", "9999"),
    "another program's database": (("PRAGMA application_id = 7",), "schema", "fail", "another program"),
    "an event that was changed": (
        ("DROP TRIGGER events_no_update", "UPDATE events SET payload = replace(payload, '10000', '90000')"),
        "chain",
        "fail",
        "the chain breaks at event 1",
    ),
    "a table that was changed": (
        ("INSERT INTO positions SELECT 'X/Y', 1, '1', '1', '1', '0', '0', 'loop', '', '', NULL, NULL, NULL, 0",),
        "projections",
        "fail",
        "1 rows are not what the events say",
    ),
    "a role that is held and not worked in": (
        ("INSERT OR REPLACE INTO leases VALUES ('watch', 'h:1:x', 9, '9999-01-01T00:00:00+00:00', 'h', '', 1)",
         "INSERT INTO heartbeats VALUES ('serve', 'h', 1, '{now}', '{now}', '', '{{\"up_s\": 60}}')"),
        "watcher",
        "fail",
        "finishes no round",
    ),
    "a program of other code": (
        ("INSERT INTO heartbeats VALUES ('serve', 'h', 1, '{now}', '{now}', '0.0.1+00', '{{}}')",),
        "code",
        "warn",
        "serve (process 1) runs code 0.0.1+00, installed is",
    ),
    "a loop that is not there": (
        ("INSERT INTO heartbeats VALUES ('serve', 'h', 1, '{now}', '{now}', '', '{{}}')",),
        "loop",
        "fail",
        "no loop is running",
    ),
    "a clock that was set": (
        ("INSERT INTO heartbeats VALUES ('serve', 'h', 1, '2020-01-01T00:00:00Z', '{now}', '', '{{\"up_s\": 5}}')",),
        "clock",
        "warn",
        "the clock was set by +",
    ),
}  # fmt: skip


@pytest.mark.parametrize("hurt", HURTS)
def test_a_hurt_is_found_with_its_hint(still: Path, hurt: str) -> None:
    statements, check, verdict, said = HURTS[hurt]
    with closing(sqlite3.connect(":memory:")) as clock:
        (now,) = clock.execute("SELECT strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000+00:00'").fetchone()
    changed(still, *(one.format(now=now) if "{" in one else one for one in statements))
    found = examined(still)
    assert found[check]["verdict"] == verdict, found[check]
    assert said in found[check]["said"]


def test_messages_that_nobody_takes_are_told(still: Path) -> None:
    engine = open_engine(still / LEDGER)
    outbox.put(engine, Message("m", "subject", "text"), ("mail",), now=LiveClock().real())
    engine.close()
    assert examined(still)["outbox"] == {"verdict": "ok", "said": "mail: 1 wait, 0 failed", "hint": ""}
    changed(still, "UPDATE outbox SET state = 'failed', error = 'refused'")
    found = examined(still)["outbox"]
    assert (found["verdict"], found["said"]) == ("warn", "mail: 0 wait, 1 failed (refused)")


def test_a_ledger_that_another_program_holds_is_busy(still: Path) -> None:
    with closing(sqlite3.connect(still / LEDGER, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        found = examined(still)
    assert "another program holds it" in found["writable"]["said"]
    assert found["chain"]["verdict"] == "ok"


@pytest.mark.storm
def test_a_position_whose_stop_is_gone_fails(tmp_path: Path) -> None:
    code = """
from decimal import Decimal
from trade_mcp.app import build
from trade_mcp.clock import LiveClock
from trade_mcp.ports import Message
from trade_mcp.settings import load_settings
from trade_mcp.store import outbox
from trade_mcp.store.engine import open_engine
from trade_mcp.domain.order import OrderRequest, Side, Source
app = build(load_settings(), "test")
app.heartbeats.beat("watch", {})
app.gate.submit(OrderRequest(order_id="a", symbol="BTC/USDT", side=Side.BUY, notional=Decimal(200)), Source.MODEL)
for order in list(app.log.book.exits("BTC/USDT")):
    app.gate._sender._end((order,), order.status.CANCELLED, "lost")
app.heartbeats.gone("watch")
"""
    subprocess.run([sys.executable, "-c", code], env=environment(tmp_path), check=True, capture_output=True)
    found = examined(tmp_path)
    assert found["positions"] == {
        "verdict": "fail",
        "said": "no live stop: BTC/USDT",
        "hint": "start the watcher: trade-mcp watch",
    }
    assert found["watcher"]["verdict"] == "fail"  # nothing runs, and something is held


def test_what_settings_and_the_desk_disagree_about_is_found(still: Path) -> None:
    (still / "trade-mcp.toml").write_text("[limits]\nmax_heat = 0.05\n[feed]\nseed = 8\n[loop]\nenabled = false\n")
    (still / "desk" / "paper.db").unlink()
    found = doctor(still)
    assert verdicts(found) == {"policy": "warn", "feed": "fail", "venue": "fail", "watcher": "warn", "loop": "warn"}
    assert "max_heat" in found["policy"]["said"]
    assert "the settings say synthetic" in found["feed"]["said"]
    assert "is switched off" in found["loop"]["said"]


def test_a_feed_that_cannot_be_read_hides_no_other_check(still: Path) -> None:
    found = examined(still, feed={"name": "replay", "data": [str(still / "BTCUSDT_5m.csv")]})
    assert "there is no such file" in found["feed"]["said"]
    assert {"venue", "disk", "secrets"} <= set(found)


def test_secrets_are_counted_by_name_and_never_shown(still: Path) -> None:
    (still / ".env").write_text("TRADE_MCP_SERVER_TOKEN=x")
    secret = "a-very-long-secret-token-indeed"
    done = run(still, "doctor", TRADE_MCP_SERVER_TOKEN=secret, TRADE_MCP_MAIL_PASSWORD="hunter22")
    assert "TRADE_MCP_MAIL_PASSWORD, TRADE_MCP_SERVER_TOKEN" in done.stdout
    assert ".env can be read by others" in done.stdout
    assert secret not in done.stdout + done.stderr
    assert "hunter22" not in done.stdout + done.stderr
    short = examined(still, server={"token": "short"})["secrets"]
    assert (short["verdict"], "the server token is short" in short["said"]) == ("warn", True)


def test_a_data_folder_that_others_can_read_is_told(still: Path) -> None:
    (still / "desk").chmod(0o755)
    assert examined(still)["permissions"]["hint"] == f"chmod 700 {still / 'desk'}"


MOUNTS = """\
22 1 8:1 / / rw - ext4 /dev/sda1 rw
30 22 0:40 / /home rw - nfs4 server:/home rw
31 30 8:2 / /home/me/my\\040disk rw - xfs /dev/sdb rw
32 22 0:41 / /mnt/s rw - fuse.sshfs me@there: rw
""".splitlines()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/desk", "ext4"),
        ("/home/me/desk", "nfs4"),
        ("/home/me/my disk/desk", "xfs"),
        ("/mnt/s", "fuse.sshfs"),
        ("/mnt/sand", "ext4"),
    ],
)
def test_the_file_system_of_a_folder_is_that_of_its_nearest_mount(path: str, kind: str) -> None:
    assert kind_of(path, MOUNTS) == kind
