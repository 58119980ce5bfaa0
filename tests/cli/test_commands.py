"""Commands as a person runs them, one real process each."""

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from cli.test_bad_input import run
from cli.test_programs import alive, running
from server.serving import environment, free_port

COMMANDS = [
    ["up"],
    ["serve"],
    ["loop"],
    ["watch"],
    ["tick"],
    ["halt"],
    ["resume"],
    ["takeover"],
    ["reconcile"],
    ["rebuild"],
    ["verify"],
    ["trades"],
    ["check-strategy"],
    ["report"],
    ["policy", "show"],
    ["policy", "diff"],
    ["policy", "adopt"],
    ["db", "upgrade"],
    ["db", "current"],
]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose desk ran until it had decided; ``said.jsonl`` is what it showed."""
    folder = tmp_path_factory.mktemp("ran")
    with running(folder, "up", "--json", "--speed", "600", "--port", str(free_port())) as up:
        up.says('"decisions": [{', within_s=60)
        everyone = up.children().values()
        assert len(everyone) == 4 and up.end(signal.SIGINT) == 0  # supervisord and three programs
        assert not [child for child in everyone if alive(child)]
        shown = [line for line in up.said.splitlines() if line.startswith('{"mode"')]
    (folder / "said.jsonl").write_text("\n".join(shown))
    return folder


def answer(folder: Path, *words: str, code: int = 0) -> Any:
    done = run(folder, *words, "--json")
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_teaches_with_an_example(tmp_path: Path, words: list[str]) -> None:
    done = run(tmp_path, *words, "--help")
    assert done.returncode == 0 and "Example" in done.stdout and f"trade-mcp {' '.join(words)}" in done.stdout


def test_up_shows_what_the_desk_does_and_why(desk: Path) -> None:
    last = json.loads((desk / "said.jsonl").read_text().splitlines()[-1])
    assert last["mode"] == "paper" and last["synthetic"] is True and last["address"].endswith("/mcp")
    assert last["decisions"] and all(decision["reason"] for decision in last["decisions"])
    assert not last["problems"], last["problems"]


def test_what_ran_is_sound_and_can_be_rebuilt(desk: Path) -> None:
    assert answer(desk, "verify")["sound"] is True
    assert answer(desk, "rebuild")["differences"] == []
    assert answer(desk, "db", "current")["revision"]
    assert run(desk, "db", "upgrade").returncode == 0


def test_every_transaction_is_in_the_csv(desk: Path) -> None:
    told = answer(desk, "trades")["trades"]
    assert run(desk, "trades", "--csv", "out.csv").returncode == 0
    with (desk / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["order_id"] for row in rows] == [trade["order_id"] for trade in told]


def test_a_halt_lasts_until_a_person_resumes(tmp_path: Path) -> None:
    assert answer(tmp_path, "halt", "--reason", "odd")["state"] == "halted"
    assert "problems" not in answer(tmp_path, "tick", "--dry-run")
    assert run(tmp_path, "resume").returncode == 2  # a reason is asked for
    assert answer(tmp_path, "resume", "--reason", "fine again")["state"] == "active"


def test_a_dry_run_writes_no_order(tmp_path: Path) -> None:
    said = answer(tmp_path, "tick", "--dry-run")
    assert said["dry_run"] is True and all(decision["reason"] for decision in said["decisions"])
    assert answer(tmp_path, "trades")["trades"] == []


def test_changed_limits_wait_until_they_are_adopted(tmp_path: Path) -> None:
    assert answer(tmp_path, "policy", "diff")["changes"] == []
    (tmp_path / "trade-mcp.toml").write_text("[limits]\nmax_heat = 0.05\n")
    assert [change["key"] for change in answer(tmp_path, "policy", "diff")["changes"]] == ["max_heat"]
    assert answer(tmp_path, "policy", "show")["limits"]["max_heat"] == "0.06"
    answer(tmp_path, "policy", "adopt")
    assert answer(tmp_path, "policy", "show")["limits"]["max_heat"] == "0.05"
    assert answer(tmp_path, "policy", "diff")["changes"] == []


@pytest.mark.storm
def test_a_loop_takes_over_when_the_other_dies(tmp_path: Path) -> None:
    assert run(tmp_path, "tick").returncode == 0
    env = environment(tmp_path, TRADE_MCP_FEED__SPEED="600")
    loops = []
    for number in range(2):
        log = (tmp_path / f"loop{number}").open("wb")
        command = [sys.executable, "-m", "trade_mcp", "loop"]
        loops.append(subprocess.Popen(command, env=env, cwd=tmp_path, stderr=log, stdout=log))
        _until(lambda: _roles(tmp_path) >= 1)
    loops[0].kill()
    _until(
        lambda: "took the role" in (tmp_path / "loop1").read_text() and '"decide"' in (tmp_path / "loop1").read_text()
    )
    loops[1].terminate()
    assert loops[1].wait(timeout=15) == 0


def _roles(folder: Path) -> int:
    return sum('"decide"' in path.read_text() for path in folder.glob("loop[01]"))


def _until(done: Any, within_s: float = 60) -> None:
    deadline = time.monotonic() + within_s
    while not done():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
