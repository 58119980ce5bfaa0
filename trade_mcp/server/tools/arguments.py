"""Arguments that several tools share, with the words the model reads about them."""

import re
from decimal import Decimal
from typing import Annotated

from msgspec import Struct
from uuid_utils import uuid7

from trade_mcp.domain.distances import Distance
from trade_mcp.domain.errors import BadInput
from trade_mcp.domain.exits import ExitPlan
from trade_mcp.domain.market import TIMEFRAMES
from trade_mcp.domain.order import OrderRequest, OrderType, Side, TimeInForce
from trade_mcp.server.strict import OneOf, prose
from trade_mcp.server.untrusted import echo

_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")
_DERIVED = re.compile(r"loop-.*|.*-(stop|target|exit|rung|time)-\d+")  # ids of the desk itself
_TYPES = tuple(kind.value for kind in OrderType if kind is not OrderType.TRAILING_STOP)  # a trail goes with a position
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,40}")


def _new_id(name: str, value: object) -> str:
    if not isinstance(value, str) or not _ID.fullmatch(value) or _DERIVED.fullmatch(value):
        raise BadInput(
            f"{name} {echo(value)} cannot be the id of a new order",
            hint="1 to 36 letters, digits, - or _, not one of the desk's own (loop-..., ...-stop-1); or leave it out",
        )
    return value


def _name(name: str, value: object) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise BadInput(f"{name} {echo(value)} is not a name", hint="1 to 40 letters, digits, - . or _")
    return value


Symbol = Annotated[str, 'such as "BTC/USDT"']
Timeframe = Annotated[str | None, OneOf(tuple(TIMEFRAMES)), "default: the desk's"]
Reason = Annotated[str, prose, "why, for the journal"]
NewId = Annotated[str, _new_id, "made if left out; the same again is safe"]
StopLoss = Annotated[Decimal | Distance | None, 'price "58000", or distance from the fill "2%", "2 ATR"']
TakeProfit = Annotated[Decimal | Distance | None, 'likewise, or "2R"']
Trailing = Annotated[Distance | None, 'stop trailing by "1.5%", "500", "3 ATR"']


def new_id() -> str:
    """A fresh order id, ordered by time."""
    return uuid7().hex


class Placing(Struct, frozen=True):
    """An order that is asked for, and the confirm token that came with it."""

    request: OrderRequest
    confirm: str

    @property
    def order_id(self) -> str:
        return self.request.order_id


def order_request(
    *,
    symbol: Symbol,
    side: Side,
    type: Annotated[OrderType, OneOf(_TYPES), "default market"] = OrderType.MARKET,
    size: Annotated[Decimal | None, 'base units "0.01"; or notional'] = None,
    notional: Annotated[Decimal | None, 'quote currency "500"; buys only'] = None,
    limit_price: Decimal | None = None,
    stop_loss: StopLoss = None,
    take_profit: TakeProfit = None,
    trailing: Trailing = None,
    time_in_force: Annotated[TimeInForce, "default GTC"] = TimeInForce.GTC,
    order_id: NewId = "",
    strategy: Annotated[str, _name, "name it counts for"] = "",
    reason: Reason = "",
    trigger_price: Annotated[Decimal | None, "of stop, stop_limit, take_profit"] = None,
    post_only: bool = False,
    confirm: str = "",
) -> Placing:
    """The order a caller asks for; what contradicts itself is the gate's to say."""
    request = OrderRequest(
        order_id=order_id or new_id(),
        symbol=symbol,
        side=side,
        type=type,
        size=size,
        notional=notional,
        limit_price=limit_price,
        trigger_price=trigger_price,
        exits=exit_plan(stop_loss, take_profit, trailing),
        time_in_force=time_in_force,
        post_only=post_only,
        strategy=strategy,
        reason=reason,
    )
    return Placing(request, confirm)


def exit_plan(
    stop: Decimal | Distance | None, target: Decimal | Distance | None, trail: Distance | None
) -> ExitPlan | None:
    """The exits asked for, None for none."""
    plan = ExitPlan(stop=stop, target=target, trail=trail)
    return None if plan == ExitPlan() else plan
