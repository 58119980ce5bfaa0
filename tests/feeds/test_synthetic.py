"""The synthetic market: the same for everyone, without end, and alive enough to trade."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from trade_mcp.domain.errors import BadInput
from trade_mcp.feeds.synthetic import BLOCK_MS, HISTORY, START, SyntheticFeed, synthetic_feed
from trade_mcp.quant.candles import at_ms, ms_of
from trade_mcp.quant.indicators import ema, rsi

from .files import rows_of

MONTH = 30 * 24 * 60
PINNED = [
    (52070.76, 52159.45, 51974.3, 52081.75, 461.47368),
    (2540.69, 2544.66, 2532.71, 2535.98, 8195.73528),
    (145.66, 145.98, 145.55, 145.81, 173054.60353),
]


@pytest.fixture(scope="module")
def feed() -> SyntheticFeed:
    return synthetic_feed()


def test_the_recipe_is_pinned(feed: SyntheticFeed) -> None:
    """A ledger is bound to these prices: who changes the recipe counts up recipe.VERSION."""
    assert feed.identity == "synthetic:seed=7:BTC/USDT,ETH/USDT,SOL/USDT:recipe=1"
    seen = [rows_of(feed.candles(symbol, "1h", now=START, limit=1))[0][1:] for symbol in feed.symbols]
    assert seen == PINNED


def test_another_process_sees_the_same(feed: SyntheticFeed) -> None:
    now = START + timedelta(days=200, minutes=17)
    code = (
        "from datetime import datetime; from trade_mcp.feeds import FEEDS; import sys;"
        f"c = FEEDS['synthetic']().candles('ETH/USDT', '5m', now=datetime.fromisoformat('{now.isoformat()}'), limit=3);"
        "print([*c.close.tolist(), *c.volume.tolist()]);"
        "print([m for m in ('duckdb', 'pyarrow', 'pandas', 'talib') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    mine = feed.candles("ETH/USDT", "5m", now=now, limit=3)
    assert out.splitlines() == [repr([*mine.close.tolist(), *mine.volume.tolist()]), "[]"]


def test_a_symbol_trades_the_same_in_any_company(feed: SyntheticFeed) -> None:
    alone = synthetic_feed(["SOL/USDT"])
    assert rows_of(alone.candles("SOL/USDT", "5m", now=START, limit=50)) == rows_of(
        feed.candles("SOL/USDT", "5m", now=START, limit=50)
    )


def test_another_seed_is_another_market(feed: SyntheticFeed) -> None:
    other = synthetic_feed(seed=8)
    assert other.identity != feed.identity
    mine, its = (each.candles("BTC/USDT", "1m", now=START, limit=500).close for each in (feed, other))
    assert abs(np.corrcoef(np.diff(mine), np.diff(its))[0, 1]) < 0.2


def test_any_list_of_symbols_works() -> None:
    feed = synthetic_feed(["PEPE/USDT", "SPY/USD", "BTC/EUR", "SPY/USD"])
    assert feed.symbols == ("PEPE/USDT", "SPY/USD", "BTC/EUR")
    for symbol in feed.symbols:
        quote = feed.quote(symbol, now=START)
        assert quote.synthetic and 5 < quote.bid < 500_000


def test_the_market_has_no_end_and_no_price_runs_away(feed: SyntheticFeed) -> None:
    for year in (2018, 2030, 2060, 2099):
        quote = feed.quote("BTC/USDT", now=datetime(year, 7, 1, 12, 30, tzinfo=UTC))
        assert 10_000 < quote.bid < 360_000
    assert feed.end is None


def test_two_thousand_bars_lie_before_the_earliest_start(feed: SyntheticFeed) -> None:
    earliest = synthetic_feed(start=HISTORY + timedelta(days=365))
    for timeframe in ("1m", "5m", "15m", "1h", "2h"):
        seen = earliest.candles("BTC/USDT", timeframe, now=earliest.start, limit=2000)
        assert (len(seen), seen.gap_bars) == (2000, 0)
    first = feed.candles("BTC/USDT", "1d", now=HISTORY + timedelta(days=3), limit=100)
    assert (len(first), at_ms(int(first.open_ms[0]))) == (3, HISTORY)


def test_blocks_meet_without_a_jump(feed: SyntheticFeed) -> None:
    seam = at_ms((ms_of(START) // BLOCK_MS + 1) * BLOCK_MS)
    for symbol in feed.symbols:
        seen = feed.candles(symbol, "1m", now=seam + timedelta(minutes=60), limit=120)
        assert (seen.gap_bars, len(seen)) == (0, 120)
        assert (seen.open[1:] == seen.close[:-1]).all()
        assert np.abs(np.diff(np.log(seen.close))).max() < 0.02


def test_prices_lie_on_the_tick_grid(feed: SyntheticFeed) -> None:
    seen = feed.candles("SOL/USDT", "1m", now=START, limit=5000)
    for prices in (seen.open, seen.high, seen.low, seen.close):
        assert (np.round(prices, 2) == prices).all()


def test_symbols_move_together(feed: SyntheticFeed) -> None:
    closes = [feed.candles(symbol, "1h", now=START, limit=8000).close for symbol in feed.symbols]
    correlations = np.corrcoef(np.diff(np.log(closes)))[np.triu_indices(3, 1)]
    assert ((correlations > 0.65) & (correlations < 0.92)).all()


def test_there_are_calm_and_wild_hours_and_volume_follows(feed: SyntheticFeed) -> None:
    seen = feed.candles("BTC/USDT", "1m", now=START, limit=MONTH)
    hourly = np.diff(np.log(seen.close), prepend=np.log(seen.open[0])).reshape(-1, 60).std(axis=1)
    assert np.percentile(hourly, 90) > 2.5 * np.percentile(hourly, 10)
    assert np.corrcoef(hourly, seen.volume.reshape(-1, 60).mean(axis=1))[0, 1] > 0.7
    assert 0.02 < np.diff(np.log(seen.close)).std() * np.sqrt(1440) < 0.06  # daily volatility


@pytest.mark.parametrize("seed", [7, 1, 2, 3])
def test_strategies_find_something_to_do(seed: int) -> None:
    feed = synthetic_feed(seed=seed)
    for symbol in feed.symbols:
        close = feed.candles(symbol, "1m", now=START + timedelta(days=30), limit=MONTH).close
        above = (ema(close, 12) > ema(close, 26))[200:]
        assert 10 < len(above) / np.count_nonzero(np.diff(above)) < 32  # bars between two crosses
        strength = rsi(close, 14)[200:]
        for touched in (strength < 30, strength > 70):
            assert 20 < len(touched) / np.count_nonzero(np.diff(touched.astype(int)) > 0) < 200


def test_nonsense_is_refused_with_a_hint() -> None:
    for symbols, start in ((["BTCUSDT"], START), (["BTC/"], START), ([], START), (["BTC/USDT"], HISTORY)):
        with pytest.raises(BadInput) as error:
            synthetic_feed(symbols, start=start)
        assert error.value.hint
