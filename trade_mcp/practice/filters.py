"""Filters: the limits of a symbol, as Binance publishes them under Filters. Each refuses with -1013 and its name."""

from collections.abc import Collection
from decimal import Decimal

from trade_mcp.domain.instrument import ZERO
from trade_mcp.domain.order import Side, TimeInForce
from trade_mcp.practice.errors import filtered, rejected
from trade_mcp.practice.listing import Pair
from trade_mcp.practice.ticket import ALGO, PRICED, STOPS, Kind, Spec, Ticket


def check_filters(spec: Spec, pair: Pair, *, average: Decimal, fresh: Collection[Ticket]) -> None:
    """``average`` is the weighted price of the last minutes; ``fresh`` are the open orders of the account here."""
    for price in (spec.price, spec.stop_price):
        if price is not None:
            _price(price, pair)
    if spec.price is not None:
        _percent_price(spec, pair, average)
    if spec.quote_quantity is None:
        _lot(spec.quantity, pair, "LOT_SIZE")
        if spec.kind not in PRICED:
            _lot(spec.quantity, pair, "MARKET_LOT_SIZE")
    _notional(spec, pair, average)
    _iceberg(spec, pair)
    _trailing(spec, pair)
    _counts(spec, pair, fresh)


def _price(price: Decimal, pair: Pair) -> None:
    least, most, tick = (pair.number("PRICE_FILTER", key) for key in ("minPrice", "maxPrice", "tickSize"))
    if price <= 0 or price < least or (most and price > most) or (tick and price % tick):
        raise filtered("PRICE_FILTER")


def _percent_price(spec: Spec, pair: Pair, average: Decimal) -> None:
    assert spec.price is not None
    name, side = "PERCENT_PRICE_BY_SIDE", "bid" if spec.side is Side.BUY else "ask"
    up, down = pair.number(name, f"{side}MultiplierUp"), pair.number(name, f"{side}MultiplierDown")
    if (up and spec.price > average * up) or spec.price < average * down:
        raise filtered(name)


def _lot(quantity: Decimal, pair: Pair, name: str) -> None:
    least, most, step = (pair.number(name, key) for key in ("minQty", "maxQty", "stepSize"))
    if quantity <= 0 or quantity < least or (most and quantity > most) or (step and quantity % step):
        raise filtered(name)


def _notional(spec: Spec, pair: Pair, average: Decimal) -> None:
    """A market order counts at the average price, one with a trigger and no limit at its trigger."""
    name = "NOTIONAL" if "NOTIONAL" in pair.filters else "MIN_NOTIONAL"
    market = spec.kind is Kind.MARKET
    worth = spec.quote_quantity or spec.quantity * (spec.price or spec.stop_price or average)
    if worth <= 0:
        raise rejected("Price * QTY is zero or less.")
    applies_min = not market or pair.flag(name, "applyMinToMarket") or pair.flag(name, "applyToMarket")
    if applies_min and worth < pair.number(name, "minNotional"):
        raise filtered(name)
    most = pair.number(name, "maxNotional")
    if most and worth > most and (not market or pair.flag(name, "applyMaxToMarket")):
        raise filtered(name)


def _iceberg(spec: Spec, pair: Pair) -> None:
    if not spec.iceberg:
        return
    _lot(spec.iceberg, pair, "LOT_SIZE")
    if spec.iceberg >= spec.quantity:
        raise rejected("IcebergQty exceeds QTY.")
    parts = -(-spec.quantity // spec.iceberg)
    if spec.tif not in (None, TimeInForce.GTC) or parts > pair.number("ICEBERG_PARTS", "limit"):
        raise filtered("ICEBERG_PARTS")


def _trailing(spec: Spec, pair: Pair) -> None:
    if spec.delta is None:
        return
    way = "Above" if (spec.kind in STOPS) is (spec.side is Side.BUY) else "Below"
    least, most = (pair.number("TRAILING_DELTA", f"{end}Trailing{way}Delta") for end in ("min", "max"))
    if not least <= spec.delta <= (most or ZERO):
        raise filtered("TRAILING_DELTA")


def _counts(spec: Spec, pair: Pair, fresh: Collection[Ticket]) -> None:
    most = pair.number("MAX_NUM_ORDERS", "maxNumOrders")
    if most and len(fresh) >= most:
        raise filtered("MAX_NUM_ORDERS")
    algo = pair.number("MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders")
    if spec.kind in ALGO and algo and sum(ticket.spec.kind in ALGO for ticket in fresh) >= algo:
        raise filtered("MAX_NUM_ALGO_ORDERS")
