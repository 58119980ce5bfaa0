"""Servers that several tests share."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.serving import Caller, Served, connected, over_stdio, until


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """A lone server over stdio on the synthetic feed; it watches the exits itself."""
    with connected(over_stdio(tmp_path_factory.mktemp("desk"), TRADE_MCP_FEED__SPEED="60")) as caller:
        until(lambda: any("watch" in program for program in caller("get_status")["programs"]))
        yield caller


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A lone server over HTTP."""
    server = Served(tmp_path)
    yield server
    if server.process.poll() is None:
        server.stop(signal.SIGKILL)
