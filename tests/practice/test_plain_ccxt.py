"""Unmodified ccxt, in a process of its own and with no code of ours, cannot tell the exchange from Binance spot."""

import subprocess
import sys
from pathlib import Path

import pytest

from practice.running import running

SCRIPT = Path(__file__).with_name("plain_ccxt.py")


@pytest.mark.storm
def test_a_plain_ccxt_program_trades_here_and_meets_every_error(tmp_path: Path) -> None:
    with running(tmp_path, speed=600) as exchange:
        command = [sys.executable, str(SCRIPT), exchange.url, exchange.key, exchange.secret, exchange.control.url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, cwd=tmp_path)
    assert done.returncode == 0 and done.stdout.rstrip().endswith("done"), done.stdout + done.stderr


def test_the_plain_program_uses_nothing_of_ours() -> None:
    assert "trade_mcp" not in SCRIPT.read_text("utf-8")
