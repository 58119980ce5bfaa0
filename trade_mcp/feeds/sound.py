"""Sound: which prices from outside are prices at all. What is not is refused before anything is compared with it."""

import math
from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from trade_mcp.feeds.exact import exact

MOST = Decimal(10) ** 15  # above any price in any currency

type Row = tuple[int, float, float, float, float, float]  # open_ms, open, high, low, close, volume


def sound_price(value: Any) -> Decimal | None:
    """``value`` as a price: a number above zero that a price can be; None for anything else.

    >>> sound_price("61234.50"), sound_price(0.1 + 0.2), sound_price(float("nan")), sound_price(-1), sound_price(None)
    (Decimal('61234.5'), Decimal('0.3'), None, None, None)
    """
    number = _decimal(value)
    return number if number is not None and number > 0 else None


def sound_size(value: Any) -> Decimal | None:
    """``value`` as a size in base units: not below zero; None for anything else."""
    number = _decimal(value)
    return number if number is not None and number >= 0 else None


def sound_pair(bid: Any, ask: Any) -> tuple[Decimal, Decimal] | None:
    """Bid and ask if both are prices and they do not cross; else None."""
    low, high = sound_price(bid), sound_price(ask)
    return (low, high) if low is not None and high is not None and low <= high else None


def sound_side(levels: Iterable[Any]) -> tuple[tuple[Decimal, Decimal], ...] | None:
    """One side of a book; None if a level of it is none."""
    side = [(sound_price(level[0]), sound_size(level[1])) for level in levels]
    found = tuple((price, size) for price, size in side if price is not None and size is not None)
    return found if len(found) == len(side) else None


def sound_rows(rows: Iterable[Sequence[Any]], step_ms: int) -> tuple[list[Row], list[str]]:
    """The rows that could be candles, oldest first and each once (the last said of it), and what is wrong with others.

    >>> sound_rows([[60_000, 1, 2, 0.5, 1.5, 10], [120_000, 1, 2, float("nan"), 1, 1]], 60_000)
    ([(60000, 1.0, 2.0, 0.5, 1.5, 10.0)], ['the candle of 120000 is [120000, 1, 2, nan, 1, 1]'])
    """
    found: dict[int, Row] = {}
    wrong = []
    for row in rows:
        if (one := _row(row, step_ms)) is None:
            wrong.append(f"the candle of {row[0] if len(row) else 'no time'} is {str(list(row))[:120]}")
        else:
            found[one[0]] = one
    return [found[open_ms] for open_ms in sorted(found)], wrong


def _row(row: Sequence[Any], step_ms: int) -> Row | None:
    try:
        at = int(row[0])
        opened, high, low, close, volume = (float(value) for value in row[1:6])
    except (TypeError, ValueError):
        return None
    prices = (opened, high, low, close)
    if at <= 0 or at % step_ms or not all(math.isfinite(price) and price > 0 for price in prices):
        return None
    if not (low <= min(opened, close) and high >= max(opened, close) and math.isfinite(volume) and volume >= 0):
        return None
    return at, opened, high, low, close, volume


def _decimal(value: Any) -> Decimal | None:
    if value is None or isinstance(value, bool):
        return None
    try:
        number = exact(value) if isinstance(value, float | int) else Decimal(str(value))
    except (InvalidOperation, ValueError):
        return None
    return Decimal(f"{number.normalize():f}") if number.is_finite() and abs(number) < MOST else None
