"""Exact: what leaves a feed as money, made from the floats of candles: Decimals, bars and quotes."""

from datetime import datetime, timedelta
from decimal import Decimal

from trade_mcp.domain.market import Bar, Quote
from trade_mcp.quant.candles import Candles, at_ms


def exact(number: float) -> Decimal:
    """The decimal number a float was written as: 15 digits, which every double holds.

    >>> exact(0.1 + 0.2), exact(13752.18233851)
    (Decimal('0.3'), Decimal('13752.18233851'))
    """
    return Decimal(f"{number:.15g}")


def bars_of(candles: Candles) -> list[Bar]:
    """Every candle as an exact bar, oldest first."""
    columns = (candles.open, candles.high, candles.low, candles.close, candles.volume)
    step = candles.step
    rows = zip(candles.open_ms.tolist(), *(column.tolist() for column in columns), strict=True)
    return [
        Bar(candles.symbol, at, at + step, exact(open_), exact(high), exact(low), exact(close), exact(volume))
        for at, open_, high, low, close, volume in ((at_ms(ms), *prices) for ms, *prices in rows)
    ]


def quote_of(
    symbol: str,
    close: float,
    *,
    at: datetime,
    step: timedelta,
    spread: Decimal,
    tick: Decimal,
    synthetic: bool,
) -> Quote:
    """The quote a bar's ``close`` stands for from ``at`` on, until the next bar is due ``step`` later.

    Ask - bid is ``spread`` (a fraction of the price) in whole ticks, at least one, around the close.

    >>> day = datetime(2023, 1, 1)
    >>> made = quote_of("SOL/USDT", 14.16, at=day, step=timedelta(minutes=5), spread=Decimal("0.0002"),
    ...                 tick=Decimal("0.01"), synthetic=False)
    >>> made.bid, made.ask
    (Decimal('14.16'), Decimal('14.17'))
    """
    price = exact(close)
    if spread:
        width = max(1, round(spread * price / tick))
        bid = (price // tick - width // 2) * tick
        ask = bid + width * tick
    else:
        bid = ask = price
    return Quote(symbol, bid, ask, at=at, due_at=at + step, synthetic=synthetic)
