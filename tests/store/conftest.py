"""One ledger file, its engine and its log."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from clocks import ManualClock
from store.ledgers import empty, opened
from trade_mcp.store.engine import Engine, open_engine
from trade_mcp.store.log import Log


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return empty(tmp_path)


@pytest.fixture
def engine(path: Path) -> Iterator[Engine]:
    engine = open_engine(path)
    yield engine
    engine.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def log(engine: Engine, clock: ManualClock) -> Log:
    return opened(engine, clock=clock)
