"""What ccxt says of orders, trades, balances and markets, in our words: from text to Decimal, never by a float."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from trade_mcp.domain.errors import OddAnswer
from trade_mcp.domain.instrument import ZERO, Instrument
from trade_mcp.domain.order import Fill, OrderType, Report, Side, Status
from trade_mcp.ports import Balance

DECIMAL_PLACES, TICK_SIZE = 2, 4  # ccxt's modes of precision
STATUSES = {
    "open": Status.WORKING,
    "PENDING_NEW": Status.WORKING,  # a leg that waits for another order to fill; ccxt has no word for it
    "canceling": Status.WORKING,
    "PENDING": Status.WORKING,  # on its way to the book, or out of it; ccxt leaves Coinbase's own words
    "QUEUED": Status.WORKING,
    "CANCEL_QUEUED": Status.WORKING,
    "EDIT_QUEUED": Status.WORKING,
    "closed": Status.FILLED,
    "canceled": Status.CANCELLED,
    "expired": Status.EXPIRED,
    "rejected": Status.REJECTED,
}
TYPES = {  # the exchange's own word, where ccxt keeps it; then ccxt's
    "LIMIT": OrderType.LIMIT,
    "LIMIT_MAKER": OrderType.LIMIT,
    "MARKET": OrderType.MARKET,
    "STOP_LOSS": OrderType.STOP,
    "STOP_LOSS_LIMIT": OrderType.STOP_LIMIT,
    "TAKE_PROFIT": OrderType.TAKE_PROFIT,
    "limit": OrderType.LIMIT,  # Kraken's
    "market": OrderType.MARKET,
    "stop-loss": OrderType.STOP,
    "stop-loss-limit": OrderType.STOP_LIMIT,
    "take-profit": OrderType.TAKE_PROFIT,
    "trailing-stop": OrderType.TRAILING_STOP,
}
HELD_UP = ("is_disabled", "view_only", "cancel_only", "post_only", "limit_only", "auction_mode")  # a market's own flags
LIMITED = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})
MOST = Decimal(10) ** 12  # where an exchange names no maximum
type Row = Mapping[str, Any]


@contextmanager
def understood(what: str) -> Iterator[None]:
    """What cannot be read in an answer is unknown: nobody knows what the exchange meant. Raises OddAnswer."""
    try:
        yield
    except (KeyError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
        raise OddAnswer(
            f"the exchange's answer about {what} makes no sense ({type(error).__name__}: {error})",
            hint="it is asked again; if it stays, ccxt may be too old for this exchange",
        ) from error


def exact(value: Any) -> Decimal | None:
    """A number of an answer without its padding; None where there is none.

    >>> exact("0.50000000"), exact("100"), exact(0.001), exact(None)
    (Decimal('0.5'), Decimal('100'), Decimal('0.001'), None)
    """
    if value is None or value == "":
        return None
    number = Decimal(str(value))
    if not number.is_finite():
        raise ValueError(f"{value!r} is no number")
    return Decimal(f"{number.normalize():f}")


def report(order: Row, fills: tuple[Fill, ...], *, order_id: str) -> Report:
    """What an order is now. Raises KeyError, ValueError, TypeError for one that makes no sense."""
    status, filled = STATUSES[order["status"]], exact(order["filled"])
    if filled is None:
        raise ValueError("an order without its filled size")
    kind, size = kind_of(order), exact(order.get("amount"))
    reason = _reason(order.get("info") or {})
    if status is Status.EXPIRED and filled == 0 and of_list(order):
        status, reason = Status.CANCELLED, "the other leg was filled"
    if status is Status.FILLED and size is not None and filled < size:
        status, reason = Status.CANCELLED, "the exchange calls it filled, with less than its size"
    return Report(
        order_id=order_id,
        venue_id=str(order["id"]),
        status=status,
        filled=filled,
        fills=fills,
        reason=reason,
        symbol=order.get("symbol") or "",
        side=Side(order["side"]) if order.get("side") else None,
        type=kind,
        size=size,
        trigger_price=_above_zero(order.get("triggerPrice") or order.get("stopPrice")),
        limit_price=_above_zero(order.get("price")) if kind in LIMITED else None,
    )


def _reason(said: Row) -> str:
    """Why it came to nothing, in the exchange's own words."""
    found = (str(said.get(name) or "") for name in ("reject_message", "rejectReason"))
    return next((word for word in found if word not in ("", "EC_NoError")), "")


def kind_of(order: Row) -> OrderType | None:
    """The type of an order, None where ccxt's words leave it open."""
    said = order.get("info") or {}
    own = (said.get("descr") or {}).get("ordertype") or said.get("type")
    if own in TYPES:
        trails = said.get("trailingDelta")
        return OrderType.TRAILING_STOP if trails else TYPES[own]
    triggered = order.get("triggerPrice") or order.get("stopPrice")
    return None if triggered else TYPES.get((order.get("type") or "").upper())


def of_list(order: Row) -> bool:
    """Whether an order is a leg of an OCO."""
    return str((order.get("info") or {}).get("orderListId", "-1")) != "-1"


