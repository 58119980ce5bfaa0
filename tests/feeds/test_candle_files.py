"""Candle files: every shape reads as the same candles, and whatever is wrong is said with its row."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from trade_mcp.domain.errors import CandleFileError
from trade_mcp.feeds.candle_files import read_candles
from trade_mcp.feeds.filenames import Label
from trade_mcp.quant.candles import Candles

from .files import (
    HEADER,
    made_candles,
    rows_of,
    write_binance_csv,
    write_csv,
    write_feather,
    write_iso_csv,
    write_lines,
    write_parquet,
)

LABEL = Label("BTC/USDT", "5m")
CANDLES = made_candles("BTC/USDT", count=300, gaps="40-55")

Writer = Callable[[Path, Candles], Path]
SHAPES: dict[str, tuple[str, Writer]] = {
    "parquet": ("x.parquet", write_parquet),
    "parquet, timestamps": ("x.parquet", lambda p, c: write_parquet(p, c, time="date", when="epoch_ms(timestamp)")),
    "parquet, zoned": (
        "x.parquet",
        lambda p, c: write_parquet(p, c, time="Time", when="epoch_ms(timestamp)::TIMESTAMPTZ"),
    ),
    "parquet, microseconds": ("x.PARQUET", lambda p, c: write_parquet(p, c, when="timestamp * 1000")),
    "csv, ms": ("x.csv", write_csv),
    "csv, dates": ("x.csv", write_iso_csv),
    "binance archive": ("x.csv", write_binance_csv),
    "binance archive, microseconds": ("x.csv", lambda p, c: write_binance_csv(p, c, micro=True)),
    "freqtrade": ("x.feather", write_feather),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_reads_as_the_same_candles(shape: str, tmp_path: Path) -> None:
    name, write = SHAPES[shape]
    read = read_candles(write(tmp_path / name, CANDLES), LABEL)
    assert (read.symbol, read.timeframe, read.gap_bars) == ("BTC/USDT", "5m", 16)
    assert rows_of(read) == rows_of(CANDLES)
    assert read.open_ms.dtype == np.int64 and read.volume.dtype == np.float64


@pytest.mark.parametrize(
    "stamp", ["2023-01-01", "2023-01-01 00:00:00", "2023-01-01T02:00:00+02:00", '"2022-12-31 19:00-05"', "1672531200"]
)
def test_a_date_without_a_zone_is_utc_and_one_with_an_offset_is_converted(stamp: str, tmp_path: Path) -> None:
    path = write_lines(tmp_path / "x.csv", [HEADER, f"{stamp},10,12,9,11,5"])
    assert rows_of(read_candles(path, LABEL)) == [(1_672_531_200_000, 10.0, 12.0, 9.0, 11.0, 5.0)]


def test_columns_may_come_in_any_order_with_others_between(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "x.csv", ["Volume,note,Close,Low,High,Open,Date", "5,hi,11,9,12,10,2023-01-01"])
    assert rows_of(read_candles(path, LABEL)) == [(1_672_531_200_000, 10.0, 12.0, 9.0, 11.0, 5.0)]


GOOD = ["1672531200000,10,12,9,11,5", "1672531500000,11,12,9,11,5", "1672531800000,11,12,9,11,5"]

BAD_ROWS = {
    "unsorted": ([GOOD[1], GOOD[0]], "row 2 (2023-01-01 00:00:00)", "earlier than the row before"),
    "duplicated": ([GOOD[0], GOOD[0]], "row 2 (2023-01-01 00:00:00)", "there twice"),
    "price nan": ([GOOD[0], "1672531500000,11,nan,9,11,5"], "row 2 (2023-01-01 00:05:00)", "its high is nan"),
    "price inf": ([GOOD[0], "1672531500000,inf,12,9,11,5"], "row 2", "its open is inf"),
    "price zero": ([GOOD[0], "1672531500000,11,12,0,11,5"], "row 2", "its low is 0"),
    "price negative": (["1672531200000,10,12,9,-11.5,5"], "row 1", "its close is -11.5"),
    "volume negative": ([GOOD[0], "1672531500000,11,12,9,11,-5"], "row 2", "its volume is -5"),
    "high below low": ([*GOOD[:2], "1672531800000,11,9,12,11,5"], "row 3", "high is below its low: open 11, high 9"),
    "close above high": ([GOOD[0], "1672531500000,11,12,9,13,5"], "row 2", "range misses its open or close"),
    "text": ([GOOD[0], "1672531500000,eleven,12,9,11,5"], "row 2", "has no open"),
    "no date": ([GOOD[0], "soon,11,12,9,11,5"], "row 2", "has no timestamp"),
    "cut short": ([GOOD[0], "1672531500000,11,12"], "row 2", "has no low"),
    "too many cells": ([GOOD[0], "1672531500000,11,12,9,11,5,6,7"], "not readable CSV", ""),
    "between bars": ([GOOD[0], "1672531507000,11,12,9,11,5"], "row 2 (2023-01-01 00:05:07)", "a 5m candle cannot open"),
    "year 5000": (["95617584000000,10,12,9,11,5"], "row 1", "no year between"),
    "another timeframe": (
        [f"{1_672_531_200_000 + hour * 3_600_000},10,12,9,11,5" for hour in range(9)],
        "no two candles are closer than 60 minutes",
        "not 5m",
    ),
    "only a header": ([], "no candles in it", ""),
}  # fmt: skip


@pytest.mark.parametrize("fault", BAD_ROWS)
def test_a_bad_row_is_named(fault: str, tmp_path: Path) -> None:
    rows, where, what = BAD_ROWS[fault]
    path = write_lines(tmp_path / "x_5m.csv", [HEADER, *rows])
    assert_refused(path, where, what)


@pytest.mark.parametrize("fault", ["unsorted", "duplicated", "price nan", "price zero", "high below low"])
def test_a_bad_row_is_named_in_parquet_too(fault: str, tmp_path: Path) -> None:
    import duckdb

    rows, where, what = BAD_ROWS[fault]
    csv, path = write_lines(tmp_path / "x.source", [HEADER, *rows]), tmp_path / "x_5m.parquet"
    duckdb.sql(f"COPY (FROM read_csv('{csv}')) TO '{path}' (FORMAT parquet)")
    assert_refused(path, where, what)


def test_a_missing_value_in_parquet_is_named(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "x.parquet", CANDLES, when="CASE WHEN close > 100.2 THEN timestamp END")
    assert_refused(path, "has no timestamp", "row ")


def test_wrong_columns_are_named(tmp_path: Path) -> None:
    assert_refused(
        write_lines(tmp_path / "x.csv", ["when,open,high,low,last", "1,2,3,4,5"]),
        "missing: timestamp, close, volume",
        "",
    )
    assert_refused(
        write_lines(tmp_path / "y.csv", ["timestamp;open;high;low;close;volume"]), "missing: timestamp, open", ""
    )
    assert_refused(write_lines(tmp_path / "z.csv", GOOD), "no header, and 6 columns", "")


@pytest.mark.parametrize("shape", ["parquet", "freqtrade"])
def test_a_file_cut_short_is_refused(shape: str, tmp_path: Path) -> None:
    name, write = SHAPES[shape]
    path = write(tmp_path / name, CANDLES)
    whole = path.read_bytes()
    for kept in (3, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:kept])
        assert_refused(path, "is not readable", "")


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".feather"])
def test_noise_and_nothing_are_refused(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"BTCUSDT_5m{suffix}"
    assert_refused(path, "there is no such file", "")
    path.write_bytes(b"")
    assert_refused(path, "no candles in it", "")
    path.write_bytes(np.random.default_rng(1).bytes(5000))
    assert_refused(path, "", "")
    path.unlink()
    path.mkdir()
    assert_refused(path, "there is no such file", "")


def test_an_unknown_extension_is_refused(tmp_path: Path) -> None:
    assert_refused(write_lines(tmp_path / "BTCUSDT_5m.xlsx", ["x"]), "files ending in .xlsx", "")


def test_without_pyarrow_feather_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_feather(tmp_path / "x.feather", CANDLES)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(CandleFileError, match="needs pyarrow") as error:
        read_candles(path, LABEL)
    assert "trade-mcp[feather]" in error.value.hint


def assert_refused(path: Path, *said: str) -> None:
    with pytest.raises(CandleFileError) as error:
        read_candles(path, LABEL)
    assert str(path) in error.value.message
    assert error.value.hint
    for part in said:
        assert part in error.value.message
