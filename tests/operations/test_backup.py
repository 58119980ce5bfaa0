"""Backup and restore: ledger and paper account of one moment, from under a desk that trades; all of it or nothing."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path

import msgspec
import pytest

from cli.test_bad_input import run, told
from operations.wheels import ROOT
from server.serving import environment, until
from trade_mcp import __version__
from trade_mcp.app import App, build
from trade_mcp.clock import LiveClock
from trade_mcp.desk.reconcile import differences
from trade_mcp.domain.errors import BadInput, LedgerError, RefusedError, SchemaNewer
from trade_mcp.domain.exits import Distance, ExitPlan
from trade_mcp.domain.order import OrderRequest, Side, Source, Status
from trade_mcp.settings import load_settings
from trade_mcp.store.backup import Manifest, back_up
from trade_mcp.store.engine import open_engine, restoring
from trade_mcp.store.restore import Restored, manifest_of, restore
from trade_mcp.store.schema import revision, revisions
from trade_mcp.store.verify import verify

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SYMBOL = "BTC/USDT"


def desk(folder: Path) -> App:
    """A desk of this process, without programs."""
    limits = {"max_orders_per_minute": 1000, "max_orders_per_day": 10_000}
    overrides = {"desk": {"data_dir": str(folder)}, "feed": {"speed": 600}, "limits": limits}
    settings = load_settings(env={}, overrides=overrides)
    return build(settings, "tick")


def trade(app: App, number: int) -> None:
    """An entry with a stop, or its end; watched, as an entry must be."""
    app.heartbeats.beat("watch", {})
    app.watch.step()
    if app.log.refresh().positions.get(SYMBOL) is None:
        exits = ExitPlan(stop=Distance(fraction=Decimal("0.02")))
        app.gate.submit(
            OrderRequest(
                order_id=f"chat-{number}", symbol=SYMBOL, side=Side.BUY, notional=Decimal(200 + number), exits=exits
            ),
            Source.MODEL,
        )
        return
    with suppress(BadInput):  # its stop was faster
        app.gate.close(SYMBOL, Decimal(1), Source.MODEL, reason="test", order_id=f"out-{number}")


def quiet(_what: str, _done: int, _total: int) -> None:
    pass


def saved(folder: Path, to: Path, *, replace: bool = False) -> Manifest:
    ledger, paper = folder / "ledger.db", folder / "paper.db"
    return back_up(ledger, paper, to, code=__version__, now=NOW, replace=replace, progress=quiet)


def restored(file: Path, folder: Path, *, replace: bool = False) -> Restored:
    ledger, paper = folder / "ledger.db", folder / "paper.db"
    clock = LiveClock()
    return restore(file, ledger, paper, code=__version__, clock=clock, replace=replace, progress=quiet)


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of a desk that traded a little; beside it the desk."""
    folder = tmp_path_factory.mktemp("whole")
    with desk(folder / "desk") as app:
        app.watch.step()
        for number in range(5):
            trade(app, number)
        assert len(app.log.refresh().positions) == 1
        with app.engine.transaction() as cursor:
            cursor.execute("DELETE FROM heartbeats")  # they were of this process, which lives on
    saved(folder / "desk", folder / "a.backup")
    return folder / "a.backup"


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(whole, tmp_path / "a.backup"))


@pytest.mark.storm
def test_backups_from_under_a_trading_desk_restore_to_desks_that_agree(tmp_path: Path) -> None:
    done = threading.Event()
    with desk(tmp_path / "desk") as app:
        app.watch.step()

        def trading() -> None:
            number = 0
            while not done.is_set():
                trade(app, number)
                number += 1

        trader = threading.Thread(target=trading)
        trader.start()
        made = []
        try:
            for number in range(5):
                seq = app.log.book.seq
                until(lambda seq=seq: app.log.book.seq > seq + 10)  # type: ignore[misc]
                made.append(saved(tmp_path / "desk", tmp_path / f"{number}.backup"))
        finally:
            done.set()
            trader.join()
    assert len({each.hash for each in made}) == len(made), "the desk went on between the backups"
    with ExitStack() as open_now:
        desks = []
        for number, manifest in enumerate(made):
            folder = tmp_path / f"restored-{number}"
            restored(tmp_path / f"{number}.backup", folder)
            with sqlite3.connect(folder / "paper.db") as paper, sqlite3.connect(folder / "ledger.db") as ledger:
                known = {row[0] for row in ledger.execute("SELECT order_id FROM orders")}
                assert {row[0] for row in paper.execute("SELECT order_id FROM orders")} <= known
            desks.append(open_now.enter_context(desk(folder)))
            assert desks[-1].log.book.seq == manifest.events
        until(lambda: all(settled(app) for app in desks))
        for number, app in enumerate(desks):
            seq = app.log.book.seq
            assert verify(app.engine, code=__version__).sound
            trade(app, 10_000 + number)
            assert app.log.refresh().seq > seq, "it trades on"


