"""Ticket: an order of this exchange in Binance's words, and what it is to the matching at each stage of its life.

The domain knows no take-profit with a limit, no trailing stop that becomes a limit, and no trailing that begins later.
Those go through stages: a stage that only waits for a trigger is matched as a stop or take-profit whose trade is not
taken; the next stage begins at the close of the bar that reached it.
"""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct, structs

from trade_mcp.domain.distances import Distance
from trade_mcp.domain.instrument import ZERO
from trade_mcp.domain.matching import Resting
from trade_mcp.domain.order import Order, OrderType, Role, Side, Source, TimeInForce

BIPS = Decimal(10_000)


class Kind(StrEnum):
    LIMIT = "LIMIT"
    LIMIT_MAKER = "LIMIT_MAKER"
    MARKET = "MARKET"
    STOP_LOSS = "STOP_LOSS"
    STOP_LOSS_LIMIT = "STOP_LOSS_LIMIT"
    TAKE_PROFIT = "TAKE_PROFIT"
    TAKE_PROFIT_LIMIT = "TAKE_PROFIT_LIMIT"


STOPS = frozenset({Kind.STOP_LOSS, Kind.STOP_LOSS_LIMIT})
TAKES = frozenset({Kind.TAKE_PROFIT, Kind.TAKE_PROFIT_LIMIT})
ALGO = STOPS | TAKES  # they wait for a trigger
PRICED = frozenset({Kind.LIMIT, Kind.LIMIT_MAKER, Kind.STOP_LOSS_LIMIT, Kind.TAKE_PROFIT_LIMIT})
TIMED = PRICED - {Kind.LIMIT_MAKER}  # they have a time in force


class State(StrEnum):
    NEW = "NEW"
    PENDING_NEW = "PENDING_NEW"  # waits for the working order of its list
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"


OPEN = frozenset({State.NEW, State.PENDING_NEW, State.PARTIALLY_FILLED})


class Stage(StrEnum):
    ACTIVATION = "activation"  # a trailing order waits for its stop price
    TRIGGER = "trigger"
    WORK = "work"


class Leg(StrEnum):
    """What an order is to its list."""

    ALONE = ""
    WORKING = "working"
    PENDING = "pending"
    ABOVE = "above"
    BELOW = "below"


class Spec(Struct, frozen=True, kw_only=True):
    """An order as it was asked for; sizes in base units, prices in quote currency, ``delta`` in bips."""

    symbol: str  # "BTC/USDT"
    side: Side
    kind: Kind
    client_id: str
    quantity: Decimal = ZERO
    quote_quantity: Decimal | None = None  # a market order that spends or earns so much
    price: Decimal | None = None
    stop_price: Decimal | None = None
    delta: int | None = None
    tif: TimeInForce | None = None
    iceberg: Decimal = ZERO
    stp: str = "NONE"


class Ticket(Struct, frozen=True, kw_only=True):
    """An order the exchange took."""

    number: int  # its orderId
    account: str
    spec: Spec
    list_id: int = -1
    leg: Leg = Leg.ALONE
    state: State = State.NEW
    stage: Stage = Stage.WORK
    executed: Decimal = ZERO  # base units
    spent: Decimal = ZERO  # quote currency
    late: Decimal = ZERO  # traded already, not told yet (a fault)
    created_ms: int
    updated_ms: int
    working_ms: int = -1
    placed_at: datetime  # market time its stage began
    activated: bool = False
    peak: Decimal | None = None
    lock_price: Decimal = ZERO  # quote currency locked for each base unit of a buy

    @property
    def open(self) -> bool:
        return self.state in OPEN

    @property
    def remaining(self) -> Decimal:
        """What may still trade."""
        return self.spec.quantity - self.executed - self.late

    @property
    def group(self) -> tuple[str, int]:
        """Legs of one OCO lock once and expire each other."""
        if self.leg in (Leg.ABOVE, Leg.BELOW):
            return "list", self.list_id
        return "order", self.number

    @property
    def waits(self) -> bool:
        """Whether the trade of this stage is not its own: reaching it only begins the next stage."""
        if self.stage is Stage.ACTIVATION:
            return True
        native = self.spec.kind is Kind.STOP_LOSS_LIMIT and self.spec.delta is None
        return self.stage is Stage.TRIGGER and self.spec.kind in PRICED and not native

    def resting(self) -> Resting:
        """This stage as the matching sees it."""
        spec = self.spec
        type_, trigger, trailing = _matched_as(spec, self.stage)
        limited = type_ in (OrderType.LIMIT, OrderType.STOP_LIMIT)
        at_once = not limited and not self.waits  # the rest of a market order expires
        order = Order(
            order_id=str(self.number),
            symbol=spec.symbol,
            side=spec.side,
            type=type_,
            size=spec.quantity,
            role=Role.ENTRY,
            source=Source.OPERATOR,
            at=self.placed_at,
            real_at=self.placed_at,
            send_by=self.placed_at,
            limit_price=spec.price if limited else None,
            trigger_price=trigger,
            trailing=trailing,
            time_in_force=TimeInForce.IOC if at_once else spec.tif or TimeInForce.GTC,
        )
        return Resting(order, self.placed_at, self.remaining, self.activated, self.peak)

    def next_stage(self, at: datetime) -> "Ticket":
        """After its trigger, from ``at`` on."""
        after = Stage.TRIGGER if self.stage is Stage.ACTIVATION else Stage.WORK
        return structs.replace(self, stage=after, placed_at=at, activated=False, peak=None)


def first_stage(spec: Spec) -> Stage:
    if spec.kind not in ALGO:
        return Stage.WORK
    return Stage.ACTIVATION if spec.delta is not None and spec.stop_price is not None else Stage.TRIGGER


def _matched_as(spec: Spec, stage: Stage) -> tuple[OrderType, Decimal | None, Distance | None]:
    if stage is Stage.WORK:
        return (OrderType.LIMIT if spec.kind in PRICED else OrderType.MARKET), None, None
    if stage is Stage.TRIGGER and spec.delta is not None:
        return OrderType.TRAILING_STOP, None, Distance(fraction=spec.delta / BIPS)
    if spec.kind in TAKES:
        return OrderType.TAKE_PROFIT, spec.stop_price, None
    if spec.kind is Kind.STOP_LOSS_LIMIT and stage is Stage.TRIGGER:
        return OrderType.STOP_LIMIT, spec.stop_price, None
    return OrderType.STOP, spec.stop_price, None
