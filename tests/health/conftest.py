"""Desks to be looked at."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from health.stage import Bars, Staged
from store.ledgers import empty


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Callable[..., Staged]]:
    """Makes a desk on candles of one's own."""
    made: list[Staged] = []

    def make(bars: Bars | None = None, **sections: dict[str, Any]) -> Staged:
        (tmp_path / "head").mkdir(exist_ok=True)
        made.append(Staged(tmp_path, empty(tmp_path / "head"), bars, **sections))
        return made[-1]

    yield make
    for staged in made:
        staged.app.close()
