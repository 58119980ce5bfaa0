"""Stopless: Binance as one of the exchanges at which no stop rests where it can be followed. The desk watches them."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from msgspec import structs

from trade_mcp.venues import capabilities


@contextmanager
def stopless(name: str = "binance") -> Iterator[None]:
    """Whoever opens the exchange ``name`` now is told that it has none."""
    with pytest.MonkeyPatch.context() as patched:
        less = structs.replace(capabilities.KNOWN[name], stops=False, pairs=False)
        patched.setattr(capabilities, "KNOWN", {**capabilities.KNOWN, name: less})
        yield
