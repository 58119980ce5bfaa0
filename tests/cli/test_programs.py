"""Programs: each ends cleanly when told, says what hinders it, and leaves nothing running."""

import configparser
import json
import os
import pty
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from cli.test_bad_input import run
from server.serving import environment, free_port, until
from trade_mcp.cli.supervise import supervisor_text

CONF = Path(__file__).parents[2] / "supervisord.conf"


class Program:
    """One of our commands, running; all it says, on stdout and stderr, is in ``said``."""

    def __init__(self, folder: Path, *words: str, terminal: bool = False, **more: str):
        self._out = folder / f"{words[0]}.{free_port()}"
        command, env = [sys.executable, "-m", "trade_mcp", *words], environment(folder, **more)
        self._screen, inner = pty.openpty() if terminal else (None, None)
        with self._out.open("wb") as out:
            # A session of its own, so that the terminal is the one that rules it.
            self.process = subprocess.Popen(
                command, env=env, cwd=folder, stdin=inner, stdout=out, stderr=out, start_new_session=True
            )
        if inner is not None:
            os.close(inner)

    @property
    def said(self) -> str:
        return self._out.read_text("utf-8", errors="replace")

    def says(self, *words: str, within_s: float = 60) -> None:
        until(lambda: all(word in self.said for word in words) or self.process.poll() is not None, within_s=within_s)
        assert all(word in self.said for word in words), self.said

    def children(self) -> dict[str, psutil.Process]:
        """The desk's programs by their command, and supervisord."""
        found = {}
        for child in psutil.Process(self.process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):  # it just ended
                words = child.cmdline()
                name = next((name for name in ("watch", "loop", "serve") if name in words), "supervisord")
                found[name] = child
        return found

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        return self.process.wait(timeout=60)


@contextmanager
def running(folder: Path, *words: str, terminal: bool = False, **more: str) -> Iterator[Program]:
    program = Program(folder, *words, terminal=terminal, **more)
    try:
        yield program
    finally:
        if program.process.poll() is None:
            program.end()
        if program._screen is not None:
            os.close(program._screen)


def alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


SERVE = ("serve", "--http", "--port", "0")


@pytest.mark.parametrize(
    ("words", "ready", "how"),
    [
        (("loop",), '"decide"', signal.SIGTERM),
        (("watch",), '"watch"', signal.SIGINT),  # both hear signals the same way, the server in its own
        (SERVE, "serving MCP", signal.SIGTERM),
        (SERVE, "serving MCP", signal.SIGINT),
    ],
)
def test_a_program_ends_cleanly_when_told(
    tmp_path: Path, words: tuple[str, ...], ready: str, how: signal.Signals
) -> None:
    words = tuple(str(free_port()) if word == "0" else word for word in words)
    with running(tmp_path, *words) as program:
        program.says(ready)
        assert program.end(how) == 0, program.said
        assert "Traceback" not in program.said


def test_a_signal_halts_trading(tmp_path: Path) -> None:
    with running(tmp_path, "watch") as program:
        program.says('"watch"')
        program.process.send_signal(signal.SIGUSR1)
        with closing(sqlite3.connect(tmp_path / "desk" / "ledger.db")) as ledger:
            until(lambda: ledger.execute("SELECT 1 FROM events WHERE payload LIKE '%halted%SIGUSR1%'").fetchone())
        assert program.process.poll() is None


@pytest.mark.storm
def test_up_tells_of_a_program_that_dies_and_starts_it_again(tmp_path: Path) -> None:
    with running(tmp_path, "up", "--json", "--port", str(free_port())) as desk:
        desk.says("no fresh signal")
        first = desk.children()["loop"]
        first.kill()
        desk.says("ended unasked and is started again: loop (terminated by SIGKILL")
        until(lambda: desk.children().get("loop", first) != first)
        everyone = desk.children().values()
        assert desk.end() == 0, desk.said
        assert not [child for child in everyone if alive(child)]


@pytest.fixture
def hung_up_on() -> Iterator[None]:
    """A closed terminal ends what is started, also where these tests run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("hung_up_on")
@pytest.mark.storm
def test_a_closed_terminal_leaves_nothing_running(tmp_path: Path) -> None:
    with running(tmp_path, "up", "--json", "--port", str(free_port())) as desk:
        until(lambda: len(desk.children()) == 4)
        everyone = desk.children().values()
        assert desk.end(signal.SIGHUP) == 0, desk.said
        assert not [child for child in everyone if alive(child)]


@pytest.mark.storm
def test_a_person_at_a_terminal_takes_changed_limits_over(tmp_path: Path) -> None:
    assert run(tmp_path, "tick").returncode == 0
    (tmp_path / "trade-mcp.toml").write_text("[limits]\nmax_heat = 0.05\n")
    port = str(free_port())
    with running(tmp_path, "up", "--json", "--for", "2s", "--port", port) as unattended:
        unattended.says("[limits] changed in the file (max_heat)", "policy adopt")
    assert json.loads(run(tmp_path, "policy", "diff", "--json").stdout)["changes"]
    with running(tmp_path, "up", "--json", "--for", "2s", "--port", port, terminal=True) as attended:
        attended.says("changed [limits] are in force now: max_heat")
    assert not json.loads(run(tmp_path, "policy", "diff", "--json").stdout)["changes"]


def test_a_loop_that_is_switched_off_stands_still_and_says_so(tmp_path: Path) -> None:
    with running(tmp_path, "loop", TRADE_MCP_LOOP__ENABLED="false") as program:
        program.says("the loop is switched off")
        assert '"decide"' not in program.said
        assert program.end() == 0


def test_both_supervisors_run_the_same_programs(tmp_path: Path) -> None:
    ours, theirs = (configparser.RawConfigParser(inline_comment_prefixes=(" ;", "\t;")) for _ in range(2))
    ours.read_string(supervisor_text(tmp_path, None))
    theirs.read_string(CONF.read_text("utf-8"))
    assert ours.sections() == theirs.sections()
    for name in ours.sections()[1:]:
        one, other = dict(ours[name]), dict(theirs[name])
        assert one.pop("command").partition("trade_mcp ")[2] == other.pop("command").partition("trade-mcp ")[2]
        for own in ("environment", "stdout_logfile", "stdout_logfile_maxbytes", "stdout_logfile_backups"):
            one.pop(own, None), other.pop(own, None)
        assert one == other, name
