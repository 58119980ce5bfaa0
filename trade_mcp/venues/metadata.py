"""Instruments: from a file of exchange metadata (the shape of Binance's exchangeInfo), else sane defaults."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from trade_mcp.domain.errors import BadConfig, FeedError
from trade_mcp.domain.instrument import Instrument, spot
from trade_mcp.ports import Feed

MIN_NOTIONAL = "5"  # quote currency
STEPS: dict[str, tuple[str, str]] = {  # base -> tick, lot of the larger exchanges' dollar pairs
    "BTC": ("0.01", "0.00001"),
    "ETH": ("0.01", "0.0001"),
    "BNB": ("0.01", "0.001"),
    "SOL": ("0.01", "0.001"),
    "AVAX": ("0.01", "0.01"),
    "LINK": ("0.01", "0.01"),
    "LTC": ("0.01", "0.001"),
    "XRP": ("0.0001", "0.1"),
    "ADA": ("0.0001", "0.1"),
    "DOGE": ("0.00001", "1"),
}


def typical_prices(feed: Feed) -> dict[str, Decimal]:
    """A price of each symbol that is the same at every start: steps must not change with the market."""
    prices: dict[str, Decimal] = {}
    for symbol in feed.symbols:
        with suppress(FeedError):
            prices[symbol] = feed.quote(symbol, now=feed.start).mid
    return prices


def load_instruments(
    symbols: Collection[str], *, path: Path | None = None, prices: Mapping[str, Decimal] | None = None
) -> dict[str, Instrument]:
    """The instruments of ``symbols``: as ``path`` says for those it knows, else defaults.

    ``prices`` are typical ones, by symbol: steps of a coin that is not in `STEPS` follow from its price.
    Raises BadConfig for a file that cannot be read or understood.
    """
    known = read_exchange_info(path, symbols) if path is not None else {}
    prices = prices or {}
    return {symbol: known.get(symbol) or default_instrument(symbol, price=prices.get(symbol)) for symbol in symbols}


def default_instrument(symbol: str, *, price: Decimal | None = None) -> Instrument:
    """A spot pair with usual steps: five digits of price, a lot worth about a tenth of a unit of the quote currency.

    >>> xyz = default_instrument("XYZ/USDT", price=Decimal("2.5"))
    >>> xyz.tick, xyz.lot
    (Decimal('0.0001'), Decimal('0.1'))
    """
    base = symbol.partition("/")[0]
    if base in STEPS:
        tick, lot = STEPS[base]
    elif price is not None and price > 0:
        digits = price.adjusted()  # 0 for 2.5, 4 for 60000
        tick, lot = _power(max(min(digits - 4, -2), -8)), _power(max(min(-digits - 1, 0), -5))
    else:
        tick, lot = "0.01", "0.0001"
    return spot(symbol, tick=tick, lot=lot, min_notional=MIN_NOTIONAL)


def read_exchange_info(path: Path, symbols: Collection[str]) -> dict[str, Instrument]:
    """Those of ``symbols`` ("BTC/USDT") that an exchangeInfo file has. Raises BadConfig."""
    try:
        content = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        pairs = {f"{pair['baseAsset']}/{pair['quoteAsset']}": pair["filters"] for pair in content["symbols"]}
        return {symbol: _instrument(symbol, pairs[symbol]) for symbol in symbols if symbol in pairs}
    except OSError as error:
        raise BadConfig(
            f"the exchange metadata {path} cannot be read: {error}", hint="see paper.instruments"
        ) from error
    except (msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
        raise BadConfig(
            f"{path} is not exchange metadata: {type(error).__name__}: {error}",
            hint="paper.instruments wants the JSON that Binance answers to /api/v3/exchangeInfo",
        ) from error


def _instrument(symbol: str, listed: list[dict[str, Any]]) -> Instrument:
    """What the filters of a pair say. A step or limit of zero means "not limited"; a market order's limits hold for
    every order, because a stop becomes one."""
    filters = {each["filterType"]: each for each in listed}
    price, lots = filters["PRICE_FILTER"], [filters["LOT_SIZE"]]
    if "MARKET_LOT_SIZE" in filters:
        lots.append(filters["MARKET_LOT_SIZE"])
    notional = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL") or {}
    usual = default_instrument(symbol)
    lot = max(_number(each["stepSize"]) for each in lots) or usual.lot
    return structs.replace(
        usual,
        tick=_number(price["tickSize"]) or usual.tick,
        lot=lot,
        min_size=max(lot, *(_number(each["minQty"]) for each in lots)),
        max_size=min((most for each in lots if (most := _number(each["maxQty"]))), default=usual.max_size),
        min_notional=_number(notional.get("minNotional", MIN_NOTIONAL)),
        max_notional=_number(notional.get("maxNotional", "0")) or usual.max_notional,
    )


def _number(text: object) -> Decimal:
    """A number without its padding: "0.01000000" is 0.01. Raises ValueError for what is none, or below 0."""
    try:
        number = Decimal(text) if isinstance(text, str) else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number < 0:
        raise ValueError(f"{text!r} is not a number that a filter can have")
    return Decimal(f"{number.normalize():f}")


def _power(exponent: int) -> str:
    return f"{Decimal(1).scaleb(exponent):f}"
