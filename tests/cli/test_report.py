"""trade-mcp report as a person and a script run it."""

import json
from pathlib import Path

import pytest

from cli.test_bad_input import run
from tests.office.story import Story, tell_all


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    (tmp_path / "desk").mkdir()
    story = Story(tmp_path / "desk" / "ledger.db")
    tell_all(story)
    story.engine.close()
    return tmp_path


def test_it_says_what_happened_and_where_the_page_is(desk: Path) -> None:
    done = run(desk, "report", "--period", "month")
    assert (done.returncode, done.stderr) == (0, "")
    first, *_, page = done.stdout.splitlines()
    assert first == "Equity went from 10,000.00 to 10,090.75 USDT: +90.75, +0.91%."
    assert page == str(desk / "desk" / "reports" / "report-20230304-0005-month.html")
    assert Path(page).exists()


def test_a_script_gets_the_files_and_the_span(desk: Path) -> None:
    done = run(desk, "report", "--from", "2023-03-02", "--to", "2023-03-04", "--out", "mine", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["since"], found["until"]) == ("2023-03-02T00:00:00Z", "2023-03-04T00:00:00Z")
    for kind in ("html", "text", "json"):
        assert Path(found[kind]).parent == desk / "mine"
        assert Path(found[kind]).stat().st_size > 100


def test_before_anything_happened_it_says_so_and_makes_no_ledger(tmp_path: Path) -> None:
    done = run(tmp_path, "report")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Nothing has happened yet.")
    assert not (tmp_path / "desk" / "ledger.db").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--period", "7x"], 2, "not a period"),
        (["--period", "day", "--from", "2023-03-01"], 2, "the same thing twice"),
        (["--out", "/proc/nowhere"], 1, "cannot be written"),
    ],
)
def test_what_cannot_be_is_said_with_a_hint(desk: Path, words: list[str], code: int, said: str) -> None:
    done = run(desk, "report", *words)
    assert done.returncode == code
    assert said in done.stderr
    assert "hint: " in done.stderr
