"""Order: what someone asks for, what the book holds, what the venue reports, and the table of its life."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from trade_mcp.domain.distances import Distance
from trade_mcp.domain.exits import ExitPlan
from trade_mcp.domain.instrument import ZERO


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        return 1 if self is Side.BUY else -1


class OrderType(StrEnum):
    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"  # market order when the trigger is reached
    STOP_LIMIT = "stop_limit"  # limit order when the trigger is reached
    TAKE_PROFIT = "take_profit"  # market order when the trigger is reached from the other side
    TRAILING_STOP = "trailing_stop"  # stop that hangs from the best price since it was placed


class TimeInForce(StrEnum):
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    DAY = "DAY"  # until the end of the UTC day it was placed in


class Source(StrEnum):
    """Who asked."""

    MODEL = "model"
    LOOP = "loop"
    EXIT = "exit"
    OPERATOR = "operator"


class Role(StrEnum):
    """What an order is for. ENTRY may add risk; the others only reduce."""

    ENTRY = "entry"
    CLOSE = "close"
    STOP = "stop"
    TARGET = "target"


EXIT_ROLES = frozenset({Role.STOP, Role.TARGET})


class Status(StrEnum):
    PENDING = "pending"  # journaled; the venue may or may not know it
    WORKING = "working"
    CANCELLING = "cancelling"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"  # the venue said no
    NEVER_PLACED = "never_placed"  # the venue does not know our id, after the grace


LIVE = frozenset({Status.PENDING, Status.WORKING, Status.CANCELLING})


class OrderRequest(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What someone asks for. ``size`` in base units or ``notional`` in the quote currency, exactly one."""

    order_id: str
    symbol: str
    side: Side
    type: OrderType = OrderType.MARKET
    size: Decimal | None = None
    notional: Decimal | None = None
    limit_price: Decimal | None = None
    trigger_price: Decimal | None = None
    trailing: Distance | None = None  # of an order of type trailing_stop itself
    exits: ExitPlan | None = None  # of the position an entry opens
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    strategy: str = ""
    reason: str = ""

    @property
    def sized_by(self) -> str:
        """Which of the two its size was asked for as."""
        return "size" if self.notional is None else "notional"


class Order(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What the book holds of one order. ``size`` and ``filled`` in base units, ``cost`` = sum of size x price."""

    order_id: str
    symbol: str
    side: Side
    type: OrderType
    size: Decimal
    role: Role
    source: Source
    at: datetime  # market time of the decision
    real_at: datetime
    send_by: datetime  # real time after which it must not be sent any more
    status: Status = Status.PENDING
    worst_price: Decimal = ZERO  # the price reserved for: the worse of quote (with slack) and limit
    limit_price: Decimal | None = None
    trigger_price: Decimal | None = None
    trailing: Distance | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    strategy: str = ""
    reason: str = ""
    request: str = ""  # fingerprint of the request, to tell a retry from a conflict
    group: str = ""  # legs of one OCO share it
    parent: str = ""  # the entry an exit belongs to
    revision: int = 0
    exits: ExitPlan | None = None
    venue_id: str = ""
    filled: Decimal = ZERO
    cost: Decimal = ZERO
    trades: tuple[str, ...] = ()  # trade ids booked so far
    note: str = ""  # why it was rejected, cancelled, never placed

    @property
    def open_size(self) -> Decimal:
        return self.size - self.filled

    @property
    def live(self) -> bool:
        return self.status in LIVE


class Fill(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """A fact about money. ``fee`` in ``fee_currency``; ``fee_quote`` is its value in the quote currency then."""

    trade_id: str
    order_id: str
    symbol: str
    side: Side
    size: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str
    fee_quote: Decimal
    at: datetime  # market time
    maker: bool = False


class Report(Struct, frozen=True, gc=False, kw_only=True):
    """What the venue says of one order now: its status and every fill it knows of it.

    ``filled`` is the venue's cumulative size; ``fills`` may lag behind it. ``order_id`` is ours.
    """

    order_id: str
    venue_id: str
    status: Status  # WORKING, FILLED, CANCELLED, EXPIRED or REJECTED
    filled: Decimal
    fills: tuple[Fill, ...] = ()
    reason: str = ""
    symbol: str = ""
    side: Side | None = None
    type: OrderType | None = None
    size: Decimal | None = None
    trigger_price: Decimal | None = None
    limit_price: Decimal | None = None
