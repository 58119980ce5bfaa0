"""File names: which symbol and timeframe a candle file holds, said by its name.

``binance_BTCUSDT_5m_2022-12_2023-10.parquet``, ``BTCUSDT-5m-2023-01.csv`` (Binance's archive), ``BTC_USDT-5m.feather``
(freqtrade), ``lean_SPY_daily.parquet``: whatever stands before the timeframe is the symbol, perhaps after a source.
"""

import re
from pathlib import Path
from typing import NamedTuple

from trade_mcp.domain.errors import CandleFileError
from trade_mcp.domain.market import TIMEFRAMES

QUOTES = ("FDUSD", "USDT", "USDC", "BUSD", "TUSD", "USD", "EUR", "GBP", "TRY", "JPY", "BTC", "ETH", "BNB", "DAI")
STOCK_QUOTE = "USD"
WORDS = {"minute": "1m", "hour": "1h", "hourly": "1h", "day": "1d", "daily": "1d", "60m": "1h", "24h": "1d"}
LENGTH = re.compile(r"(\d+)(m|min|h|hour|d|D|day)")
NAME_IT = 'name it like binance_BTCUSDT_5m.parquet, or say it in [feed] symbols = {"FILE" = "BTC/USDT 5m"}'


class Label(NamedTuple):
    """What a candle file holds."""

    symbol: str
    timeframe: str


def label_of(path: Path) -> Label:
    """Symbol and timeframe from the name of ``path``. Raises CandleFileError if it does not say them.

    >>> label_of(Path("bitfinex_BTCUSD_1m_2018_2019.parquet"))
    Label(symbol='BTC/USD', timeframe='1m')
    >>> label_of(Path("us_SPY_5min.parquet"))
    Label(symbol='SPY/USD', timeframe='5m')
    """
    words = re.split(r"[_\-]", path.stem)
    for at, word in enumerate(words):
        if at and (timeframe := _timeframe(word)):
            break
    else:
        raise CandleFileError(
            f"{path}: its name says no timeframe this desk has ({', '.join(TIMEFRAMES)})", hint=NAME_IT
        )
    symbol = _symbol(words[:at])
    if symbol is None:
        raise CandleFileError(f"{path}: its name says no symbol before {words[at]!r}", hint=NAME_IT)
    return Label(symbol, timeframe)


def _timeframe(word: str) -> str | None:
    if found := LENGTH.fullmatch(word):
        count, unit = found.groups()
        word = f"{int(count)}{unit[0].lower()}"  # 1M, a month, does not match
    name = WORDS.get(word.lower(), word)
    return name if name in TIMEFRAMES else None


def _symbol(words: list[str]) -> str | None:
    """``["binance", "BTCUSDT"]``, ``["BTC", "USDT"]``, ``["kraken", "BTC", "USD"]`` or ``["SPY"]``."""
    upper = [word.upper() for word in words]
    if not all(re.fullmatch(r"[A-Z0-9.]+", word) for word in upper) or len(upper) > 3:
        return None
    if len(upper) >= 2 and upper[-1] in QUOTES:
        return f"{upper[-2]}/{upper[-1]}" if upper[-2] != upper[-1] else None  # BTC_USDT_USDT is a future
    if len(upper) == 3:  # as the candle store names them
        return f"{upper[1]}/{upper[2]}" if upper[1] != upper[2] else None
    joined = upper[-1]
    for quote in QUOTES:
        base = joined.removesuffix(quote)
        if base != joined and len(base) >= 2:
            return f"{base}/{quote}"
    return f"{joined}/{STOCK_QUOTE}"
