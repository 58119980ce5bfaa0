"""Instruments: from a file of exchange metadata (the shape of Binance's exchangeInfo), else sane defaults."""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import msgspec

from trade_mcp.domain.errors import BadConfig
from trade_mcp.domain.instrument import Instrument, spot

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


def load_instruments(
    symbols: Sequence[str], *, path: Path | None = None, prices: Mapping[str, Decimal] | None = None
) -> dict[str, Instrument]:
    """The instruments of ``symbols``: as ``path`` says for those it knows, else defaults.

    ``prices`` are typical ones, by symbol: steps of a coin that is not in `STEPS` follow from its price.
    Raises BadConfig for a file that cannot be read or understood.
    """
    known = read_exchange_info(path) if path is not None else {}
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


def read_exchange_info(path: Path) -> dict[str, Instrument]:
    """Every pair of an exchangeInfo file, by our symbol ("BTC/USDT"). Raises BadConfig."""
    try:
        content = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        pairs = [_instrument(pair) for pair in content["symbols"]]
    except OSError as error:
        raise BadConfig(
            f"the exchange metadata {path} cannot be read: {error}", hint="see paper.instruments"
        ) from error
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError, InvalidOperation, ValueError) as error:
        raise BadConfig(
            f"{path} is not exchange metadata: {type(error).__name__} {error}",
            hint="paper.instruments wants the JSON that Binance answers to /api/v3/exchangeInfo",
        ) from error
    return {pair.symbol: pair for pair in pairs}


def _instrument(pair: dict[str, Any]) -> Instrument:
    filters = {each["filterType"]: each for each in pair["filters"]}
    price, lot, market = filters["PRICE_FILTER"], filters["LOT_SIZE"], filters.get("MARKET_LOT_SIZE")
    notional = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL") or {}
    symbol = f"{pair['baseAsset']}/{pair['quoteAsset']}"
    usual = default_instrument(symbol)
    step = max(_step(lot["stepSize"]), _step(market["stepSize"]) if market else Decimal(0))
    found = {
        "tick": _step(price["tickSize"]) or usual.tick,
        "lot": step or usual.lot,
        "min_size": max(Decimal(lot["minQty"]), step),
        "max_size": Decimal(lot["maxQty"]),
        "min_notional": Decimal(notional.get("minNotional", MIN_NOTIONAL)).normalize(),
        "max_notional": Decimal(notional.get("maxNotional", usual.max_notional)).normalize(),
    }
    if not all(number.is_finite() and number >= 0 for number in found.values()):
        raise ValueError(f"{symbol}: every number in its filters must be finite and not below 0")
    return msgspec.structs.replace(usual, **found)


def _step(text: str) -> Decimal:
    """A step without its padding: "0.01000000" is 0.01."""
    return Decimal(text).normalize()


def _power(exponent: int) -> str:
    return f"{Decimal(1).scaleb(exponent):f}"
