"""Seas, each with an exchange of its own."""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import structlog

from desk.conftest import ledger_at_head
from storm_exchange.sea import Bars, Sea, sea

__all__ = ["ledger_at_head"]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """A storm's failures are meant: thousands of tracebacks would take longer than the storm."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.fixture
def at_sea(tmp_path: Path, ledger_at_head: Path) -> Iterator[Callable[..., Sea]]:
    """``at_sea(bars, **settings)``: an exchange on these BTC candles, and desks on it."""
    with ExitStack() as seas:

        def begin(bars: Bars | None = None, **more: Any) -> Sea:
            return seas.enter_context(sea(tmp_path, ledger_at_head, bars, **more))

        yield begin
