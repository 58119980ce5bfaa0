"""A report made by a child process: its files, its steps, its time, and whatever can go wrong."""

import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec import structs

from tests.office.story import Story
from trade_mcp.domain.errors import BadInput, TradeError
from trade_mcp.office.reports import forget, latest
from trade_mcp.reports.make import ReportFailed, make, wanted
from trade_mcp.reports.wanted import Wanted
from trade_mcp.settings import Settings, load_settings
from trade_mcp.store import reports
from trade_mcp.store.reports import Made

MADE = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


def settings(folder: Path, **feed: object) -> Settings:
    return load_settings(env={}, overrides={"desk": {"data_dir": str(folder)}, "feed": feed})


@pytest.fixture
def want(told: Story, tmp_path: Path) -> Wanted:
    return structs.replace(wanted(settings(tmp_path), made_at=MADE, period="all"), ledger=str(told.engine.path))


def test_three_files_of_one_name_and_the_steps_to_them(want: Wanted, told: Story, tmp_path: Path) -> None:
    steps: list[tuple[int, int, str]] = []
    made = make(want, lambda *step: steps.append(step))
    assert [step[:2] for step in steps] == [(0, 3), (1, 3), (2, 3), (3, 3)]
    folder = tmp_path / "reports"
    assert sorted(path.name for path in folder.iterdir()) == [
        "report-20230304-0005-all.html",
        "report-20230304-0005-all.json",
        "report-20230304-0005-all.txt",
    ]
    assert "What happened" in made.html.read_text("utf-8")
    assert "What happened" in made.text.read_text("utf-8")
    said = json.loads(made.json.read_text("utf-8"))
    assert said["summary"] == made.summary.splitlines()
    assert (made.name, made.made_at, made.until) == ("all", MADE, told.clock.now)
    reports.keep(told.engine, made)
    assert latest(told.engine) == made


@pytest.mark.storm
def test_the_candles_of_another_feed_are_not_those_of_the_ledger(want: Wanted) -> None:
    assert "the candles of this ledger's feed are not here" in make(want).summary


def test_candles_that_cannot_be_read_are_unknown_and_the_rest_is_told(want: Wanted) -> None:
    feed = {"name": "replay", "data": ["/no/such/BTCUSDT_5m.parquet"]}
    assert "the candles cannot be read" in make(structs.replace(want, feed=feed)).summary


def test_a_report_that_takes_too_long_is_ended(want: Wanted) -> None:
    began = time.monotonic()
    with pytest.raises(ReportFailed, match=r"not made within 0\.05 s") as failed:
        make(structs.replace(want, limit_s=0.05))
    assert "time_limit_s" in failed.value.hint
    assert time.monotonic() - began < 20


def test_whoever_gives_up_waiting_takes_the_child_along(want: Wanted) -> None:
    def tired(done: int, of: int, what: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(want, tired)
    assert list(Path(want.folder).iterdir()) == []


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        ({"period": "7x"}, BadInput, "not a period"),
        ({"folder": "/proc/nowhere"}, TradeError, "cannot be written"),
        ({"ledger": __file__}, TradeError, "not a trade-mcp ledger"),
    ],
)
def test_what_cannot_be_is_said_with_a_hint(
    want: Wanted, change: dict[str, str], kind: type[TradeError], said: str
) -> None:
    with pytest.raises(kind, match=said) as failed:
        make(structs.replace(want, **change))
    assert failed.value.hint


def test_a_child_that_breaks_is_told_in_one_line(want: Wanted, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ReportFailed, match="the report broke"):
        make(structs.replace(want, made_at="no time"))
    assert not [name for name in os.listdir(Path(want.folder).parent) if name.endswith(".part")]


def test_a_full_disk_leaves_no_half_file(want: Wanted, tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    blocked = tmp_path / "reports" / "report-20230304-0005-all.html"
    blocked.mkdir()  # the file cannot take its place
    with pytest.raises(ReportFailed, match="cannot be written"):
        make(want)
    assert list((tmp_path / "reports").iterdir()) == [blocked]


def kept(story: Story, folder: Path, *, day: int) -> Made:
    """A report of that day of a month, remembered, with its files."""
    html, text, kinds = (folder / f"{day}.{kind}" for kind in ("html", "txt", "json"))
    for path in (html, text, kinds):
        path.touch()
    at = MADE + timedelta(days=day)
    made = Made(made_at=at, name="day", since=None, until=None, summary="", html=html, text=text, json=kinds)
    reports.keep(story.engine, made)
    return made


def test_old_reports_are_forgotten_with_their_files(story: Story, tmp_path: Path) -> None:
    assert latest(story.engine) is None
    first, second, third = (kept(story, tmp_path, day=day) for day in (1, 2, 3))
    assert latest(story.engine) == third
    third.html.unlink()  # somebody took it
    assert latest(story.engine) == second
    first.text.unlink()
    assert forget(story.engine, before=first.made_at) == 0
    assert forget(story.engine, before=second.made_at) == 1
    assert not any(path.exists() for path in first.files)
    assert reports.newest(story.engine) == [third, second]
