"""One empty ledger at head for all stages, and stages that close."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from desk.stage import Bars, candle_file, desk, flat
from trade_mcp.app import App
from trade_mcp.store.engine import open_engine


@pytest.fixture(scope="session")
def ledger_at_head(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("head") / "ledger.db"
    open_engine(path).close()
    return path


@pytest.fixture
def stage(tmp_path: Path, ledger_at_head: Path) -> Iterator[Callable[..., App]]:
    """``stage(bars, **settings)``: a desk on BTC candles, more of them with ``eth=bars``; again for a restart."""
    with ExitStack() as open_desks:

        def begin(bars: Bars | None = None, *, eth: Bars | None = None, volume: float = 100_000.0, **more: Any) -> App:
            files = [candle_file(tmp_path, bars or flat(400), volume=volume)]
            if eth is not None:
                files.append(candle_file(tmp_path, eth, "ETH", volume))
            return open_desks.enter_context(desk(tmp_path, ledger_at_head, *files, **more))

        yield begin
