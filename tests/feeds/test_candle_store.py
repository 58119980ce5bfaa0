"""The candle store: what is fetched or imported is kept whole, grows without holes, and replays."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from trade_mcp.cli.commands import app
from trade_mcp.domain.errors import BadInput, FeedError, TradeError
from trade_mcp.feeds import replay_feed
from trade_mcp.feeds.candle_fetch import PAUSES_S, Fetching
from trade_mcp.feeds.ccxt_candles import Series
from trade_mcp.feeds.filenames import Label
from trade_mcp.quant.candles import at_ms
from trade_mcp.store import candles as store

from .exchanges import BTC, ETH, live
from .files import FIRST_MS, made_candles, rows_of, write_csv

STEP = 300_000
LABEL = Label(BTC, "5m")


class Exchange:
    """The candles of an exchange from bar number ``listed`` to ``now``; every page is counted."""

    def __init__(self, *, listed: int = 0, now: int = 9_000, page: int = 1000):
        self.all = made_candles(BTC, count=now).each(lambda array: array[listed:])
        self.page, self.asked = page, 0
        self.fails = 0

    def __call__(self, since: int, limit: int) -> list[list[float]]:
        self.asked += 1
        if self.fails:
            self.fails -= 1
            raise FeedError("the budget of this minute is used")
        start = int(np.searchsorted(self.all.open_ms, since))
        return [list(row) for row in rows_of(self.all)[start : start + min(limit, self.page)]]


def fetched(path: Path, exchange: Exchange, since: int, until: int, *, stop_after: int | None = None) -> int:
    """Fetch bars number ``since`` to ``until`` into ``path``; answers how many were promised."""
    whole = store.load(path)
    waits: list[float] = []
    fetching = Fetching(
        exchange,
        LABEL,
        since=FIRST_MS + since * STEP,
        until=FIRST_MS + until * STEP,
        have=None if whole is None else (int(whole.open_ms[0]), int(whole.open_ms[-1])),
        wait=waits.append,
    )
    for number, (part, _) in enumerate(fetching.pages()):
        if number == stop_after:
            break
        if part is not None:
            whole = store.union(whole, part)
    if whole is not None:
        store.keep(path, whole)
    return fetching.bars


def test_an_empty_window_hides_nothing_behind_it() -> None:
    exchange = Exchange(listed=350)

    def window(since: int, limit: int) -> list[list[float]]:
        """What opens within 300 bars of ``since``, however many were asked for."""
        return [row for row in exchange(since, 300) if row[0] < since + 300 * STEP]

    last = Fetching(window, LABEL, since=FIRST_MS, until=FIRST_MS + 1000 * STEP, have=None, wait=print, page=300)
    found = [bar for part, _ in last.pages() if part is not None for bar in part.open_ms]
    assert found == [FIRST_MS + number * STEP for number in range(350, 1000)]
    series = Series(*LABEL, window, margin=timedelta(seconds=2), boot=time.monotonic, page=300)
    now = at_ms(FIRST_MS + 1000 * STEP)
    assert len(series.newest(now, 1000)) == 650


@pytest.mark.parametrize("page", [1000, 300])
def test_a_run_that_was_cut_off_goes_on_where_it_was(tmp_path: Path, page: int) -> None:
    path, exchange = store.place(tmp_path, "binance", *LABEL), Exchange(page=page)
    assert fetched(path, exchange, 2_000, 8_000, stop_after=3) == 6_000
    kept = store.load(path)
    assert kept is not None and 0 < len(kept) < 6_000 and kept.gap_bars == 0
    assert fetched(path, exchange, 2_000, 8_000) == 6_000 - len(kept)
    assert fetched(path, exchange, 500, 8_000, stop_after=1) == 1_500
    kept = store.load(path)
    assert kept is not None and kept.gap_bars == 0
    fetched(path, exchange, 500, 9_000)
    kept = store.load(path)
    assert kept is not None and rows_of(kept) == rows_of(exchange.all)[500:]
    before = exchange.asked
    assert fetched(path, exchange, 500, 9_000) == 0 and exchange.asked == before


def test_nothing_is_older_than_the_listing(tmp_path: Path) -> None:
    path, exchange = store.place(tmp_path, "binance", *LABEL), Exchange(listed=4_000)
    fetched(path, exchange, 5_000, 9_000)
    fetched(path, exchange, 0, 9_000)
    kept = store.load(path)
    assert kept is not None and len(kept) == 5_000
    assert exchange.asked < 20


def test_a_page_that_fails_is_asked_for_again_but_not_for_ever(tmp_path: Path) -> None:
    path, exchange = store.place(tmp_path, "binance", *LABEL), Exchange()
    exchange.fails = len(PAUSES_S)
    fetched(path, exchange, 0, 500)
    assert len(store.load(path) or ()) == 500
    exchange.fails = len(PAUSES_S) + 1
    with pytest.raises(FeedError, match="budget"):
        fetched(path, exchange, 0, 900)


def test_a_name_that_a_file_cannot_say_is_refused(tmp_path: Path) -> None:
    assert store.place(tmp_path, "kraken", "SOL/BRL", "1h").name == "kraken_SOL_BRL_1h.parquet"
    for source, symbol in (("../etc", BTC), ("binance", "BTC"), ("binance", "BTC/USDT:USDT")):
        with pytest.raises(TradeError):
            store.place(tmp_path, source, symbol, "1h")
    with pytest.raises(BadInput, match="cannot name a source"):
        store.place(tmp_path, "a_b", BTC, "1h")


type Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`trade-mcp candles ...` with its data in ``tmp_path``."""
    monkeypatch.setenv("TRADE_MCP_DESK__DATA_DIR", str(tmp_path / "desk"))
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, ["candles", *arguments])


