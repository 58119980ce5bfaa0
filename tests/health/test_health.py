"""Health is what is found, not what is configured: every way a desk stands still while its page is green."""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from desk.stage import WARM, buy, flat
from health.stage import Staged
from trade_mcp.domain.events import TradingState
from trade_mcp.domain.order import Source
from trade_mcp.office import installed
from trade_mcp.ports import Message
from trade_mcp.server.tools.desk import get_status
from trade_mcp.store import outbox
from trade_mcp.store.leases import Heartbeats

Stage = Callable[..., Staged]


def test_a_desk_that_is_watched_and_decides_is_well(stage: Stage) -> None:
    desk = stage()
    for _ in range(3):
        desk.well()
    assert desk.problems == ()


def test_without_a_watcher_it_fails(stage: Stage) -> None:
    desk = stage()
    desk.decide()
    assert desk.failing == ("nobody watches the exits: no entries until `trade-mcp watch` runs",)


def test_a_watcher_with_the_role_that_finishes_no_round_is_no_watcher(stage: Stage) -> None:
    """The lease alone proves nothing: it is renewed before the work."""
    desk = stage()
    desk.decide()
    desk._watcher.hold()
    assert desk.failing == () and "began just now" in desk.problems[0], "the first round may take a moment"
    desk.app.heartbeats._started_boot -= 60
    desk.app.heartbeats.beat("loop", {})
    (said,) = desk.failing
    assert "has the role and finishes no round" in said


def test_without_a_loop_it_fails_unless_the_loop_is_switched_off(stage: Stage) -> None:
    desk = stage()
    desk.watch()
    assert desk.failing == ("no loop is running: nothing trades by itself until `trade-mcp loop` runs",)
    off = desk.app.settings.loop.model_copy(update={"enabled": False})
    desk.app.settings = desk.app.settings.model_copy(update={"loop": off})
    assert desk.problems == ()


def test_one_who_waits_for_a_role_is_not_taken_for_one_who_has_it(stage: Stage) -> None:
    desk = stage()
    desk.app.leases.take("watch", 60)
    waiting = type(desk.app.leases)(desk.app.engine, clock=desk.app.clock, me="another")
    desk.app.leases = waiting
    desk._watcher.hold()
    programs = {program.program for program in desk.app.health().programs}
    assert "watch standby" in programs
    assert "watch" not in programs
    assert desk.app.heartbeats.silence_s("watch") is None
    desk._watcher.release()
    assert "watch standby" not in {program.program for program in desk.app.health().programs}


def test_bars_that_closed_undecided_are_missed_ticks(stage: Stage) -> None:
    desk = stage()
    desk.well()
    desk.well()
    desk.on(3)
    desk.well()
    desk.well()
    ticks = desk.app.health().ticks
    assert (ticks.due, ticks.decided, ticks.missed) == (6, 3, 3)
    assert "the loop missed the close of bars in the last day of market time" in desk.problems


def test_a_loop_that_never_decides_misses_every_bar(stage: Stage) -> None:
    desk = stage()
    desk.watch()
    desk.on(10)
    assert desk.app.health().ticks.missed == 9  # the newest may be decided yet
    desk.on(1000)
    assert desk.app.health().ticks.missed == 59  # until the data ends


def test_a_feed_that_is_there_and_silent_fails(stage: Stage) -> None:
    bars = flat(WARM + 5) + [None] * 20 + flat(10)
    desk = stage(bars)
    for _ in range(5):
        desk.well()
    assert desk.problems == ()
    for _ in range(5):
        desk.well()
    (said,) = desk.failing
    assert said.startswith("the feed is silent: BTC/USDT has had no new price since 2024-01-01")
    before = desk.problems
    desk.well()
    assert desk.problems == before  # the same problem is the same sentence


def test_the_end_of_the_data_is_said_and_is_no_failure(stage: Stage) -> None:
    desk = stage(flat(WARM + 2))
    for _ in range(4):
        desk.well()
    assert any("the data ended at" in problem for problem in desk.problems)
    assert desk.failing == ()


def test_a_program_of_other_code_is_named_with_both(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = stage()
    desk.well()
    other = Heartbeats(desk.app.engine, clock=desk.app.clock, code="0.0.9+0123456789ab")
    other.beat("serve", {})
    (said,) = desk.problems
    assert said.startswith("serve (process ")
    assert f"runs code 0.0.9+0123456789ab, installed is {installed.running_code()}: restart it" in said
    assert desk.failing == ()


def test_the_digest_follows_every_edit_of_the_source(tmp_path: Path) -> None:
    package = tmp_path / "trade_mcp"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text('__version__ = "9"\n')
    (package / "inner" / "x.py").write_text("one = 1\n")
    source = Path(installed.__file__).read_text("utf-8")
    (package / "inner" / "installed.py").write_text(source)

    def digest() -> str:
        code = "from trade_mcp.inner.installed import running_code; print(running_code())"
        return subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True).stdout

    first = digest()
    assert first.startswith("9+")
    assert digest() == first  # compiled files and times do not count
    (package / "inner" / "x.py").write_text("one = 2\n")
    assert digest() != first


