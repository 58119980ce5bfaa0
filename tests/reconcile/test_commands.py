"""`reconcile` and `takeover` as a person runs them."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cli.test_bad_input import run

pytestmark = pytest.mark.storm  # a dozen programs, one after the other

PAPER = '[paper]\ncash = 12000\n[paper.holdings]\nBTC = "0.3"\n'


def test_reconcile_prints_ends_in_1_on_a_break_and_takes_a_persons_word(tmp_path: Path) -> None:
    (tmp_path / "trade-mcp.toml").write_text(PAPER)

    def told(*words: str, code: int = 0) -> Any:
        done = run(tmp_path, *words, "--json")
        assert done.returncode == code, (done.stdout, done.stderr)
        return json.loads(done.stdout) if done.stdout else done.stderr

    told("tick")
    assert told("reconcile")["agrees"] is True
    taken = told("takeover", "BTC/USDT", "--size", "0.1", "--reason", "watch it")
    assert taken["protected"] is True and taken["size"] == "0.1"
    kinds = {line["what"]: line["verdict"] for line in told("reconcile")["lines"]}
    assert kinds.keys() >= {"order", "stop", "fills", "fees", "position", "balance"} and "differs" not in kinds.values()
    (paper,) = tmp_path.rglob("paper.db")
    with closing(sqlite3.connect(paper)) as db, db:
        db.execute("UPDATE balances SET total = '0.25' WHERE currency = 'BTC'")
    broken = told("reconcile", code=1)
    assert broken["breaks"] == {"BTC": "the book says 0.3 BTC, the venue 0.25"}
    table = run(tmp_path, "reconcile")
    assert table.returncode == 1 and "no entries with BTC" in table.stdout and "differs" in table.stdout
    assert "--reason" in told("reconcile", "--accept", "btc", code=2)
    settled = told("reconcile", "--accept", "btc", "--reason", "a gift")
    assert settled["agrees"] is True and settled["breaks"] == {} and settled["external"]["BTC"] == "0.15"
    assert "external" in told("takeover", "ETH/USDT", "--reason", "x", code=2)
