"""Checks: columns of a candle file become candles only if every row could have happened."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trade_mcp.domain.errors import CandleFileError
from trade_mcp.feeds.closed import frozen, step_ms
from trade_mcp.feeds.filenames import NAME_IT, Label
from trade_mcp.quant.candles import Candles, at_ms, ms_of

Columns = Mapping[str, NDArray[Any]]  # open_ms (int64) and open high low close volume (float64), of equal length

PRICES = ("open", "high", "low", "close")
EARLIEST, LATEST = (ms_of(datetime(year, 1, 1, tzinfo=UTC)) for year in (1970, 2100))


def checked(path: Path, label: Label, columns: Columns) -> Candles:
    """``columns`` as the candles of ``label``. Raises CandleFileError naming the first bad row of ``path``."""
    _check_numbers(path, columns)
    _check_times(path, columns["open_ms"], label.timeframe)
    return frozen(Candles(*label, *(columns[name] for name in ("open_ms", *PRICES, "volume"))))


def _check_numbers(path: Path, columns: Columns) -> None:
    for name in (*PRICES, "volume"):
        array = columns[name]
        wrong = ~np.isfinite(array) | (array < 0 if name == "volume" else array <= 0)
        _refuse(path, columns, wrong, f"its {name} is {{{name}}}", hint="a price is above zero, a volume not below")
    high, low = columns["high"], columns["low"]
    top, bottom = np.maximum(columns["open"], columns["close"]), np.minimum(columns["open"], columns["close"])
    shape = "open {open}, high {high}, low {low}, close {close}"
    mixed = "are the columns in the order the header says?"
    _refuse(path, columns, high < low, f"its high is below its low: {shape}", hint=mixed)
    _refuse(path, columns, (high < top) | (low > bottom), f"its range misses its open or close: {shape}", hint=mixed)


def _check_times(path: Path, open_ms: NDArray[np.int64], timeframe: str) -> None:
    columns = {"open_ms": open_ms}
    strange = (open_ms < EARLIEST) | (open_ms >= LATEST)
    if strange.any():
        raise CandleFileError(
            f"{path}: row {int(np.argmax(strange)) + 1} is of no year between 1970 and 2100",
            hint="timestamps are ms since 1970 UTC, of each bar's open",
        )
    steps = np.diff(open_ms, prepend=open_ms[0] - 1)
    _refuse(path, columns, steps == 0, "that candle is there twice", hint="remove the duplicates")
    _refuse(path, columns, steps < 0, "that is earlier than the row before", hint="sort the file by timestamp")
    step = step_ms(timeframe)
    _refuse(
        path,
        columns,
        open_ms % step != 0,
        f"a {timeframe} candle cannot open then",
        hint=f"timestamps are UTC, of each bar's open; if the file is not {timeframe}, {NAME_IT}",
    )
    closest = int(steps[1:].min()) if len(steps) > 2 else step
    if closest > step:
        raise CandleFileError(
            f"{path}: no two candles are closer than {closest // 60_000} minutes, so they are not {timeframe}",
            hint=NAME_IT,
        )


def _refuse(path: Path, columns: Columns, wrong: NDArray[np.bool_], what: str, *, hint: str) -> None:
    if wrong.any():
        row = int(np.argmax(wrong))
        when = _when(int(columns["open_ms"][row]))
        said = what.format(**{name: f"{array[row]:.15g}" for name, array in columns.items() if name != "open_ms"})
        raise CandleFileError(f"{path}: row {row + 1} ({when}): {said}", hint=hint)


def _when(ms: int) -> str:
    return f"{at_ms(ms):%Y-%m-%d %H:%M:%S}" if EARLIEST <= ms < LATEST else f"timestamp {ms}"
