"""Candle files for tests, written in every shape the desk reads."""

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import numpy as np
import pyarrow
from pyarrow import feather

from trade_mcp.domain.market import timeframe_delta
from trade_mcp.quant.candles import Candles

HEADER = "timestamp,open,high,low,close,volume"
FIRST_MS = 1_672_531_200_000  # 2023-01-01T00:00Z


def made_candles(
    symbol: str, timeframe: str = "5m", *, count: int = 600, first_ms: int = FIRST_MS, gaps: str = ""
) -> Candles:
    """A walk in cents, with the bars in ``gaps`` ("40-55,300-301") left out."""
    draw = np.random.default_rng(len(symbol) + count)
    step = int(timeframe_delta(timeframe).total_seconds() * 1000)
    path = np.round(100 * np.exp(np.cumsum(draw.normal(0, 0.002, count + 1))), 2)
    opening, closing = path[:-1], path[1:]
    high = np.round(np.maximum(opening, closing) + draw.integers(0, 20, count) / 100, 2)
    low = np.round(np.minimum(opening, closing) - draw.integers(0, 20, count) / 100, 2)
    volume = np.round(draw.uniform(1, 50, count), 3)
    keep = np.ones(count, bool)
    for gap in filter(None, gaps.split(",")):
        begin, end = map(int, gap.split("-"))
        keep[begin : end + 1] = False
    open_ms = first_ms + np.arange(count, dtype=np.int64) * step
    return Candles(symbol, timeframe, open_ms, opening, high, low, closing, volume).each(lambda array: array[keep])


def rows_of(candles: Candles) -> list[tuple[int, float, float, float, float, float]]:
    columns = (candles.open_ms, candles.open, candles.high, candles.low, candles.close, candles.volume)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def write_csv(path: Path, candles: Candles) -> Path:
    return write_lines(path, [HEADER, *(",".join(map(repr, row)) for row in rows_of(candles))])


def write_iso_csv(path: Path, candles: Candles) -> Path:
    lines = [",".join((_iso(ms), *map(repr, prices))) for ms, *prices in rows_of(candles)]
    return write_lines(path, ["Date,Open,High,Low,Close,Volume", *lines])


def write_binance_csv(path: Path, candles: Candles, *, micro: bool = False) -> Path:
    unit = 1000 if micro else 1
    lines = [
        f"{ms * unit},{','.join(f'{price:.8f}' for price in prices)},{(ms + 299_999) * unit},1.0,10,0.5,0.5,0"
        for ms, *prices in rows_of(candles)
    ]
    return write_lines(path, lines)


def write_lines(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_parquet(path: Path, candles: Candles, *, time: str = "timestamp", when: str = "timestamp") -> Path:
    """``when`` is SQL that makes the time column ``time`` of a bar's ``timestamp`` in ms."""
    csv = write_csv(path.with_suffix(".source"), candles)
    names = "open, high, low, close, volume"
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(
            f"COPY (SELECT {when} AS {time}, {names} FROM read_csv('{csv}')) TO '{path}' (FORMAT parquet)"
        )
    csv.unlink()
    return path


def write_feather(path: Path, candles: Candles) -> Path:
    """As freqtrade writes it."""
    columns = {
        "date": pyarrow.array(candles.open_ms, pyarrow.timestamp("ms", tz="UTC")),
        **{name: getattr(candles, name) for name in ("open", "high", "low", "close", "volume")},
    }
    feather.write_feather(pyarrow.table(columns), str(path), compression="lz4")
    return path


def _iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
