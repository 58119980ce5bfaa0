"""Past: a ledger opened for reading alone, live or copied, without a venue, a key or a network."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trade_mcp import __version__
from trade_mcp.clock import LiveClock
from trade_mcp.store.engine import open_memory, open_read_only, path_of
from trade_mcp.store.log import Log
from trade_mcp.store.schema import revision


@contextmanager
def reading(where: str | Path) -> Iterator[Log]:
    """The ledger at ``where`` (a path or an address). One that is not there yet is an empty one; nothing is made.

    Raises LedgerError (unreadable, or an older schema), SchemaNewer, ForeignDatabase, BadConfig.
    """
    path = path_of(where)
    engine = open_memory() if revision(path) is None else open_read_only(path)
    try:
        yield Log(engine, code=__version__, clock=LiveClock())
    finally:
        engine.close()