def settled(app: App) -> bool:
    """After a look around: nothing is in flight, book and venue agree, every position has its stop."""
    app.watch.step()
    book = app.log.refresh()
    assert not book.breaks
    waiting = [order for order in book.live() if order.status is Status.PENDING]
    return not waiting and not book.unprotected() and differences(book, app.venue) == []


@pytest.mark.storm
def test_backup_and_restore_as_commands(tmp_path: Path) -> None:
    assert run(tmp_path, "tick").returncode == 0
    done = run(tmp_path, "backup", "a.backup", "--json")
    answer = json.loads(done.stdout)
    assert answer["feed"].startswith("synthetic") and answer["events"] > 0
    told(run(tmp_path, "backup", "a.backup"), "there already", "--replace")
    assert run(tmp_path, "backup", "a.backup", "--replace").returncode == 0
    told(run(tmp_path, "restore", "a.backup"), "ledger.db", "--replace")
    back = json.loads(run(tmp_path, "restore", "a.backup", "--replace", "--json").stdout)
    assert names(Path(back["aside"])) >= {"ledger.db", "paper.db"}
    assert json.loads(run(tmp_path, "verify", "--json").stdout)["sound"]
    assert names(tmp_path) == {"a.backup", "desk"}


def test_what_was_there_is_kept_aside(copy: Path, tmp_path: Path) -> None:
    folder = tmp_path / "desk"
    with desk(folder) as app:
        seq = app.log.book.seq
    assert seq != manifest_of(copy).events
    aside = restored(copy, folder, replace=True).aside
    assert aside is not None
    engine = open_engine(aside / "ledger.db")
    assert verify(engine, code=__version__).events == seq
    engine.close()


def test_a_backup_needs_a_ledger_a_folder_and_a_free_name(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="there is no ledger"):
        saved(tmp_path / "nowhere", tmp_path / "b.backup")
    restored(copy, tmp_path / "desk")
    with pytest.raises(BadInput, match="there already"):
        saved(tmp_path / "desk", copy)
    with pytest.raises(BadInput, match="no folder"):
        saved(tmp_path / "desk", tmp_path / "gone" / "b.backup")
    (tmp_path / "desk" / "ledger.db").write_bytes(b"something else")
    with pytest.raises(LedgerError, match="not a SQLite database"):
        saved(tmp_path / "desk", tmp_path / "b.backup")
    assert names(tmp_path) == {"a.backup", "desk"}


def test_a_ledger_that_is_not_sound_is_not_backed_up(copy: Path, tmp_path: Path) -> None:
    restored(copy, tmp_path / "desk")
    with closing(sqlite3.connect(tmp_path / "desk" / "ledger.db")) as db, db:
        db.execute("UPDATE orders SET reason = 'another'")
    with pytest.raises(LedgerError, match="not sound"):
        saved(tmp_path / "desk", tmp_path / "b.backup")
    assert names(tmp_path) == {"a.backup", "desk"}


def test_files_that_do_not_belong_together_are_not_backed_up(copy: Path, tmp_path: Path) -> None:
    restored(copy, tmp_path / "desk")
    with desk(tmp_path / "other"):
        pass
    shutil.copy(tmp_path / "other" / "paper.db", tmp_path / "desk" / "paper.db")
    with pytest.raises(LedgerError, match="the paper account is"):
        saved(tmp_path / "desk", tmp_path / "b.backup")
    restored(copy, tmp_path / "desk", replace=True)
    with closing(sqlite3.connect(tmp_path / "desk" / "paper.db")) as db, db:
        db.execute("DELETE FROM fills WHERE number = 1")
    with pytest.raises(LedgerError, match="lacks 1 fills"):
        saved(tmp_path / "desk", tmp_path / "b.backup")


def older(folder: Path) -> None:
    """A desk that was made by the first version, with its schema."""
    command = [sys.executable, "-m", "alembic", "-x", f"ledger={folder / 'ledger.db'}", "upgrade", "0001"]
    folder.mkdir()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    with closing(sqlite3.connect(folder / "ledger.db")) as db:
        assert db.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]


