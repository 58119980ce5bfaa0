"""Listing: what trades here, as exchangeInfo tells it; from a file of real metadata, else with usual filters."""

from collections.abc import Collection, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from trade_mcp.domain.errors import BadConfig
from trade_mcp.domain.instrument import ZERO, Instrument
from trade_mcp.venues.metadata import load_instruments

NOT_HERE = {"amendAllowed": False, "isMarginTradingAllowed": False}
MAKER_FEE = TAKER_FEE = Decimal("0.001")
RATE_LIMITS: list[dict[str, Any]] = [
    {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100},
    {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 200000},
    {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 61000},
]


class Pair:
    """One symbol: its entry in exchangeInfo, its filters by type, and the instrument the matching knows."""

    def __init__(self, entry: dict[str, Any], instrument: Instrument):
        self.entry, self.instrument = entry | NOT_HERE, instrument
        self.symbol, self.id = instrument.symbol, str(entry["symbol"])
        self.filters: dict[str, dict[str, Any]] = {each["filterType"]: each for each in entry["filters"]}

    def number(self, filter_: str, key: str) -> Decimal:
        """A number of a filter; 0 where there is none: not limited."""
        return Decimal(str(self.filters.get(filter_, {}).get(key, ZERO)))

    def flag(self, filter_: str, key: str) -> bool:
        return bool(self.filters.get(filter_, {}).get(key, False))


class Listing:
    """Every pair of the exchange, by its id (BTCUSDT), and the limits on requests."""

    def __init__(self, pairs: Mapping[str, Pair], rate_limits: list[dict[str, Any]]):
        self.pairs, self.rate_limits = dict(pairs), rate_limits
        self.by_symbol = {pair.symbol: pair for pair in self.pairs.values()}

    def limit(self, kind: str, interval: str) -> int:
        found = (x["limit"] for x in self.rate_limits if (x["rateLimitType"], x["interval"]) == (kind, interval))
        return int(next(found))


def list_pairs(symbols: Collection[str], *, path: Path | None, prices: Mapping[str, Decimal]) -> Listing:
    """The pairs of ``symbols``; ``path`` is an exchangeInfo file. Raises BadConfig."""
    instruments = load_instruments(symbols, path=path, prices=prices)
    real = {} if path is None else _entries(path)
    pairs: dict[str, Pair] = {}
    for symbol, instrument in instruments.items():
        entry = real.get(symbol) or _usual(instrument)
        pairs[entry["symbol"]] = Pair(entry, instrument)
    limits = RATE_LIMITS if path is None else _content(path).get("rateLimits") or RATE_LIMITS
    return Listing(pairs, limits)


def _content(path: Path) -> dict[str, Any]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError) as error:
        raise BadConfig(f"the exchange metadata {path} cannot be read: {error}", hint="see --exchange-info") from error


def _entries(path: Path) -> dict[str, dict[str, Any]]:
    return {f"{each['baseAsset']}/{each['quoteAsset']}": each for each in _content(path)["symbols"]}


def _usual(of: Instrument) -> dict[str, Any]:
    """An entry with the filters a pair of Binance has (numbers of BTCUSDT in August 2025 where nothing else says)."""

    def said(number: Decimal) -> str:
        return f"{number:.8f}"

    lot = {"minQty": said(of.min_size), "maxQty": said(of.max_size), "stepSize": said(of.lot)}
    filters: list[dict[str, Any]] = [
        {"filterType": "PRICE_FILTER", "minPrice": said(of.tick), "maxPrice": "10000000", "tickSize": said(of.tick)},
        {"filterType": "LOT_SIZE", **lot},
        {"filterType": "ICEBERG_PARTS", "limit": 10},
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": "0.00000000",
            "maxQty": said(of.max_size),
            "stepSize": "0.00000000",
        },
        {
            "filterType": "TRAILING_DELTA",
            "minTrailingAboveDelta": 10,
            "maxTrailingAboveDelta": 2000,
            "minTrailingBelowDelta": 10,
            "maxTrailingBelowDelta": 2000,
        },
        {
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": "5",
            "bidMultiplierDown": "0.2",
            "askMultiplierUp": "5",
            "askMultiplierDown": "0.2",
            "avgPriceMins": 5,
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": said(of.min_notional),
            "applyMinToMarket": True,
            "maxNotional": said(of.max_notional),
            "applyMaxToMarket": False,
            "avgPriceMins": 5,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5},
    ]
    kinds = ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"]
    return {
        "symbol": of.base + of.quote,
        "status": "TRADING",
        "baseAsset": of.base,
        "baseAssetPrecision": 8,
        "quoteAsset": of.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": kinds,
        "icebergAllowed": True,
        "ocoAllowed": True,
        "otoAllowed": True,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "amendAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": filters,
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT"],
    }
