"""Stopless: Binance as one of the exchanges at which no stop rests where it can be followed. The desk watches them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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


def stopless_programs(folder: Path, name: str = "binance") -> dict[str, str]:
    """The environment in which programs are told so, too: Python runs what stands in ``folder`` before they begin."""
    (folder / "sitecustomize.py").write_text(
        "from msgspec import structs\n"
        "from trade_mcp.venues import capabilities as c\n"
        f"c.KNOWN = c.KNOWN | {{{name!r}: structs.replace(c.KNOWN[{name!r}], stops=False, pairs=False)}}\n"
    )
    return {"PYTHONPATH": str(folder)}
