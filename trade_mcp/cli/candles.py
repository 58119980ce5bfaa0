"""The candle store from a terminal: take files in, fetch history from an exchange, say what is there."""

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trade_mcp.cli.options import Config, Json, say, writable
from trade_mcp.domain.errors import BadConfig, BadInput
from trade_mcp.domain.market import period, timeframe_delta

if TYPE_CHECKING:
    from trade_mcp.feeds.ccxt import CcxtFeed
    from trade_mcp.feeds.filenames import Label
    from trade_mcp.settings import Settings
    from trade_mcp.store.candles import Kept

app = typer.Typer(
    help="Candles kept beside the ledger, for replays. Import files, fetch history, list what is there.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
SAVE_EVERY_S = 5.0  # real seconds between two writes of what has come
TOLD_EVERY_S = 5.0  # of progress, where there is no terminal


@app.command("list")
def list_(config: Config = None, as_json: Json = False) -> None:
    """Say what is in the store: from when to when, how many bars, how many are missing.

    \b
    Example:
      trade-mcp candles list
    """
    from trade_mcp.store.candles import kept

    folder = _folder(_settings(config))
    found = list(kept(folder))
    lines = [f"{'symbol':<12} {'':<4} {'from':<17} {'to':<17} {'bars':>9} {'missing':>8}  source"]
    lines += [_line(one) for one in found] if found else ["nothing yet: trade-mcp candles fetch, or import"]
    say(
        {"folder": str(folder), "files": [_json(one) for one in found]},
        "\n".join([*lines, str(folder)]),
        as_json=as_json,
    )


@app.command("import")
def import_(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Parquet, CSV (ours or Binance's), feather.")],
    as_: Annotated[
        str | None,
        typer.Option("--as", metavar="TEXT", help='What they hold, if a name does not say: "BTC/USDT 5m".'),
    ] = None,
    source: Annotated[str, typer.Option(help="Whose prices they are; part of the file's name.")] = "import",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Take candle files into the store. Each is checked whole first; bars that are there already are replaced.

    \b
    Examples:
      trade-mcp candles import BTCUSDT-5m-2023-01.csv BTCUSDT-5m-2023-02.csv --source binance
      trade-mcp candles import prices.csv --as "BTC/USDT 1h"
    """
    from trade_mcp.feeds.candle_files import read_candles
    from trade_mcp.store import candles as store

    folder, done = _folder(_settings(config)), []
    writable(folder)
    for file in files:
        label = _label(file, as_)
        path = store.place(folder, source, *label)
        new, old = read_candles(file, label), store.load(path)
        whole = store.union(old, new)
        store.keep(path, whole)
        done.append(
            {"file": str(file), "kept": str(path), "bars": len(new), "new": len(whole) - (len(old) if old else 0)}
        )
    lines = [f"{one['file']}: {one['bars']} bars, {one['new']} of them new, in {one['kept']}" for one in done]
    say({"imported": done}, "\n".join(lines), as_json=as_json)


@app.command()
def fetch(
    symbols: Annotated[
        list[str] | None, typer.Argument(metavar="[SYMBOL...]", help="Such as BTC/USDT; default desk.symbols.")
    ] = None,
    timeframe: Annotated[str | None, typer.Option(help="1m 5m 1h 4h 1d ...; default desk.timeframe, else 1h.")] = None,
    since: Annotated[str, typer.Option(metavar="WHEN", help="A date, or so long ago: 90d, 24h.")] = "90d",
    until: Annotated[str | None, typer.Option(metavar="DATE", help="End before it; default now.")] = None,
    exchange: Annotated[str | None, typer.Option(help="ccxt's name of it; default desk.exchange.")] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Fetch history from an exchange. Needs no key; what is kept already is not asked for again, Ctrl-C loses nothing.

    It stays within the exchange's limits, and waits where it must.

    \b
    Examples:
      trade-mcp candles fetch BTC/USDT ETH/USDT --exchange binance --timeframe 5m --since 2024-01-01
      trade-mcp up --feed replay --data ~/.local/share/trade-mcp/candles/binance_BTC_USDT_5m.parquet
    """
    settings = _settings(config, {"desk": {"exchange": exchange, "timeframe": timeframe}})
    folder, frame = _folder(settings), settings.desk.timeframe or "1h"
    wanted = tuple(dict.fromkeys(each.upper() for each in symbols or settings.desk.symbols or ()))
    if not wanted:
        raise BadConfig("which symbols?", hint="trade-mcp candles fetch BTC/USDT, or set desk.symbols")
    writable(folder)
    from trade_mcp.feeds.filenames import Label

    start, end = _when(since), _when(until) if until else datetime.now(UTC)
    if start >= end:
        raise BadInput(f"{start:%Y-%m-%d %H:%M} is not before {end:%Y-%m-%d %H:%M}", hint="--since, then --until")
    with _market(settings, wanted) as feed:
        done = [_fetched(feed, Label(symbol, frame), (start, end), folder, quiet=as_json) for symbol in wanted]
    lines = [
        f"{one['symbol']} {one['timeframe']}: {one['new']} new bars, {one['bars']} in {one['file']}" for one in done
    ]
    say({"fetched": done}, "\n".join(lines), as_json=as_json)


def _fetched(
    feed: "CcxtFeed", label: "Label", span: tuple[datetime, datetime], folder: Path, *, quiet: bool
) -> dict[str, Any]:
    from trade_mcp.feeds.candle_fetch import Fetching
    from trade_mcp.quant.candles import Candles, ms_of
    from trade_mcp.store import candles as store

    (symbol, timeframe), (start, end) = label, span
    path, step = store.place(folder, feed.exchange, symbol, timeframe), timeframe_delta(timeframe)
    whole = store.load(path)
    before = len(whole) if whole is not None else 0
    step_ms = step // timedelta(milliseconds=1)
    fetching = Fetching(
        lambda since, limit: feed.rows(symbol, timeframe, since, limit),
        label,
        since=-(-ms_of(start) // step_ms) * step_ms,
        until=ms_of(min(end, feed.settled())) // step_ms * step_ms,
        have=None if whole is None else (int(whole.open_ms[0]), int(whole.open_ms[-1])),
        wait=time.sleep,
        page=feed.page,
    )
    come: list[Candles] = []

    def save() -> None:
        nonlocal whole
        for part in come:
            whole = store.union(whole, part)
        if come and whole is not None:
            store.keep(path, whole)
        come.clear()

    saved = time.monotonic()
    try:
        for part, _ in _shown(fetching.pages(), f"{symbol} {timeframe}", fetching.bars, quiet=quiet):
            if part is not None:
                come.append(part)
            if time.monotonic() - saved >= SAVE_EVERY_S:
                save()
                saved = time.monotonic()
    finally:
        save()  # Ctrl-C and failures lose nothing
    bars = len(whole) if whole is not None else 0
    return {
        "symbol": symbol,
        "timeframe": timeframe,
        "new": bars - before,
        "bars": bars,
        "missing": whole.gap_bars if whole is not None else 0,
        "file": str(path),
    }


def _shown(pages: Iterable[tuple[Any, int]], what: str, bars: int, *, quiet: bool) -> Iterator[tuple[Any, int]]:
    """``pages`` with their progress on stderr: a bar on a terminal, else a line now and then."""
    if quiet or not sys.stderr.isatty():
        done, told = 0, time.monotonic()
        for page in pages:
            done += page[1]
            if not quiet and time.monotonic() - told >= TOLD_EVERY_S:
                told = time.monotonic()
                print(f"{what}: {done} of {bars} bars", file=sys.stderr, flush=True)
            yield page
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=bars)
        for page in pages:
            progress.advance(task, page[1])
            yield page


@contextmanager
def _market(settings: "Settings", symbols: Sequence[str]) -> "Iterator[CcxtFeed]":
    from trade_mcp.app import open_exchange
    from trade_mcp.feeds.ccxt import ccxt_feed

    exchange = open_exchange(settings, signed=False)
    feed = ccxt_feed(exchange, symbols, own_time=settings.desk.practises)
    try:
        yield feed
    finally:
        feed.close()


def _settings(config: Path | None, overrides: dict[str, Any] | None = None) -> "Settings":
    from trade_mcp.settings import load_settings

    return load_settings(config, overrides=overrides or {})


def _folder(settings: "Settings") -> Path:
    return settings.desk.data_dir / "candles"


def _label(file: Path, said: str | None) -> "Label":
    from trade_mcp.feeds.filenames import Label, label_of

    if said is None:
        return label_of(file)
    symbol, _, timeframe = said.partition(" ")
    timeframe_delta(timeframe)
    return Label(symbol.upper(), timeframe)


def _when(text: str) -> datetime:
    try:
        return datetime.now(UTC) - period(text)
    except BadInput:
        pass
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{text!r} is no date and no length of time", hint="2024-01-01, or 90d, 24h") from None
    return at.replace(tzinfo=at.tzinfo or UTC)


def _line(one: "Kept") -> str:
    span = f"{one.first:%Y-%m-%d %H:%M}  {one.last:%Y-%m-%d %H:%M}"
    return f"{one.symbol:<12} {one.timeframe:<4} {span} {one.bars:>9,} {one.missing:>8,}  {one.source}"


def _json(one: "Kept") -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__struct_fields__} | {"path": str(one.path)}