@pytest.fixture
def at_an_exchange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with live(tmp_path) as market:
        market.to_second(30)
        monkeypatch.setenv("TRADE_MCP_EXCHANGE_URL", market.exchange.url)
        monkeypatch.setenv("TRADE_MCP_DESK__EXCHANGE", "binance")
        yield


@pytest.mark.usefixtures("at_an_exchange")
def test_what_is_fetched_is_listed_and_replays(run: Run, tmp_path: Path) -> None:
    first = run("fetch", BTC, ETH, "--timeframe", "5m", "--since", "2d", "--json")
    assert first.exit_code == 0, first.output
    found = json.loads(first.stdout)["fetched"]
    assert [(one["symbol"], one["missing"]) for one in found] == [(BTC, 0), (ETH, 0)]
    assert all(570 <= one["new"] <= 577 for one in found)  # of 576: the newest still forms
    again = json.loads(run("fetch", BTC, "--timeframe", "5m", "--since", "3d", "--json").stdout)["fetched"][0]
    assert 280 <= again["new"] <= 290 and again["missing"] == 0
    listed = json.loads(run("list", "--json").stdout)["files"]
    assert [(one["source"], one["symbol"], one["timeframe"]) for one in listed] == [
        ("binance", BTC, "5m"),
        ("binance", ETH, "5m"),
    ]
    assert BTC in run("list").stdout
    feed = replay_feed([again["file"]], warmup=200)
    assert (feed.symbols, feed.timeframe) == ((BTC,), "5m")


def test_imported_files_become_one(run: Run, tmp_path: Path) -> None:
    whole = made_candles(BTC, count=600)
    early = write_csv(tmp_path / "BTCUSDT-5m-early.csv", whole.each(lambda array: array[:400]))
    late = write_csv(tmp_path / "late.csv", whole.each(lambda array: array[300:]))
    assert run("import", str(early), "--source", "binance").exit_code == 0
    done = run("import", str(late), "--source", "binance", "--as", "BTC/USDT 5m", "--json")
    answer = json.loads(done.stdout)["imported"][0]
    assert (answer["bars"], answer["new"]) == (300, 200)
    kept = store.load(Path(answer["kept"]))
    assert kept is not None and rows_of(kept) == rows_of(whole)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("fetch",), "which symbols?"),
        (("fetch", BTC), "desk.exchange is not set"),
        (("fetch", BTC, "--exchange", "binanse"), "knows no such exchange"),
        (("fetch", BTC, "--exchange", "binance", "--since", "yesterday"), "no date"),
        (("fetch", BTC, "--exchange", "binance", "--since", "2024-02-01", "--until", "2024-01-01"), "is not before"),
        (("import", "nothing_BTCUSDT_5m.csv"), "there is no such file"),
        (("import", "prices.csv"), "its name says no timeframe"),
        (("import", "prices.csv", "--as", "BTC/USDT 7m"), "unknown timeframe"),
    ],
)
def test_what_cannot_be_is_said(run: Run, arguments: tuple[str, ...], said: str) -> None:
    done = run(*arguments)
    assert isinstance(done.exception, TradeError)
    assert said in done.exception.message
    assert done.exception.hint