def fill(
    trade: Row, *, order_id: str, symbol: str, at: datetime, worth: Callable[[str, Decimal, Decimal], Decimal]
) -> Fill:
    """A trade of one of the account's orders. ``worth(currency, fee, notional)`` is a fee in the quote currency."""
    size, price = exact(trade["amount"]), exact(trade["price"])
    if size is None or price is None or not trade.get("id"):
        raise ValueError("a trade without id, size or price")
    if (kind := (trade.get("info") or {}).get("trade_type", "FILL")) != "FILL":
        raise ValueError(f"{kind} of trade {trade['id']}: the exchange corrected it")
    paid = trade.get("fee") or {}
    fee = exact(paid.get("cost")) or ZERO
    base, _, quote = symbol.partition("/")
    own = (trade.get("info") or {}).get("feeCurrency")  # ccxt takes the coin that was bought, whatever was paid in
    currency = own or paid.get("currency") or quote
    value = fee if currency == quote else fee * price if currency == base else worth(currency, fee, size * price)
    return Fill(
        trade_id=str(trade["id"]),
        order_id=order_id,
        symbol=symbol,
        side=Side(trade["side"]),
        size=size,
        price=price,
        fee=fee,
        fee_currency=currency,
        fee_quote=value,
        at=at,
        maker=trade.get("takerOrMaker") == "maker",
    )


def balances(answer: Row) -> dict[str, Balance]:
    """All currencies of the account that are not zero."""
    if isinstance(own := answer.get("info"), Mapping) and own.get("has_next") is True:
        raise ValueError("a page of them is missing")
    found: dict[str, Balance] = {}
    for currency in answer["total"]:
        free, locked = exact(answer["free"].get(currency)), exact(answer["used"].get(currency))
        if free or locked:
            found[currency] = Balance(free or ZERO, locked or ZERO)
    return found


def instruments(markets: Iterable[Row], mode: int, fees: Mapping[str, Row]) -> dict[str, Instrument]:
    """The spot pairs that have a price step and a size step; ``fees`` are the account's own, by symbol."""
    found: dict[str, Instrument] = {}
    for market in markets:
        tick, lot = (step(market["precision"].get(key), mode) for key in ("price", "amount"))
        if tick is None or lot is None:
            continue
        tick = max(tick, exact((market.get("info") or {}).get("tick_size")) or tick)  # Kraken's; ccxt counts decimals
        limits, own = market["limits"], fees.get(market["symbol"]) or {}
        sizes, costs, at_market = (limits.get(key) or {} for key in ("amount", "cost", "market"))
        own_max = ((market.get("info") or {}).get("lotSizeFilter") or {}).get("maxMarketOrderQty")  # Bybit's
        most = [number for said in (sizes.get("max"), at_market.get("max"), own_max) if (number := _above_zero(said))]
        least = [number for limit in (sizes, at_market) if (number := _above_zero(limit.get("min")))]
        found[market["symbol"]] = Instrument(
            symbol=market["symbol"],
            base=market["base"],
            quote=market["quote"],
            tick=tick,
            lot=lot,
            min_size=max([lot, *least]),
            max_size=min(most, default=MOST),  # a market order's maximum holds for all: a stop becomes one
            min_notional=exact(costs.get("min")) or ZERO,
            max_notional=_above_zero(costs.get("max")) or MOST,
            maker_fee=_first(own.get("maker"), market.get("maker")),
            taker_fee=_first(own.get("taker"), market.get("taker")),
        )
    return found


def closed(markets: Iterable[Row], *, stops: bool, pairs: bool) -> dict[str, str]:
    """Symbols that take no entries, and why: what could not be protected is not bought. ``stops`` and ``pairs``: what
    is to rest there.
    """
    found: dict[str, str] = {}
    for market in markets:
        own = market.get("info") or {}
        types = own.get("orderTypes")
        if market.get("active") is False:
            found[market["symbol"]] = "is halted or delisted at the exchange"
        elif held_up := next((flag for flag in HELD_UP if own.get(flag) is True), None):
            found[market["symbol"]] = f"is {held_up.replace('_', ' ')} at the exchange"
        elif stops and types is not None and "STOP_LOSS" not in types:
            found[market["symbol"]] = "has no stops at the exchange: a position could not be protected"
        elif pairs and own.get("ocoAllowed") is False:
            found[market["symbol"]] = "takes no stop and target together at the exchange"
    return found


def step(precision: Any, mode: int) -> Decimal | None:
    """The step that ccxt calls a precision; None where it is none (significant digits) or missing."""
    number = exact(precision)
    if number is None or mode not in (DECIMAL_PLACES, TICK_SIZE):
        return None
    found = number if mode == TICK_SIZE else Decimal(1).scaleb(-int(number))
    return found if found > 0 else None


def moment(ms: Any) -> datetime | None:
    """A time of an answer."""
    return datetime.fromtimestamp(int(ms) / 1000, UTC) if ms is not None else None


def _above_zero(value: Any) -> Decimal | None:
    number = exact(value)
    return number if number is not None and number > 0 else None


def _first(*rates: Any) -> Decimal:
    return next((rate for each in rates if (rate := exact(each)) is not None), ZERO)
