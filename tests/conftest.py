"""Fixtures every tier shares."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real candles and exchange metadata, named by TRADE_MCP_TEST_DATA; skips without it."""
    root = os.environ.get("TRADE_MCP_TEST_DATA")
    if not root:
        pytest.skip("TRADE_MCP_TEST_DATA is unset: real candles and exchange metadata are not here")
    return Path(root)
