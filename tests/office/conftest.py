"""A real ledger, empty and with a small story on it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.office.story import Story, tell_all


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    told = Story(tmp_path / "ledger.db")
    yield told
    told.engine.close()


@pytest.fixture
def told(story: Story) -> Story:
    """The loop won once and holds BTC; the chat lost once and holds nothing; one refusal by two rules."""
    tell_all(story)
    return story
