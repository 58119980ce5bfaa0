"""Asked: the parameters of an order, or of the legs of a list, read into Specs by the rules of each type.

Names differ by a prefix alone: none for a single order, else ``above``, ``below``, ``working``, ``pending``,
``pendingAbove``, ``pendingBelow``.
"""

from collections.abc import Callable
from typing import Any

from trade_mcp.domain.order import Side, TimeInForce
from trade_mcp.practice.checks import check_relation
from trade_mcp.practice.errors import UNSUPPORTED, ApiError, missing, not_required, rejected
from trade_mcp.practice.listing import Pair
from trade_mcp.practice.params import Params
from trade_mcp.practice.ticket import ALGO, PRICED, TIMED, Kind, Leg, Spec

KINDS = {kind.value: kind for kind in Kind}
SIDES = {side.name: side for side in Side}
IN_FORCE = {"GTC": TimeInForce.GTC, "IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK}
ANSWERS = frozenset({"ACK", "RESULT", "FULL"})
LEAST_STRATEGY = 1_000_000
type Legs = list[tuple[Leg, Spec]]


def single(params: Params, pair: Pair, new_id: Callable[[], str]) -> Spec:
    """The order of POST order. Raises ApiError."""
    side = _side(params, "side")
    return _spec(params, pair, "", side=side, size="quantity", client="newClientOrderId", new_id=new_id)


def answer_kind(params: Params, spec_kind: Kind | None) -> str:
    """newOrderRespType: MARKET and LIMIT answer FULL if nothing is said, the others ACK."""
    said = params.choice("newOrderRespType", ANSWERS, ApiError(-1100, "Invalid newOrderRespType."))
    usual = "FULL" if spec_kind in (Kind.MARKET, Kind.LIMIT) else "ACK"
    return said or (usual if spec_kind is not None else "RESULT")


def oco(params: Params, pair: Pair, new_id: Callable[[], str]) -> Legs:
    side = _side(params, "side")
    legs = [_leg(params, pair, leg.value, side, leg, new_id) for leg in (Leg.ABOVE, Leg.BELOW)]
    return _checked(legs, pair, "ocoAllowed")


def old_oco(params: Params, pair: Pair, new_id: Callable[[], str]) -> Legs:
    """POST order/oco, the deprecated form: a limit and a stop."""
    side, limit = _side(params, "side"), params.text("stopLimitPrice")
    upper, lower = ("above", "below") if side is Side.SELL else ("below", "above")
    renamed: dict[str, str | None] = {
        "side": params.need("side"),
        "quantity": params.need("quantity"),
        f"{upper}Type": "LIMIT_MAKER",
        f"{upper}Price": params.need("price"),
        f"{upper}ClientOrderId": params.text("limitClientOrderId"),
        f"{lower}Type": "STOP_LOSS_LIMIT" if limit else "STOP_LOSS",
        f"{lower}StopPrice": params.need("stopPrice"),
        f"{lower}Price": limit,
        f"{lower}TimeInForce": params.text("stopLimitTimeInForce"),
        f"{lower}TrailingDelta": params.text("trailingDelta"),
        f"{lower}ClientOrderId": params.text("stopClientOrderId"),
    }
    return oco(Params({name: text for name, text in renamed.items() if text is not None}), pair, new_id)


def oto(params: Params, pair: Pair, new_id: Callable[[], str]) -> Legs:
    return _checked([_working(params, pair, new_id), _pending(params, pair, new_id)], pair, "otoAllowed")


def otoco(params: Params, pair: Pair, new_id: Callable[[], str]) -> Legs:
    side = _side(params, "pendingSide")
    legs = [
        _leg(params, pair, f"pending{leg.value.title()}", side, leg, new_id, size="pendingQuantity")
        for leg in (Leg.ABOVE, Leg.BELOW)
    ]
    return [*_checked([_working(params, pair, new_id)], pair, "otoAllowed"), *_checked(legs, pair, "ocoAllowed")]


LISTS: dict[str, tuple[str, Callable[[Params, Pair, Callable[[], str]], Legs]]] = {
    "orderList/oco": ("OCO", oco),
    "order/oco": ("OCO", old_oco),
    "orderList/oto": ("OTO", oto),
    "orderList/otoco": ("OTO", otoco),
}


def _working(params: Params, pair: Pair, new_id: Callable[[], str]) -> tuple[Leg, Spec]:
    side = _side(params, "workingSide")
    leg, spec = _leg(params, pair, "working", side, Leg.WORKING, new_id, size="workingQuantity")
    if spec.kind not in (Kind.LIMIT, Kind.LIMIT_MAKER):
        raise rejected(UNSUPPORTED)
    return leg, spec


def _pending(params: Params, pair: Pair, new_id: Callable[[], str]) -> tuple[Leg, Spec]:
    side = _side(params, "pendingSide")
    return _leg(params, pair, "pending", side, Leg.PENDING, new_id, size="pendingQuantity")


def _checked(legs: Legs, pair: Pair, allowed: str) -> Legs:
    if not pair.entry.get(allowed, True):
        raise rejected(f"{allowed.removesuffix('Allowed').upper()} orders are not supported for this symbol")
    by_leg = dict(legs)
    if Leg.ABOVE in by_leg:
        check_relation(by_leg[Leg.ABOVE], by_leg[Leg.BELOW])
    return legs


def _leg(
    params: Params, pair: Pair, prefix: str, side: Side, leg: Leg, new_id: Callable[[], str], *, size: str = "quantity"
) -> tuple[Leg, Spec]:
    client = f"{prefix}ClientOrderId"
    return leg, _spec(params, pair, prefix, side=side, size=size, client=client, new_id=new_id)


def _side(params: Params, name: str) -> Side:
    params.need(name)
    said = params.choice(name, SIDES, ApiError(-1117, "Invalid side."))
    assert said is not None
    return SIDES[said]


def _spec(
    params: Params, pair: Pair, prefix: str, *, side: Side, size: str, client: str, new_id: Callable[[], str]
) -> Spec:
    def name(word: str) -> str:
        return prefix + word[0].upper() + word[1:] if prefix else word

    params.need(name("type"))
    kind = KINDS[params.choice(name("type"), KINDS, ApiError(-1116, "Invalid orderType.")) or ""]
    _kind_allowed(kind, pair)
    client_id = params.client_id(client) or new_id()
    read: dict[str, Any] = {
        "price": params.decimal(name("price")),
        "stop_price": params.decimal(name("stopPrice")),
        "delta": params.integer(name("trailingDelta")),
        "tif": _in_force(params, name("timeInForce"), kind),
        "iceberg": params.decimal(name("icebergQty")) or 0,
    }
    quantity = params.decimal(size)
    quote_quantity = params.decimal("quoteOrderQty") if not prefix and kind is Kind.MARKET else None
    for word, value, wanted, allowed in (
        ("price", read["price"], kind in PRICED, kind in PRICED),
        ("stopPrice", read["stop_price"], kind in ALGO and read["delta"] is None, kind in ALGO),
        ("trailingDelta", read["delta"], False, kind in ALGO),
    ):
        if value is None and wanted:
            raise missing(name(word))
        if value is not None and not allowed:
            raise not_required(name(word))
    if quantity is not None and quote_quantity is not None:
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    if quantity is None and quote_quantity is None:
        raise missing(size)
    _strategy(params, name("strategyId"), name("strategyType"))
    spec = {"quantity": quantity} if quantity is not None else {"quote_quantity": quote_quantity}
    stp = params.text("selfTradePreventionMode") or "NONE"
    return Spec(symbol=pair.symbol, side=side, kind=kind, client_id=client_id, stp=stp, **read, **spec)


def _kind_allowed(kind: Kind, pair: Pair) -> None:
    if kind.value not in pair.entry["orderTypes"]:
        raise ApiError(-1116, "Invalid orderType.")


def _in_force(params: Params, name: str, kind: Kind) -> TimeInForce | None:
    said = params.choice(name, IN_FORCE, ApiError(-1115, "Invalid timeInForce."))
    if said is not None and kind not in TIMED:
        raise not_required(name)
    if said is None and kind in TIMED:
        raise missing(name)
    return IN_FORCE.get(said or "")


def _strategy(params: Params, id_: str, type_: str) -> None:
    """A bot's own bookkeeping: read and checked, and without a meaning here."""
    params.integer(id_)
    kind = params.integer(type_)
    if kind is not None and kind < LEAST_STRATEGY:
        raise ApiError(-1134, f"`{type_}` was less than {LEAST_STRATEGY}.")