@pytest.mark.storm
def test_a_ledger_of_an_older_schema_is_backed_up_as_it_is_and_restored_at_head(copy: Path, tmp_path: Path) -> None:
    restored(copy, tmp_path / "desk")
    older(tmp_path / "old")
    with closing(sqlite3.connect(tmp_path / "old" / "ledger.db")) as db, db:
        db.execute("ATTACH ? AS new", (str(tmp_path / "desk" / "ledger.db"),))
        for table in ("events", "orders", "fills", "positions", "equity", "market_time"):
            names = ", ".join(row[1] for row in db.execute(f"PRAGMA main.table_info({table})"))
            db.execute(f"INSERT INTO main.{table} ({names}) SELECT {names} FROM new.{table}")
    shutil.copy(tmp_path / "desk" / "paper.db", tmp_path / "old" / "paper.db")
    assert saved(tmp_path / "old", tmp_path / "old.backup").schema == "0001"
    assert revision(tmp_path / "old" / "ledger.db") == "0001", "an upgrade is begun by nobody's backup"
    restored(tmp_path / "old.backup", tmp_path / "again")
    assert revision(tmp_path / "again" / "ledger.db") == revisions()[-1]
    with desk(tmp_path / "again") as app:
        assert verify(app.engine, code=__version__).sound


TINY = "ulimit -f {blocks}; exec {python} -m trade_mcp backup out/b.backup"
FULL = "mount -t tmpfs -o size={size}k x out && {python} -m trade_mcp backup out/b; code=$?; ls -A out; exit $code"


