"""Candle files: one file read whole, as numbers, or refused with the row that is wrong.

Parquet and CSV in our columns (``timestamp`` in ms, or a date; ``open high low close volume``), Binance's archive CSV
(twelve columns without a header), and freqtrade's feather (extra ``feather``). DuckDB and pyarrow load on first use.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trade_mcp.domain.errors import CandleFileError
from trade_mcp.feeds.checks import Columns, checked
from trade_mcp.feeds.filenames import Label
from trade_mcp.quant.candles import Candles

PRICES = ("open", "high", "low", "close", "volume")
TIMES = ("timestamp", "date", "datetime", "time", "open_time")
BINANCE = (
    "open_time", *PRICES, "close_time", "quote_volume", "trades", "taker_base_volume", "taker_quote_volume", "ignore",
)  # fmt: skip
OURS = "timestamp (ms since 1970, or a date), open, high, low, close, volume"
EXPORT_AGAIN = "download or export it again"
LONGEST_LINE = 10_000


def read_candles(path: Path, label: Label) -> Candles:
    """All candles of ``path``, which holds what ``label`` says. Raises CandleFileError; nothing is half loaded."""
    read = READERS.get(path.suffix.lower())
    if read is None:
        raise CandleFileError(
            f"{path}: files ending in {path.suffix or 'nothing'} are not candle files",
            hint=f"one of {', '.join(READERS)}",
        )
    try:
        if not path.is_file():
            raise CandleFileError(
                f"{path}: there is no such file", hint="check the path; a relative one starts at the current folder"
            )
        empty = path.stat().st_size == 0
        columns = None if empty else read(path)
    except OSError as error:
        raise unreadable(path, error) from None
    if columns is None or not len(columns["open_ms"]):
        raise CandleFileError(f"{path}: there are no candles in it", hint=EXPORT_AGAIN)
    return checked(path, label, columns)


def unreadable(path: Path, error: OSError) -> CandleFileError:
    """What to say of a file or a folder that the system does not let us read."""
    said = f"{path} cannot be read: {error.strerror or error}"
    return CandleFileError(said, hint="check its permissions, and those of the folders above it")


def _parquet(path: Path) -> Columns:
    duckdb, connection = _duckdb()
    source = "read_parquet($path)"
    try:
        described = connection.execute(f"DESCRIBE SELECT * FROM {source}", {"path": str(path)}).fetchall()
        types = {name: kind for name, kind, *_ in described}
        time, names = _columns(path, tuple(types))
        when = f'epoch_ms("{time}")' if types[time].startswith(("TIMESTAMP", "DATE")) else _number(time, types[time])
        prices = ", ".join(f'TRY_CAST("{names[price]}" AS DOUBLE) AS {price}' for price in PRICES)
        found = connection.execute(
            f"SELECT {when} AS open_ms, {prices} FROM {source}", {"path": str(path)}
        ).fetchnumpy()
    except duckdb.Error as error:
        raise CandleFileError(
            f"{path} is not readable Parquet: {_first_line(error)}", hint=f"it may be cut short; {EXPORT_AGAIN}"
        ) from None
    finally:
        connection.close()
    return _complete(path, found)


def _csv(path: Path) -> Columns:
    try:
        with path.open(encoding="utf-8-sig") as file:
            cells = [cell.strip().strip('"') for cell in file.readline(LONGEST_LINE).strip().split(",")]
    except UnicodeDecodeError:
        raise CandleFileError(f"{path} is not a text file", hint=EXPORT_AGAIN) from None
    header = not _is_number(cells[0])
    if not header and len(cells) != len(BINANCE):
        raise CandleFileError(
            f"{path}: no header, and {len(cells)} columns where Binance's archive has {len(BINANCE)}",
            hint=f"add a first line that names the columns: {OURS}",
        )
    time, names = _columns(path, tuple(cells) if header else BINANCE)
    numbered = {name: f"c{at}" for at, name in enumerate(cells if header else BINANCE)}
    columns = ", ".join(f"'{column}': 'VARCHAR'" for column in numbered.values())
    source = (
        f"read_csv($path, auto_detect=false, header={header}, delim=',', quote='\"', escape='\"',"
        f" null_padding=true, columns={{{columns}}})"
    )
    prices = ", ".join(f"TRY_CAST({numbered[names[price]]} AS DOUBLE) AS {price}" for price in PRICES)
    column = numbered[time]
    when = f"COALESCE({_number(column, 'VARCHAR')}, epoch_ms(TRY_CAST({column} AS TIMESTAMPTZ)))"
    duckdb, connection = _duckdb()
    try:
        found = connection.execute(
            f"SELECT {when} AS open_ms, {prices} FROM {source}", {"path": str(path)}
        ).fetchnumpy()
    except duckdb.Error as error:
        raise CandleFileError(f"{path} is not readable CSV: {_first_line(error)}", hint=EXPORT_AGAIN) from None
    finally:
        connection.close()
    return _complete(path, found)


def _feather(path: Path) -> Columns:
    try:
        import pyarrow
        from pyarrow import feather
    except ImportError:
        raise CandleFileError(
            f"{path}: reading feather needs pyarrow",
            hint="pip install 'trade-mcp[feather]', or uv sync --extra feather",
        ) from None
    try:
        table = feather.read_table(str(path), memory_map=False)
        time, names = _columns(path, tuple(table.column_names))
        when = table.column(time)
        if pyarrow.types.is_timestamp(when.type):
            when = when.cast(pyarrow.timestamp("ms", tz=when.type.tz), safe=False).cast(pyarrow.int64())
        found = {"open_ms": _masked(when, np.int64)}
        found |= {price: _masked(table.column(names[price]).cast(pyarrow.float64()), np.float64) for price in PRICES}
    except pyarrow.ArrowException as error:
        raise CandleFileError(
            f"{path} is not readable feather: {_first_line(error)}", hint=f"it may be cut short; {EXPORT_AGAIN}"
        ) from None
    return _complete(path, found)


READERS: dict[str, Callable[[Path], Columns]] = {".parquet": _parquet, ".csv": _csv, ".feather": _feather}


def _duckdb() -> tuple[Any, Any]:
    import duckdb

    connection = duckdb.connect(":memory:")
    connection.execute("SET TimeZone = 'UTC'")  # a date without a zone is UTC; one with an offset is converted
    return duckdb, connection


def _columns(path: Path, names: tuple[str, ...]) -> tuple[str, dict[str, str]]:
    """The time column's name and the price columns' names as the file spells them. Raises CandleFileError."""
    spelled = {name.lower(): name for name in names}
    time = next((spelled[name] for name in TIMES if name in spelled), None)
    missing = [price for price in PRICES if price not in spelled]
    if time is None or missing:
        lacking = ", ".join((["timestamp"] if time is None else []) + missing)
        raise CandleFileError(
            f"{path}: its columns are {', '.join(names)[:200]}; missing: {lacking}", hint=f"expected {OURS}"
        )
    return time, {price: spelled[price] for price in PRICES}


def _number(column: str, kind: str) -> str:
    """SQL for a time given as a number."""
    return f'TRY_CAST("{column}" AS BIGINT)' if kind == "VARCHAR" else f'CAST("{column}" AS BIGINT)'


def _masked(column: Any, kind: type) -> NDArray[Any]:
    missing = column.is_null().to_numpy()
    return np.ma.array(column.fill_null(0).to_numpy().astype(kind), mask=missing)


def _complete(path: Path, found: Mapping[str, Any]) -> Columns:
    """``found`` as plain arrays, times in ms. Raises CandleFileError at the first value that is no number."""
    holes = {name: np.flatnonzero(np.ma.getmaskarray(array)) for name, array in found.items()}
    if broken := {name: int(rows[0]) for name, rows in holes.items() if len(rows)}:
        name, row = min(broken.items(), key=lambda pair: pair[1])
        what = "timestamp" if name == "open_ms" else name
        raise CandleFileError(
            f"{path}: row {row + 1} has no {what}, or one that is not a number",
            hint=f"the file may be cut short or broken there; {EXPORT_AGAIN}",
        )
    plain = {name: np.ma.getdata(array) for name, array in found.items()}
    return {name: np.ascontiguousarray(plain[name], np.float64) for name in PRICES} | {
        "open_ms": _milliseconds(plain["open_ms"])
    }


def _milliseconds(times: NDArray[Any]) -> NDArray[np.int64]:
    """Times as ms: seconds, ms, microseconds (Binance since 2025) and nanoseconds are told apart by their size."""
    whole = np.ascontiguousarray(times, np.int64)
    largest = int(np.abs(whole).max(initial=0))
    if largest < 10**11:
        return whole * 1000
    return whole // (1 if largest < 10**14 else 1000 if largest < 10**17 else 1_000_000)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200]
