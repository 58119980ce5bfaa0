"""How a ledger and its market time begin, seen from other real processes."""

import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

from clocks import START
from trade_mcp.clock import LiveClock, open_clock
from trade_mcp.store.engine import open_engine
from trade_mcp.store.schema import revision, revisions

FRESH = (
    "import sys; from trade_mcp.store.engine import open_engine; open_engine(sys.argv[1]).close();"
    " print(*{'alembic', 'sqlalchemy', 'sqlmodel'} & set(sys.modules))"
)
TIME = (
    "import sys; from datetime import datetime; from trade_mcp.clock import LiveClock, open_clock;"
    " from trade_mcp.store.engine import open_engine; engine = open_engine(sys.argv[1]);"
    " clock = open_clock(engine, mode='speed', speed=1, start=datetime.fromisoformat(sys.argv[2]), end=None,"
    " base=LiveClock())\n"
    "for _ in sys.stdin: print(clock.market().isoformat(), clock.speed, flush=True)"
)


def test_who_makes_a_ledger_leaves_the_migration_to_a_child(tmp_path: Path) -> None:
    path = tmp_path / "new" / "ledger.db"
    done = subprocess.run([sys.executable, "-c", FRESH, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
    assert revision(path) == revisions()[-1]


def test_market_time_in_another_process_is_between_two_looks_here(path: Path) -> None:
    engine = open_engine(path)
    clock = open_clock(engine, mode="speed", speed=1500, start=START, end=None, base=LiveClock())
    other = subprocess.Popen(
        [sys.executable, "-c", TIME, str(path), (START - timedelta(days=9)).isoformat()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    assert other.stdin is not None
    assert other.stdout is not None
    for _ in range(20):
        clock.touch()
        before = clock.market()
        other.stdin.write("now\n")
        there, speed = other.stdout.readline().split()
        assert before <= datetime.fromisoformat(there) <= clock.market()
        assert float(speed) == 1500
    other.communicate(timeout=10)
    assert clock.market() > START
    engine.close()