def test_a_ledger_that_another_program_holds_is_busy(stage: Stage) -> None:
    desk = stage()
    desk.well()
    with closing(sqlite3.connect(desk.app.engine.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert desk.failing == ("the ledger is busy: another program holds it, and nothing can be written",)
        other.execute("ROLLBACK")
    assert desk.failing == ()


def test_a_ledger_that_cannot_be_written_fails(stage: Stage) -> None:
    desk = stage()
    desk.well()
    desk.app.engine._write.execute("PRAGMA query_only = ON")
    (said,) = desk.failing
    assert said.startswith("the ledger cannot be written: ")
    assert "readonly" in said


def test_a_position_without_a_stop_fails_and_a_halt_is_only_told(stage: Stage) -> None:
    desk = stage()
    desk.well()
    desk.app.gate.submit(buy("a", size="1"), Source.MODEL)
    assert desk.failing == ()
    desk.app.gate.set_state(TradingState.HALTED, Source.OPERATOR, reason="a try")
    assert desk.problems == ("trading is halted: a try",)
    assert desk.failing == ()
    for order in list(desk.app.log.book.exits("BTC/USDT")):
        desk.app.gate._sender._end((order,), order.status.CANCELLED, "lost")
    assert desk.failing == ("BTC/USDT has no live stop",)


def test_a_program_that_hangs_is_told_and_one_that_ended_is_not(stage: Stage) -> None:
    desk = stage()
    desk.well()
    with subprocess.Popen(["sleep", "60"]) as there:
        host = desk.app.health().leases["watch"].partition(":")[0]
        at = (desk.app.clock.real() - timedelta(seconds=30)).isoformat(timespec="microseconds")
        with desk.app.engine.transaction() as cursor:
            for pid, program in ((there.pid, "serve"), (2**22 + 1, "supervisor")):
                columns = "program, host, pid, started_at, at, code, detail"
                values = (program, host, pid, at, at, "", "{}")
                cursor.execute(f"INSERT INTO heartbeats ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", values)
        (said,) = desk.problems
        assert said.startswith(f"serve (process {there.pid}) hangs: no sign of life since")
        there.kill()
        there.wait()
    assert desk.problems == ()


def test_a_clock_that_was_set_is_noticed(stage: Stage) -> None:
    desk = stage()
    desk.well()
    real = desk.app.clock.real()
    beats = Heartbeats(desk.app.engine, clock=desk.app.clock, code="")
    beats._started = real - timedelta(seconds=40)  # it has run for no time, and the clock went on by 40 s
    beats.beat("serve", {})
    assert [problem for problem in desk.problems if "the clock was set by +40 s while serve" in problem]


def test_a_sign_from_the_future_protects_nobody(stage: Stage) -> None:
    desk = stage()
    desk.app.heartbeats.beat("watch", {})
    with desk.app.engine.transaction() as cursor:
        later = (desk.app.clock.real() + timedelta(hours=1)).isoformat(timespec="microseconds")
        cursor.execute("UPDATE heartbeats SET at = ? WHERE program = 'watch'", (later,))
    assert desk.app.heartbeats.silence_s("watch") is None
    assert any("the clock was set back" in problem for problem in desk.problems)


def test_looking_is_cheap(stage: Stage) -> None:
    """A health check must not be a load of its own: a generous bound on the median, not on one call."""
    desk = stage()
    for _ in range(20):
        desk.well()
    took = []
    for _ in range(21):
        began = time.perf_counter()
        desk.app.health()
        took.append(time.perf_counter() - began)
    assert sorted(took)[10] < 0.05


def test_the_status_says_what_was_not_delivered_for_how_long_and_why(stage: Stage) -> None:
    desk = stage()
    assert get_status(desk.app)["channels"] is None
    desk.app.heartbeats.beat("clerk", {"channels": ["mail", "webhook"]})
    engine, now = desk.app.engine, desk.app.clock.real()
    outbox.put(engine, Message("m1", "a subject", "a text"), ("mail",), now=now - timedelta(minutes=7))
    claimed = outbox.claim(engine, "mail", now=now)
    assert claimed is not None
    outbox.not_sent(engine, claimed, "smtp.example.org cannot be reached", left=(), again=now)
    said = get_status(desk.app)["channels"]
    assert said["webhook"] == "well: nothing waits"
    assert said["mail"].startswith("1 wait, the first for 7 min")
    assert said["mail"].endswith("; smtp.example.org cannot be reached")
