"""Our orders as ccxt and the exchange want them: type, price, parameters. What cannot be said is refused, not bent."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from trade_mcp.domain.errors import VenueRejected
from trade_mcp.domain.instrument import ZERO, Instrument
from trade_mcp.domain.order import Order, OrderType, Role, Side, TimeInForce
from trade_mcp.venues.capabilities import Capabilities
from trade_mcp.venues.order_checks import check_order

TRIGGERS = {
    OrderType.STOP: "stopLossPrice",
    OrderType.STOP_LIMIT: "stopLossPrice",
    OrderType.TAKE_PROFIT: "takeProfitPrice",
}
PAIRED_STOPS = {OrderType.STOP: "STOP_LOSS", OrderType.STOP_LIMIT: "STOP_LOSS_LIMIT"}


class Asked(NamedTuple):
    """The arguments of ccxt's create_order, numbers as text."""

    symbol: str
    type: str  # "market", "limit"
    side: str
    amount: str
    price: str | None
    params: dict[str, Any]


def asked(order: Order, instrument: Instrument, can: Capabilities, *, client_id: str) -> Asked:
    """What to send for one order. Raises VenueRejected for what this exchange cannot do."""
    params: dict[str, Any] = {can.dialect.client_id_as: client_id, **can.dialect.placed_with}
    if (trigger := TRIGGERS.get(order.type)) is not None:
        params[trigger] = text(order.trigger_price)
    if order.post_only:
        params["postOnly"] = True
    limited, price = order.type in (OrderType.LIMIT, OrderType.STOP_LIMIT), order.limit_price
    if order.time_in_force is not TimeInForce.GTC and limited:
        params["timeInForce"] = order.time_in_force.value
    if order.type is OrderType.MARKET and order.side is Side.BUY and not can.market_buys:
        limited, price = True, instrument.price_down(order.worst_price)  # no more than was reserved
        params["timeInForce"] = TimeInForce.IOC.value
    kind = "limit" if limited else "market"
    return Asked(order.symbol, kind, order.side.value, text(order.size), text(price) if limited else None, params)


def check(order: Order, instrument: Instrument, can: Capabilities, *, closed: str) -> None:
    """Everything that can be known before sending. Raises VenueRejected, with the number or the word that is wrong.

    ``closed`` is why the symbol takes no entries, if it does not.
    """
    if closed and order.role is Role.ENTRY:
        raise VenueRejected(f"{order.symbol} {closed}", hint="find_instruments shows what trades there")
    if order.type is OrderType.TRAILING_STOP:
        raise VenueRejected(
            "a trailing_stop does not rest at this exchange",
            hint="set_exits with trailing: the desk moves a plain stop behind the price",
        )
    if order.type in (OrderType.STOP, OrderType.STOP_LIMIT) and not can.stops:
        raise VenueRejected(
            f"{order.type} orders do not rest at this exchange", hint="the desk watches the stops of positions itself"
        )
    if order.type is OrderType.TAKE_PROFIT and not can.take_profits:
        raise VenueRejected(
            "take_profit orders do not rest at this exchange", hint="a limit order above the price does"
        )
    if order.post_only and not can.post_only:
        raise VenueRejected("this exchange has no post_only orders")
    time = order.time_in_force
    if time is TimeInForce.DAY or (time is not TimeInForce.GTC and time.value not in can.times):
        raise VenueRejected(f"this exchange has no {time} orders", hint="GTC, and cancel it when the day is over")
    if time is TimeInForce.FOK and order.type is OrderType.MARKET:
        raise VenueRejected(
            "FOK needs a limit order at this exchange", hint="type limit, at the worst price you accept"
        )
    check_order(order, instrument, quote=None)
    if order.type is OrderType.MARKET and order.worst_price > ZERO:
        notional = order.size * order.worst_price
        if notional < instrument.min_notional:
            raise VenueRejected(
                f"{notional:f} {instrument.quote} is below the minimum notional {instrument.min_notional}"
            )


def pair(legs: tuple[Order, ...], *, pair_id: str, names: Mapping[str, str], market: str) -> dict[str, Any]:
    """The parameters of Binance's orderList/oco for a stop and its target; ``names`` are their client ids."""
    stop = next((leg for leg in legs if leg.type in PAIRED_STOPS), None)
    target = next((leg for leg in legs if leg.type is OrderType.LIMIT), None)
    if stop is None or target is None or stop.size != target.size:
        raise VenueRejected("an OCO here is a stop and a limit order of the same size")
    at_stop, at_target = ("below", "above") if stop.side is Side.SELL else ("above", "below")
    params = {
        "symbol": market,
        "side": stop.side.name,
        "quantity": text(stop.size),
        "listClientOrderId": pair_id,
        "newOrderRespType": "FULL",
        f"{at_stop}Type": PAIRED_STOPS[stop.type],
        f"{at_stop}ClientOrderId": names[stop.order_id],
        f"{at_stop}StopPrice": text(stop.trigger_price),
        f"{at_target}Type": "LIMIT_MAKER",
        f"{at_target}ClientOrderId": names[target.order_id],
        f"{at_target}Price": text(target.limit_price),
    }
    if stop.type is OrderType.STOP_LIMIT:
        params |= {f"{at_stop}Price": text(stop.limit_price), f"{at_stop}TimeInForce": "GTC"}
    return params


def text(number: Decimal | None) -> str:
    """A number as exchanges read it: no exponent."""
    assert number is not None, "checked before"
    return f"{number:f}"
