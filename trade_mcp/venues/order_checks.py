"""What is refused before an order is taken or sent: the limits of the exchange, each said in numbers."""

from datetime import datetime
from decimal import Decimal

from trade_mcp.domain.errors import VenueRejected
from trade_mcp.domain.instrument import Instrument
from trade_mcp.domain.market import Quote
from trade_mcp.domain.matching import LIMITED, UNTRIGGERED, would_take
from trade_mcp.domain.order import Order, OrderType, Side


def check_group(orders: tuple[Order, ...]) -> None:
    """One order, or the two legs of one OCO."""
    if len(orders) == 1:
        return
    if len(orders) != 2:
        raise VenueRejected(f"{len(orders)} orders at once; one, or the two legs of an OCO")
    first, second = orders
    if not first.group or (first.group, first.symbol, first.side) != (second.group, second.symbol, second.side):
        raise VenueRejected("the two legs of an OCO share group, symbol and side")


def check_in_time(order: Order, now: datetime) -> None:
    """Nothing is taken after its ``send_by`` (real time): the sender counts it as never placed."""
    if now > order.send_by:
        late_s = (now - order.send_by).total_seconds()
        raise VenueRejected(f"{order.order_id} arrived {late_s:.3f} s after its send_by")


def check_order(order: Order, instrument: Instrument, *, quote: Quote | None) -> None:
    """Raises VenueRejected with the number that is wrong."""
    _check_prices(order, instrument)
    _check_size(order, instrument, quote)
    if order.post_only:
        if order.type is not OrderType.LIMIT:
            raise VenueRejected(f"post_only is for limit orders, not for {order.type}")
        if quote is not None and would_take(order, quote):
            raise VenueRejected(
                f"post_only: {order.side} at {order.limit_price} would match at once, bid {quote.bid}, ask {quote.ask}"
            )


def _check_prices(order: Order, instrument: Instrument) -> None:
    wants_trigger = order.type not in UNTRIGGERED and order.type is not OrderType.TRAILING_STOP
    for name, price, wanted in (
        ("limit price", order.limit_price, order.type in LIMITED),
        ("trigger price", order.trigger_price, wants_trigger),
    ):
        if price is None:
            if wanted:
                raise VenueRejected(f"a {order.type} order needs a {name}")
        elif not price.is_finite() or price <= 0:
            raise VenueRejected(f"the {name} {price} is not a price")
        elif price % instrument.tick:
            raise VenueRejected(f"the {name} {price} is not a multiple of the tick {instrument.tick}")
    if order.type is OrderType.TRAILING_STOP:
        trail = order.trailing
        fraction, amount = (trail.fraction, trail.amount) if trail is not None else (None, None)
        if not ((fraction is not None and 0 < fraction < 1) or (amount is not None and amount > 0)):
            raise VenueRejected("a trailing_stop needs a distance: a fraction between 0 and 1, or an amount above 0")


def _check_size(order: Order, instrument: Instrument, quote: Quote | None) -> None:
    size = order.size
    if not size.is_finite() or size <= 0:
        raise VenueRejected(f"the size {size} is not a size")
    if size % instrument.lot:
        raise VenueRejected(f"the size {size} is not a multiple of the lot {instrument.lot}")
    if size < instrument.min_size:
        raise VenueRejected(f"the size {size} is below the minimum {instrument.min_size}")
    if size > instrument.max_size:
        raise VenueRejected(f"the size {size} is above the maximum {instrument.max_size}")
    price = notional_price(order, quote)
    if price is None:
        return
    notional = size * price
    if notional < instrument.min_notional:
        raise VenueRejected(f"{notional:f} {instrument.quote} is below the minimum notional {instrument.min_notional}")
    if notional > instrument.max_notional:
        raise VenueRejected(f"{notional:f} {instrument.quote} is above the maximum notional {instrument.max_notional}")


def notional_price(order: Order, quote: Quote | None) -> Decimal | None:
    """The price an order is worth at: its limit, its trigger, or the quote; None if there is none of them."""
    if order.limit_price is not None:
        return order.limit_price
    if order.trigger_price is not None:
        return order.trigger_price
    if quote is None:
        return None
    return quote.ask if order.side is Side.BUY else quote.bid
