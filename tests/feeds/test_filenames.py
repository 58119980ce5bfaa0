"""What a file's name says."""

from pathlib import Path

import pytest

from trade_mcp.domain.errors import CandleFileError
from trade_mcp.feeds.filenames import label_of


@pytest.mark.parametrize(
    ("name", "symbol", "timeframe"),
    [
        ("binance_BTCUSDT_5m_2022-12_2023-10.parquet", "BTC/USDT", "5m"),
        ("binance_SOLUSDT_1h.parquet", "SOL/USDT", "1h"),
        ("bitfinex_BTCUSD_1m_2018_2019.parquet", "BTC/USD", "1m"),
        ("BTCUSDT-5m-2023-01.csv", "BTC/USDT", "5m"),
        ("ETHBTC-1d-2023-01-15.csv", "ETH/BTC", "1d"),
        ("BTC_USDT-5m.feather", "BTC/USDT", "5m"),
        ("kraken_BTC_USD_15m.csv", "BTC/USD", "15m"),
        ("lean_SPY_daily.parquet", "SPY/USD", "1d"),
        ("lean_AAPL_minute.parquet", "AAPL/USD", "1m"),
        ("us_SPY_5min.parquet", "SPY/USD", "5m"),
        ("us_BRK.B_60m.csv", "BRK.B/USD", "1h"),
        ("btcfdusd_1h.csv", "BTC/FDUSD", "1h"),
        ("1INCHUSDT-4h-2024-02.csv", "1INCH/USDT", "4h"),
        ("SPY_1D.csv", "SPY/USD", "1d"),
    ],
)
def test_a_name_says_symbol_and_timeframe(name: str, symbol: str, timeframe: str) -> None:
    assert label_of(Path("some") / "folder_5m" / name) == (symbol, timeframe)


@pytest.mark.parametrize(
    "name",
    [
        "prices.csv",
        "BTCUSDT.csv",
        "5m.csv",
        "BTCUSDT-1M-2023.csv",
        "BTCUSDT-8h.csv",
        "BTC_USDT_USDT-5m-futures.feather",
        "lean_factor_aapl.csv",
    ],
)
def test_a_name_that_does_not_say_is_refused_with_the_way_to_say_it(name: str) -> None:
    with pytest.raises(CandleFileError) as error:
        label_of(Path(name))
    assert name in error.value.message
    assert "[feed] symbols" in error.value.hint
