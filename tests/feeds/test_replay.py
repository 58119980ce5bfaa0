"""Replay: files become a market; its start, its end, its gaps and what a ledger is bound to."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from trade_mcp.domain.errors import BadInput, CandleFileError, NoPrice
from trade_mcp.feeds.replay import ReplayFeed, replay_feed
from trade_mcp.quant.candles import Candles, at_ms

from .files import FIRST_MS, made_candles, rows_of, write_binance_csv, write_csv, write_parquet

FIVE = timedelta(minutes=5)
FIRST = at_ms(FIRST_MS)
BTC = made_candles("BTC/USDT", count=1000, gaps="300-315")


@pytest.fixture
def btc(tmp_path: Path) -> Path:
    return write_csv(tmp_path / "BTCUSDT_5m.csv", BTC)


def part(candles: Candles, start: int, stop: int | None) -> Candles:
    return candles.each(lambda array: array[start:stop])


def all_of(feed: ReplayFeed, symbol: str = "BTC/USDT") -> Candles:
    assert feed.end is not None
    return feed.candles(symbol, feed.timeframe, now=feed.end, limit=2_000_000)


def test_a_gap_stays_a_gap_and_its_quote_grows_overdue(btc: Path) -> None:
    feed = replay_feed([btc])
    seen = all_of(feed)
    assert (len(seen), seen.gap_bars) == (984, 16)
    before = FIRST + 300 * FIVE
    for bars in (0, 1, 2, 16):
        quote = feed.quote("BTC/USDT", now=before + bars * FIVE)
        assert (quote.at, quote.due_at) == (before, before + FIVE)
        assert quote.overdue_s(before + bars * FIVE) == max(0, bars - 1) * 300
    after = before + 17 * FIVE
    assert feed.quote("BTC/USDT", now=after).at == after
    assert feed.bars("BTC/USDT", after=before, until=after - timedelta(seconds=1)) == []


def test_a_bucket_with_holes_is_built_from_what_exists_after_its_end(tmp_path: Path) -> None:
    whole = made_candles("BTC/USDT", count=72)
    holed = made_candles("BTC/USDT", count=72, gaps="3-3,12-23,30-35")
    feed = replay_feed([write_csv(tmp_path / "BTCUSDT_5m.csv", holed)])
    hour = timedelta(hours=1)
    assert len(feed.candles("BTC/USDT", "1h", now=FIRST + hour - timedelta(milliseconds=1), limit=9)) == 0
    first = feed.candles("BTC/USDT", "1h", now=FIRST + hour, limit=9)
    assert rows_of(first)[0][4] == whole.close[11]
    seen = feed.candles("BTC/USDT", "1h", now=FIRST + 6 * hour, limit=9)
    assert [at_ms(ms).hour for ms in seen.open_ms.tolist()] == [0, 2, 3, 4, 5]  # nothing traded from 1 to 2
    assert (seen.gap_bars, seen.close[1]) == (1, whole.close[29])


def test_it_starts_after_the_lookback(btc: Path) -> None:
    assert replay_feed([btc]).start == FIRST + FIVE
    assert replay_feed([btc], warmup=200).start == FIRST + 200 * FIVE
    assert replay_feed([btc], warmup=301).start == FIRST + 317 * FIVE  # bars are counted, not minutes
    hourly = replay_feed([btc], timeframe="1h", warmup=10)
    assert hourly.start == FIRST + timedelta(hours=10)
    assert len(hourly.candles("BTC/USDT", "1h", now=hourly.start, limit=99)) == 10


def test_it_starts_where_it_is_told(btc: Path) -> None:
    asked = FIRST + timedelta(hours=7, seconds=11)
    assert replay_feed([btc], warmup=5000, start=asked).start == asked
    for wrong in (FIRST, FIRST + 1000 * FIVE, datetime(2022, 1, 1, tzinfo=UTC)):
        with pytest.raises(BadInput, match="cannot start") as error:
            replay_feed([btc], start=wrong)
        assert "from 2023-01-01 00:05 to 2023-01-04 11:20" in error.value.hint


def test_too_few_candles_for_the_lookback_are_refused(btc: Path) -> None:
    with pytest.raises(BadInput, match="has 984 candles of 5m; the longest lookback needs more than 984"):
        replay_feed([btc], warmup=984)
    with pytest.raises(BadInput, match="candles of 1d"):
        replay_feed([btc], timeframe="1d", warmup=200)


def test_it_ends_with_the_last_of_all_and_whoever_ended_earlier_is_overdue(btc: Path, tmp_path: Path) -> None:
    eth = write_csv(tmp_path / "ETHUSDT_5m.csv", made_candles("ETH/USDT", count=500))
    feed = replay_feed([btc, eth], warmup=50)
    assert feed.end == FIRST + 1000 * FIVE
    assert feed.quote("ETH/USDT", now=feed.end).overdue_s(feed.end) == 499 * 300
    assert feed.quote("BTC/USDT", now=feed.end).overdue_s(feed.end) == 0
    assert feed.quote("BTC/USDT", now=feed.end + timedelta(days=1)).at == feed.end


def test_all_symbols_have_their_lookback_at_the_start(btc: Path, tmp_path: Path) -> None:
    late = made_candles("ETH/USDT", count=500, first_ms=FIRST_MS + 400 * 300_000)
    feed = replay_feed([btc, write_csv(tmp_path / "ETHUSDT_5m.csv", late)], warmup=50)
    assert feed.start == FIRST + 450 * FIVE
    with pytest.raises(NoPrice, match="ETH/USDT has no price at 2023-01-02 09:20") as error:
        feed.quote("ETH/USDT", now=FIRST + 400 * FIVE)
    assert "its first candle closes 2023-01-02 09:25" in error.value.hint


def test_files_of_one_symbol_are_joined_in_the_order_of_time(tmp_path: Path) -> None:
    parts = [part(BTC, 0, 200), part(BTC, 200, 600), part(BTC, 600, None)]
    paths = [write_binance_csv(tmp_path / f"BTCUSDT-5m-2023-0{n}.csv", each) for n, each in enumerate(parts)]
    feed = replay_feed([paths[2], paths[0], paths[1]])
    assert feed.symbols == ("BTC/USDT",)
    assert rows_of(all_of(feed)) == rows_of(BTC)


def test_files_that_overlap_are_refused(tmp_path: Path) -> None:
    first = write_csv(tmp_path / "a_BTCUSDT_5m.csv", part(BTC, 0, 201))
    second = write_csv(tmp_path / "b_BTCUSDT_5m.csv", part(BTC, 200, None))
    with pytest.raises(CandleFileError) as error:
        replay_feed([second, first])
    said = f"{second} begins 2023-01-01 16:40, before {first} ends (2023-01-01 16:45)"
    assert error.value.message == said


def test_the_same_file_named_twice_is_one_file(btc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(btc.parent)
    assert len(all_of(replay_feed([btc, Path(btc.name), btc.parent]))) == len(BTC)


def test_a_folder_is_all_the_candle_files_in_it(btc: Path, tmp_path: Path) -> None:
    write_parquet(tmp_path / "ETHUSDT_5m.parquet", made_candles("ETH/USDT", count=400))
    (tmp_path / "README.md").write_text("not candles")
    assert replay_feed([tmp_path]).symbols == ("BTC/USDT", "ETH/USDT")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CandleFileError, match="no candle files in this folder"):
        replay_feed([tmp_path / "empty"])
    with pytest.raises(BadInput, match="needs candle files"):
        replay_feed([])


def test_what_a_name_does_not_say_can_be_said(tmp_path: Path) -> None:
    write_csv(tmp_path / "prices.csv", BTC)
    feed = replay_feed([str(tmp_path / "prices.csv")], symbols={"prices.csv": "XBT/EUR 5m"})
    assert (feed.symbols, feed.timeframe) == (("XBT/EUR",), "5m")
    with pytest.raises(CandleFileError, match="says no timeframe"):
        replay_feed([tmp_path / "prices.csv"])
    with pytest.raises(BadInput, match="which is none of the files") as error:
        replay_feed([tmp_path / "prices.csv"], symbols={"prices.csv": "XBT/EUR 5m", "price.csv": "XBT/EUR 5m"})
    assert "prices.csv" in error.value.hint
    with pytest.raises(BadInput, match="unknown timeframe '7m'"):
        replay_feed([tmp_path / "prices.csv"], symbols={"prices.csv": "XBT/EUR 7m"})


def test_one_symbol_has_one_timeframe(btc: Path, tmp_path: Path) -> None:
    other = write_csv(tmp_path / "BTCUSDT_1h.csv", made_candles("BTC/USDT", "1h", count=50))
    with pytest.raises(CandleFileError, match=r"comes as 5m \(BTCUSDT_5m.csv\) and 1h \(BTCUSDT_1h.csv\)"):
        replay_feed([btc, other])


def test_symbols_of_several_timeframes_share_the_finest_that_all_can_show(btc: Path, tmp_path: Path) -> None:
    three = write_csv(tmp_path / "ETHUSDT_3m.csv", made_candles("ETH/USDT", "3m", count=900))
    feed = replay_feed([btc, three])
    assert feed.timeframe == "15m"
    assert feed.quote("ETH/USDT", now=feed.start).due_at - feed.quote("ETH/USDT", now=feed.start).at == FIVE * 3 / 5
    with pytest.raises(BadInput, match="ETH/USDT comes as 3m candles: 5m cannot") as error:
        feed.candles("ETH/USDT", "5m", now=feed.start, limit=5)
    assert error.value.hint.startswith("one of 3m, 15m")
    with pytest.raises(BadInput, match="5m candles cannot be built from these files"):
        replay_feed([btc, three], timeframe="5m")


def test_the_identity_is_of_the_prices_wherever_they_lie(btc: Path, tmp_path: Path) -> None:
    feed, folder = replay_feed([btc]), tmp_path / "elsewhere"
    assert feed.identity.startswith("replay:BTC/USDT 5m:")
    folder.mkdir()
    copy = Path(shutil.copy(btc, folder / "kraken_BTCUSDT_5m_all.csv"))
    parquet = write_parquet(folder / "BTCUSDT_5m.parquet", BTC)
    cut = [
        write_csv(folder / f"{n}_BTCUSDT_5m.csv", each) for n, each in enumerate((part(BTC, 0, 9), part(BTC, 9, None)))
    ]
    for paths in ([copy], [parquet], cut):
        assert replay_feed(paths, warmup=77, spread=Decimal("0.001")).identity == feed.identity
    eth = write_csv(folder / "ETHUSDT_5m.csv", made_candles("ETH/USDT", count=400))
    assert replay_feed([btc, eth]).identity == replay_feed([eth, btc]).identity != feed.identity


def test_one_other_price_is_another_identity(btc: Path) -> None:
    before = replay_feed([btc]).identity
    text = btc.read_text().splitlines()
    cells = text[500].split(",")
    text[500] = ",".join([*cells[:5], "77.77"])
    btc.write_text("\n".join(text))
    assert replay_feed([btc]).identity != before


@pytest.mark.parametrize(
    ("price", "spread", "bid", "ask"),
    [
        (16_541.77, "0.0002", "16540.12", "16543.43"),
        (14.16, "0.0002", "14.16", "14.17"),
        (14.16, "0", "14.16", "14.16"),
        (0.00001234, "0.0002", "0.00001234", "0.00001235"),
        (100_000.0, "0.01", "99500", "100500"),
    ],
)
def test_the_spread_lies_around_the_close_in_ticks(price: float, spread: str, bid: str, ask: str) -> None:
    count = 20
    flat = np.full(count, price)
    candles = Candles("A/B", "5m", FIRST_MS + np.arange(count) * 300_000, flat, flat, flat, flat, flat)
    quote = ReplayFeed({"A/B": candles}, spread=Decimal(spread)).quote("A/B", now=FIRST + FIVE)
    assert (quote.bid, quote.ask) == (Decimal(bid), Decimal(ask))


def test_junk_digits_of_floats_never_show(tmp_path: Path) -> None:
    junk = 0.1 + 0.2
    flat = np.full(30, junk)
    candles = Candles("A/B", "5m", FIRST_MS + np.arange(30) * 300_000, flat, flat, flat, flat, flat)
    feed = ReplayFeed({"A/B": candles})
    (bar,) = feed.bars("A/B", after=FIRST, until=FIRST + FIVE)
    assert [str(number) for number in (bar.open, bar.high, bar.low, bar.close, bar.volume)] == ["0.3"] * 5
    quote = feed.quote("A/B", now=FIRST + FIVE)
    assert len(str(quote.bid)) <= 6 and quote.bid < quote.ask


def test_nothing_is_loaded_before_it_is_needed(btc: Path) -> None:
    code = (
        "import sys; from trade_mcp.feeds import replay_feed; heavy = ('duckdb', 'pyarrow', 'pandas');"
        "print([name for name in heavy if name in sys.modules]);"
        f"replay_feed([{str(btc)!r}]); print([name for name in heavy if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines() == ["[]", "['duckdb']"]


@contextmanager
def without_privileges() -> Iterator[None]:
    """Root may read everything: as nobody, what is locked is locked."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.mark.parametrize("locked", ["file", "folder", "folder above"])
