"""The spill file is made once, by whichever of the programs that start together comes first, and none empties it."""

import subprocess
import sys
from pathlib import Path

import pytest

from trade_mcp.domain import events as e
from trade_mcp.domain.errors import LedgerError
from trade_mcp.store.spill import ROOM, Spill

FILES = 40
MAKER = """
import sys
from pathlib import Path
from trade_mcp.domain import events as e
from trade_mcp.store.spill import Spill

print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[3])):
    spill = Spill(Path(sys.argv[1]) / str(number))
    if sys.argv[2] == "writes":
        spill.write([e.Alarm(f"kept {number}")])
"""


def test_of_two_processes_that_make_it_at_once_the_second_takes_nothing_from_the_first(tmp_path: Path) -> None:
    makers = [
        subprocess.Popen(
            [sys.executable, "-c", MAKER, str(tmp_path), does, str(FILES)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for does in ("writes", "looks")
    ]
    for maker in makers:
        assert maker.stdout is not None and maker.stdout.readline() == "ready\n"
    for maker in makers:
        assert maker.stdin is not None
        maker.stdin.write("\n")
        maker.stdin.flush()
    for maker in makers:
        maker.communicate(timeout=60)
        assert maker.returncode == 0
    for number in range(FILES):
        assert Spill(tmp_path / str(number)).pending() == [e.Alarm(f"kept {number}")]
    assert {file.stat().st_size for file in tmp_path.iterdir()} == {ROOM}, "and nothing half made stays"


@pytest.mark.parametrize("rest", ["{", '{"kind":"alarm","text":"a line that was longer than the next"'])
def test_what_is_written_after_a_line_that_was_cut_off_is_read_again(tmp_path: Path, rest: str) -> None:
    spill = Spill(tmp_path / "spill")
    spill.write([e.Alarm("whole")])
    spill._put(len(spill._text()), rest.encode())
    spill.write([e.Alarm("next")])
    assert spill.pending() == [e.Alarm("whole"), e.Alarm("next")]


def test_a_file_that_was_taken_away_is_made_again(tmp_path: Path) -> None:
    spill = Spill(tmp_path / "spill")
    (tmp_path / "spill").unlink()
    assert spill.pending() == []
    spill.write([e.Alarm("next")])
    assert spill.pending() == [e.Alarm("next")] and (tmp_path / "spill").stat().st_size == ROOM


def test_a_damaged_line_is_said_with_what_to_do(tmp_path: Path) -> None:
    spill = Spill(tmp_path / "spill")
    spill._put(0, b"no event\n")
    with pytest.raises(LedgerError, match="damaged") as said:
        spill.pending()
    assert "move the file away" in said.value.hint
