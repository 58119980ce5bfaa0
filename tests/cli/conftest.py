"""Candles of a person, as files on disk."""

from collections.abc import Callable
from pathlib import Path

import pytest

from feeds.files import made_candles, write_csv


@pytest.fixture
def candles(tmp_path: Path) -> Callable[[str], Path]:
    """Writes made-up bars of 5 minutes to a file of that name."""

    def write(name: str = "made_BTCUSDT_5m.csv") -> Path:
        return write_csv(tmp_path / name, made_candles("BTC/USDT"))

    return write