def test_what_cannot_be_read_is_said_with_a_hint(locked: str) -> None:
    with TemporaryDirectory() as name:  # pytest's own folders are closed to nobody
        folder = Path(name)
        file = write_csv(folder / "BTCUSDT_5m.csv", BTC)
        folder.chmod(0o755)
        (file if locked == "file" else folder).chmod(0)
        with without_privileges(), pytest.raises(CandleFileError, match="cannot be read: Permission denied") as said:
            replay_feed([folder if locked == "folder" else file])
        folder.chmod(0o700)
    assert "check its permissions" in said.value.hint


def test_real_five_minute_candles(shared_data: Path) -> None:
    names = [f"binance_{coin}USDT_5m_2022-12_2023-10.parquet" for coin in ("BTC", "ETH", "SOL")]
    feed = replay_feed([shared_data / "data" / name for name in names], warmup=200)
    assert (feed.symbols, feed.timeframe) == (("BTC/USDT", "ETH/USDT", "SOL/USDT"), "5m")
    assert feed.start == datetime(2022, 12, 1, 16, 40, tzinfo=UTC)
    for symbol in feed.symbols:
        seen = all_of(feed, symbol)
        assert (len(seen), seen.gap_bars) == (87_983, 16)
        days = feed.candles(symbol, "1d", now=feed.start + timedelta(days=300), limit=1000)
        assert days.gap_bars == 0
    bar = feed.bars("BTC/USDT", after=datetime(2022, 12, 1, tzinfo=UTC), until=datetime(2022, 12, 1, 0, 5, tzinfo=UTC))[
        0
    ]
    assert (str(bar.open), str(bar.high), str(bar.low), str(bar.close), str(bar.volume)) == (
        "17165.53", "17183.76", "17156.43", "17165.51", "1090.53948",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "symbol", "timeframe", "rows"),
    [
        ("bitfinex_BTCUSD_1m_2018_2019", "BTC/USD", "1m", 1_033_226),
        ("binance_SOLUSDT_1h", "SOL/USDT", "1h", 23_988),
        ("lean_SPY_daily", "SPY/USD", "1d", 5_849),
        ("lean_AAPL_minute", "AAPL/USD", "1m", 2_303),
        ("us_SPY_5min", "SPY/USD", "5m", 17_463),
        ("us_SPY_1min", "SPY/USD", "1m", 49_885),
    ],
)
def test_every_real_file_reads(shared_data: Path, name: str, symbol: str, timeframe: str, rows: int) -> None:
    feed = replay_feed([shared_data / "data" / f"{name}.parquet"])
    assert (feed.symbols, feed.timeframe, len(all_of(feed, symbol))) == ((symbol,), timeframe, rows)