def test_a_disk_that_fills_up_leaves_nothing(copy: Path, tmp_path: Path) -> None:
    restored(copy, tmp_path / "desk")
    (tmp_path / "out").mkdir()
    size = (tmp_path / "desk" / "ledger.db").stat().st_size
    for part in (0.3, 1.01):  # of the ledger: while it is copied; while the paper account or the archive is written
        script = TINY.format(blocks=int(size * part) // 1024, python=sys.executable)
        done = subprocess.run(
            ["bash", "-c", script], env=environment(tmp_path), cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        if part < 1:
            told(done, "the disk of", "is full", "nothing was left behind", code=1)
            assert names(tmp_path / "out") == set()


@pytest.mark.skipif(
    subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "x", "/mnt"], capture_output=True).returncode != 0,
    reason="no file system may be mounted here",
)
@pytest.mark.parametrize("part", [0.5, 1.04], ids=["told before", "found out on the way"])
def test_a_disk_that_is_really_full_is_told_and_left_clean(copy: Path, tmp_path: Path, part: float) -> None:
    restored(copy, tmp_path / "desk")
    (tmp_path / "out").mkdir()
    size = sum((tmp_path / "desk" / name).stat().st_size for name in ("ledger.db", "paper.db"))
    script = FULL.format(size=int(size * part) // 1024, python=sys.executable)
    done = subprocess.run(
        ["unshare", "-rm", "bash", "-c", script],
        env=environment(tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    told(done, "the disk of", "is full", code=1)
    assert done.stdout == "", "nothing is left behind"


def changed(file: Path, **manifest: object) -> None:
    """The same backup with another manifest."""
    with zipfile.ZipFile(file) as packed:
        pieces = {name: packed.read(name) for name in packed.namelist()}
    said = msgspec.json.decode(pieces["manifest.json"]) | manifest
    with zipfile.ZipFile(file, "w") as packed:
        for name, content in (pieces | {"manifest.json": msgspec.json.encode(said)}).items():
            packed.writestr(name, content)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def bent(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)


def other_zip(file: Path) -> None:
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("holiday.jpg", b"x" * 1000)


DAMAGE: dict[str, tuple[Callable[[Path], None], type[Exception], str]] = {
    "a text": (lambda file: file.write_text("hello") and None, LedgerError, "is not a backup"),
    "a database": (lambda file: file.write_bytes(b"SQLite format 3\0") and None, LedgerError, "is not a backup"),
    "another zip": (other_zip, LedgerError, "is not a backup"),
    "empty": (lambda file: file.write_bytes(b"") and None, LedgerError, "is not a backup"),
    "cut off": (cut, LedgerError, "not all of it"),
    "bent": (bent, LedgerError, r"ledger\.db in .* is damaged"),
    "a newer schema": (lambda file: changed(file, schema="9999"), SchemaNewer, "9999.*at most"),
    "a newer format": (lambda file: changed(file, format=2), SchemaNewer, "format 2"),
    "no manifest": (lambda file: changed(file, events="many"), LedgerError, "manifest"),
    "another hash": (
        lambda file: changed(file, files={"ledger.db": {"size": 5, "sha256": ""}}),
        LedgerError,
        "not what its manifest says",
    ),
    "other files": (
        lambda file: changed(file, files={"../evil": {"size": 5, "sha256": ""}}),
        LedgerError,
        "other files",
    ),
    "gone": (lambda file: file.unlink(), BadInput, "there is no backup"),
}


@pytest.mark.parametrize(("damage", "error", "said"), DAMAGE.values(), ids=DAMAGE)
def test_what_is_no_whole_backup_is_refused_and_changes_nothing(
    copy: Path, tmp_path: Path, damage: Callable[[Path], None], error: type[Exception], said: str
) -> None:
    restored(copy, tmp_path / "desk")
    before = {file.name: file.read_bytes() for file in (tmp_path / "desk").iterdir()}
    damage(copy)
    with pytest.raises(error, match=said) as refused:
        restored(copy, tmp_path / "desk", replace=True)
    assert refused.value.hint  # type: ignore[attr-defined]
    assert {file.name: file.read_bytes() for file in (tmp_path / "desk").iterdir()} == before


@pytest.fixture
def standing(copy: Path, tmp_path: Path) -> Iterator[Path]:
    restored(copy, tmp_path / "desk")
    return tmp_path / "desk"


def test_nothing_is_restored_over_a_running_desk(copy: Path, standing: Path) -> None:
    with desk(standing) as app:
        lease = app.leases.take("watch", 60)
        with pytest.raises(RefusedError, match=rf"watch is held by process {os.getpid()}"):
            restored(copy, standing, replace=True)
        app.leases.release(lease)
        app.heartbeats.beat("serve", {})
        with pytest.raises(RefusedError, match="serve of process"):
            restored(copy, standing, replace=True)
    assert not restoring(standing / "ledger.db").exists()


def test_a_desk_whose_programs_were_killed_runs_no_more(copy: Path, standing: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; sys.path.insert(0, 'tests');"
        "from operations.test_backup import desk; app = desk(Path(sys.argv[1]));"
        "app.leases.take('watch', 600); app.heartbeats.beat('watch', {}); print('up', flush=True); time.sleep(60)"
    )
    root = Path(__file__).parents[2]
    program = subprocess.Popen([sys.executable, "-c", code, standing], cwd=root, stdout=subprocess.PIPE)
    assert program.stdout is not None and program.stdout.readline() == b"up\n"
    with pytest.raises(RefusedError, match=f"watch is held by process {program.pid}"):
        restored(copy, standing, replace=True)
    program.send_signal(signal.SIGKILL)
    program.wait()
    assert restored(copy, standing, replace=True).unread == ""


def test_a_damaged_ledger_is_replaced_and_said_to_be_unread(copy: Path, standing: Path) -> None:
    (standing / "ledger.db").write_bytes(b"not a database any more" * 100)
    done = restored(copy, standing, replace=True)
    assert "not a database" in done.unread
    assert done.aside is not None
    assert (done.aside / "ledger.db").read_bytes().startswith(b"not a database")


@pytest.mark.parametrize("step", range(4))
def test_a_restore_that_is_cut_off_anywhere_keeps_everybody_out_until_it_is_run_again(
    copy: Path, standing: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    before = (standing / "ledger.db").read_bytes()
    moves = []

    def move(real: Callable[[Path, Path], None], old: Path, new: Path) -> None:
        moves.append(new)
        if len(moves) > step:
            raise KeyboardInterrupt
        real(old, new)

    with monkeypatch.context() as patched:
        for name in ("rename", "replace"):
            patched.setattr(os, name, partial(move, getattr(os, name)))
        with pytest.raises(KeyboardInterrupt):
            restored(copy, standing, replace=True)
    with pytest.raises(LedgerError, match="cut off") as refused:
        desk(standing)
    assert "restore" in refused.value.hint
    restored(copy, standing, replace=True)
    with desk(standing) as app:
        assert verify(app.engine, code=__version__).sound
    assert before in [file.read_bytes() for file in standing.rglob("replaced-*/ledger.db")], "nothing is lost"
