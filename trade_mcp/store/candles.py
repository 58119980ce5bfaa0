"""The candle store: one Parquet file per source, symbol and timeframe, in a folder beside the ledger.

A file is named as replay reads it, ``binance_BTC_USDT_5m.parquet``. DuckDB loads on first use.
"""

import os
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
from msgspec import Struct

from trade_mcp.domain.errors import BadInput, CandleFileError
from trade_mcp.feeds.candle_files import read_candles
from trade_mcp.feeds.closed import FIELDS, frozen
from trade_mcp.feeds.filenames import Label, label_of
from trade_mcp.quant.candles import Candles, at_ms

SOURCE = re.compile(r"[a-z0-9]{1,40}")


class Kept(Struct, frozen=True):
    """One file of the store; ``first`` is its first bar's open, ``last`` its last bar's close."""

    path: Path
    source: str
    symbol: str
    timeframe: str
    bars: int
    missing: int
    first: datetime
    last: datetime
    bytes: int


def place(folder: Path, source: str, symbol: str, timeframe: str) -> Path:
    """Where the candles of ``symbol`` from ``source`` ("binance") are. Raises BadInput for a name that is none."""
    if not SOURCE.fullmatch(source):
        raise BadInput(f"{source!r} cannot name a source of candles", hint="letters and digits, such as binance")
    path = folder / f"{source}_{symbol.replace('/', '_')}_{timeframe}.parquet"
    if label_of(path) != (symbol, timeframe):
        raise BadInput(f"{symbol} cannot be kept: a file's name cannot say it", hint="a symbol such as BTC/USDT")
    return path


def load(path: Path) -> Candles | None:
    """What is kept in ``path``; None where there is nothing yet. Raises CandleFileError."""
    return read_candles(path, label_of(path)) if path.exists() else None


def keep(path: Path, candles: Candles) -> None:
    """Write ``candles`` whole: who reads meanwhile, or is killed, has the old file or the new one."""
    import duckdb

    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    columns = {"timestamp": candles.open_ms, **{name: getattr(candles, name) for name in FIELDS[1:]}}
    connection = duckdb.connect(":memory:")
    try:
        connection.register("candles", columns)
        connection.execute(f"COPY candles TO '{str(part).replace("'", "''")}' (FORMAT parquet, COMPRESSION zstd)")
        part.replace(path)
    except duckdb.Error as error:
        raise CandleFileError(f"{path} cannot be written: {str(error).splitlines()[0]}") from None
    finally:
        connection.close()
        part.unlink(missing_ok=True)


def union(old: Candles | None, new: Candles) -> Candles:
    """All bars of both, oldest first; where both have one, that of ``new``."""
    if old is None:
        return new
    stays = ~np.isin(old.open_ms, new.open_ms)
    order = np.argsort(np.concatenate([old.open_ms[stays], new.open_ms]), kind="stable")
    columns = (np.concatenate([getattr(old, name)[stays], getattr(new, name)])[order] for name in FIELDS)
    return frozen(Candles(old.symbol, old.timeframe, *columns))


def kept(folder: Path) -> Iterator[Kept]:
    """Every file of the store, by name. Raises CandleFileError for one that cannot be read."""
    for path in sorted(folder.glob("*.parquet")):
        label: Label = label_of(path)
        candles = read_candles(path, label)
        yield Kept(
            path,
            path.name.partition("_")[0],
            *label,
            bars=len(candles),
            missing=candles.gap_bars,
            first=at_ms(int(candles.open_ms[0])),
            last=candles.last_close_at,
            bytes=path.stat().st_size,
        )
