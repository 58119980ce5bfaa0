"""Which files are ledgers, how they come to head, and that tables, migrations and SQL say the same."""

import re
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from trade_mcp.domain.errors import BadConfig, ForeignDatabase, LedgerError, SchemaNewer
from trade_mcp.store import chain, projections
from trade_mcp.store.engine import open_engine, open_memory, open_read_only, path_of
from trade_mcp.store.schema import APPLICATION_ID, revision, revisions

SCHEMA = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE '%alembic%' ORDER BY 1, 2"


def schema(connection: sqlite3.Connection) -> list[tuple[str, ...]]:
    return [(*names, re.sub(r"\s+", " ", sql or "").strip()) for *names, sql in connection.execute(SCHEMA)]


def columns(connection: sqlite3.Connection, table: str) -> str:
    return ", ".join(row[1] for row in connection.execute(f"PRAGMA table_info({table})"))


def test_migrations_lead_to_the_tables_as_declared(path: Path) -> None:
    memory = open_memory()
    with closing(sqlite3.connect(path)) as migrated, memory.moment() as declared:
        assert schema(migrated) == schema(declared.connection)


def test_the_sql_of_the_hot_path_fills_every_column(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        assert columns(db, "events") == chain.COLUMNS
        for table in projections.PROJECTIONS:
            here = {
                "orders": "ORDER",
                "fills": "FILL",
                "positions": "POSITION",
                "equity": "EQUITY",
                "proposals": "PROPOSAL",
            }[table]
            assert set(columns(db, table).split(", ")) == set(getattr(projections, here).split(", "))


def test_a_fresh_ledger_is_made_with_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "ledger.db"
    began = time.perf_counter()
    open_engine(f"sqlite:///{path}").close()
    assert revision(path) == revisions()[-1]
    assert time.perf_counter() - began < 30  # about 0.9 s; a bound, not a measurement


def test_who_opens_a_ledger_at_head_imports_neither_alembic_nor_sqlalchemy(path: Path) -> None:
    code = (
        "import sys; from trade_mcp.store.engine import open_engine; from trade_mcp.store import log, reads, leases,"
        " memory, history, verify; import trade_mcp.clock; open_engine(sys.argv[1]).close();"
        "print(*{'alembic', 'sqlalchemy', 'sqlmodel'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_processes_that_start_at_once_make_one_schema(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    code = "import sys; from trade_mcp.store.engine import open_engine; open_engine(sys.argv[1]).close()"
    racers = [
        subprocess.Popen([sys.executable, "-c", code, str(path)], stderr=subprocess.PIPE, text=True) for _ in range(3)
    ]
    assert [(racer.communicate()[1], racer.returncode) for racer in racers] == [("", 0)] * 3
    assert revision(path) == revisions()[-1]


def test_a_newer_schema_is_refused_with_both_revisions(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")
    for opening in (open_engine, open_read_only):
        with pytest.raises(SchemaNewer, match=f"9999, this version knows {revisions()[-1]}"):
            opening(path)


def test_the_database_of_another_program_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "browser.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE bookmarks (url)")
        db.execute("PRAGMA application_id = 12345")
    before = path.read_bytes()
    with pytest.raises(ForeignDatabase, match=r"browser\.db.*0x3039.*bookmarks"):
        open_engine(path)
    assert path.read_bytes() == before


def test_a_database_without_a_name_but_with_tables_is_not_ours(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE alembic_version (version_num)")
    with pytest.raises(ForeignDatabase, match="alembic_version"):
        open_engine(path)


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("dear reader, " * 100)
    with pytest.raises(ForeignDatabase, match="not a SQLite database"):
        open_engine(path)


def test_a_ledger_without_revision_is_refused(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("DROP TABLE alembic_version")
        assert db.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    with pytest.raises(ForeignDatabase, match="without a schema revision"):
        open_engine(path)


def test_a_folder_that_cannot_be_written_is_said_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(LedgerError, match=r"cannot be written at .*\n?.*data_dir"):
        open_engine(tmp_path / "file" / "ledger.db")


def test_reading_needs_a_ledger_at_head_and_makes_none(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="there is no ledger"):
        open_read_only(tmp_path / "absent.db")
    (tmp_path / "empty.db").touch()
    with pytest.raises(LedgerError, match="schema none"):
        open_read_only(tmp_path / "empty.db")
    assert [file.name for file in tmp_path.iterdir()] == ["empty.db"]


def test_addresses_of_other_kinds_of_database_are_refused() -> None:
    assert path_of("sqlite:////var/ledger.db") == Path("/var/ledger.db")
    assert path_of("ledger.db") == Path("ledger.db")
    with pytest.raises(BadConfig, match="postgresql"):
        path_of("postgresql://host/ledger")
