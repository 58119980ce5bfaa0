"""Logs as files: rotated while several programs write them, never in the way of the program that writes."""

import json
import os
import subprocess
from pathlib import Path

from cli.test_bad_input import run
from health.logging_program import lines_of, program
from server.serving import environment, until

WRITES = """
path = Path(sys.argv[1])
logs.to_file("test", path, max_mb=0.02, keep=50)
for number in range(400):
    log.info("line", writer=sys.argv[2], number=number)
"""


def written(folder: Path, name: str = "desk.log") -> list[dict[str, object]]:
    return [json.loads(line) for file in folder.glob(f"{name}*") for line in file.read_text().splitlines()]


def test_programs_that_share_a_log_file_lose_no_line_when_it_is_rotated(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "desk.log"
    writers = [
        subprocess.Popen([*program(WRITES), str(path), str(name)], env=environment(tmp_path), stderr=subprocess.DEVNULL)
        for name in range(4)
    ]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    lines = [(line["writer"], line["number"]) for line in written(path.parent)]
    assert sorted(lines) == sorted((str(writer), number) for writer in range(4) for number in range(400))
    assert len(list(path.parent.iterdir())) > 3
    assert path.stat().st_mode & 0o077 == 0


def test_only_so_many_old_files_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "desk.log"
    lines_of(tmp_path, WRITES.replace("keep=50", "keep=2"), str(path), "one")
    assert {file.name for file in tmp_path.glob("desk.log*")} == {"desk.log", "desk.log.1", "desk.log.2"}
    numbers = [int(str(line["number"])) for line in written(tmp_path)]
    assert sorted(numbers) == list(range(min(numbers), 400))


def test_a_file_that_a_person_moved_away_is_begun_anew(tmp_path: Path) -> None:
    code = """
    path = Path(sys.argv[1])
    logs.to_file("test", path, max_mb=1, keep=1)
    log.info("before")
    path.rename(path.with_name("moved"))
    log.info("after")
    """
    lines_of(tmp_path, code, str(tmp_path / "desk.log"))
    assert [line["event"] for line in written(tmp_path)] == ["after"]
    assert "before" in (tmp_path / "moved").read_text()


def test_a_disk_that_is_full_is_told_once_and_ends_nothing(tmp_path: Path) -> None:
    code = """
    logs.to_file("test", Path("/dev/full"), max_mb=1, keep=1)
    for number in range(3):
        log.info("line", number=number)
    """
    done = subprocess.run(program(code), env=environment(tmp_path), capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stderr.count("cannot be written: [Errno 28] No space left on device") == 1
    assert done.stderr.count('"event": "line"') == 3


def test_a_reader_that_stops_reading_stops_no_program(tmp_path: Path) -> None:
    code = """
    for number in range(2000):
        log.info("line", number=number, more="x" * 200)
    Path(sys.argv[1]).touch()
    sys.stdin.readline()
    log.info("the last line")
    """
    done = tmp_path / "done"
    process = subprocess.Popen(
        [*program(code), str(done)], env=environment(tmp_path), stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    until(done.exists)  # with its pipe full and nobody reading
    assert process.stderr is not None
    os.set_blocking(process.stderr.fileno(), False)
    begun = process.stderr.read()
    os.set_blocking(process.stderr.fileno(), True)
    _, rest = process.communicate("go on\n", timeout=10)
    assert process.returncode == 0
    assert "lines are missing here: nobody read them" in rest
    assert "the last line" in rest
    for line in (begun + rest).splitlines():
        assert line.startswith("... ") or json.loads(line)


def test_the_programs_of_a_desk_write_one_file_that_settings_name(tmp_path: Path) -> None:
    file = tmp_path / "logs" / "desk.log"
    done = run(tmp_path, "tick", TRADE_MCP_LOGS__FILE=str(file))
    assert done.returncode == 0
    assert run(tmp_path, "watch", "--for", "1s", TRADE_MCP_LOGS__FILE=str(file)).returncode == 0
    assert "watch" in {line["program"] for line in written(file.parent)}


def test_a_log_file_that_cannot_be_written_is_told_before_anything_starts(tmp_path: Path) -> None:
    done = run(tmp_path, "tick", TRADE_MCP_LOGS__FILE="/proc/desk.log")
    assert done.returncode == 2
    assert "the log file /proc/desk.log cannot be written" in done.stderr
