"""Real processes on one ledger file: they race, they are killed, and it stays one chain that adds up."""

import os
import random
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

from store.ledgers import D, opened
from trade_mcp.store.engine import open_engine
from trade_mcp.store.verify import verify

TESTS = Path(__file__).parents[1]


def writer(path: Path, name: str, times: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "store.writer", str(path), name, str(times)],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_processes_racing_never_fail_and_make_one_chain(path: Path) -> None:
    writers = [writer(path, name, 200) for name in ("one", "two")]
    said = [each.communicate(timeout=60) for each in writers]
    assert [(errors, each.returncode) for (_, errors), each in zip(said, writers, strict=True)] == [("", 0), ("", 0)]
    places = [int(line.split()[1]) for output, _ in said for line in output.splitlines()]
    assert len(set(places)) == 400
    engine = open_engine(path)
    found = verify(engine, code="test")
    assert (found.sound, found.events) == (True, 2 + 800)
    book = opened(engine).book
    assert book.positions["BTC/USDT"].size == D("4.00")
    assert book.cash == D(10_000) - Decimal(sum(2 * (100 + n % 7) for n in range(200))) / 100 - D("40.0")
    engine.close()


def test_a_writer_killed_at_any_moment_leaves_a_sound_ledger(path: Path) -> None:
    seed = random.Random(20)
    acknowledged: set[str] = set()
    for turn in range(8):
        process = writer(path, f"turn-{turn}", 10_000)
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(seed.uniform(0.0, 0.05))
        process.kill()
        rest, errors = process.communicate()
        assert errors == ""
        acknowledged |= {line.split()[0] for line in (first + rest).splitlines(keepends=True) if line.endswith("\n")}
    engine = open_engine(path)
    found = verify(engine, code="test")
    assert found.sound, found
    kept = {order_id for (order_id,) in engine.rows("SELECT order_id FROM orders")}
    assert acknowledged <= kept  # what was acknowledged is on disk
    assert engine.rows("SELECT order_id FROM orders WHERE status != 'filled'") == []  # nothing half written
    engine.close()
