"""Book: everything the desk holds now. Only `fold` changes it; everyone else reads."""

from collections.abc import Container, Iterator
from datetime import datetime
from decimal import Decimal

from msgspec import Struct, field

from trade_mcp.domain.approvals import OrderProposal
from trade_mcp.domain.events import Period, TradingState
from trade_mcp.domain.instrument import ZERO
from trade_mcp.domain.order import EXIT_ROLES, Order, Role, Side, Source
from trade_mcp.domain.position import Position

LIVE = "live"  # the mode in which money is real


class Entered(Struct, frozen=True, gc=False):
    """One accepted entry, remembered a day for the counting rules."""

    at: datetime
    symbol: str
    side: Side
    size: Decimal
    strategy: str  # "chat" for what no strategy of the loop asked


class Mark(Struct, frozen=True, gc=False):
    """Equity as it was marked last; ``seen`` is the time of the newest price in it. Flows since are counted in."""

    seen: datetime | None = None
    equity: Decimal = ZERO


class Baseline(Struct, frozen=True, gc=False):
    """Equity when a day or a week began, at market time ``at``; flows since are counted in."""

    at: datetime
    equity: Decimal


class Brake(Struct, frozen=True, gc=False):
    """A brake that holds: see `events.BrakeTripped`."""

    name: str
    effect: TradingState
    since: datetime
    reason: str
    until: datetime | None = None
    scope: str = ""


class Streak(Struct, frozen=True, gc=False):
    """Losing trades in a row of one strategy, and when the last of them ended."""

    losses: int
    at: datetime


class Book(Struct):
    """The desk's bucket: cash, positions, live orders, and what the limits in force are.

    Invariant I8: ``cash`` + cost of positions + ``fees`` = ``deposits`` + ``realised``.
    """

    seq: int = 0
    venue: str = ""
    account: str = ""
    feed: str = ""
    ledger_id: str = ""  # in the ids of its orders at an exchange
    synthetic: bool = False
    stops_watched: bool = False  # they cannot rest at the venue: the desk sells when the price is there
    quote: str = ""
    policy: str = ""  # hash of the limits in force
    policy_text: str = ""
    state: TradingState = TradingState.ACTIVE  # the strictest of what was asked for and what brakes force
    state_reason: str = ""
    asked: TradingState = TradingState.ACTIVE  # by a person or a tool
    asked_reason: str = ""
    mode: str = "paper"  # "live" needs arming
    armed_since: datetime | None = None  # real time
    armed_until: datetime | None = None
    cash: Decimal = ZERO
    deposits: Decimal = ZERO  # capital plus flows
    realised: Decimal = ZERO  # before fees
    fees: Decimal = ZERO  # quote value
    peak_equity: Decimal = ZERO
    equity: Decimal = ZERO  # at the last mark
    mark: Mark = Mark()
    high_water: Decimal = ZERO  # two marks in a row were there, net of flows: what brakes count drawdown from
    periods: dict[Period, Baseline] = field(default_factory=dict)
    brakes: dict[str, Brake] = field(default_factory=dict)  # that hold now, by `brake_key`
    streaks: dict[str, Streak] = field(default_factory=dict)  # by strategy
    rejected: list[datetime] = field(default_factory=list)  # real times of the venue's last rejections, oldest first
    positions: dict[str, Position] = field(default_factory=dict)  # open ones
    orders: dict[str, Order] = field(default_factory=dict)  # live ones
    external: dict[str, Decimal] = field(default_factory=dict)  # by currency: never ours to sell
    foreign: dict[str, str] = field(default_factory=dict)  # orders of other hands that rest in the account
    breaks: dict[str, str] = field(default_factory=dict)  # currency -> why its symbols take no entries
    missing: dict[str, Decimal] = field(default_factory=dict)  # of a broken currency: what the venue has less than we
    proposals: dict[str, OrderProposal] = field(default_factory=dict)  # entries that wait for a person
    entered: list[Entered] = field(default_factory=list)  # accepted entries of the last day, oldest first

    def unarmed(self, real: datetime) -> str:
        """Why a live desk makes no entries at real time ``real``; "" while it is armed, and in every other mode."""
        if self.mode != LIVE:
            return ""
        if self.armed_since is None or self.armed_until is None:
            return "live trading is not armed"
        if not self.armed_since <= real < self.armed_until:
            return f"live trading was armed until {self.armed_until:%Y-%m-%d %H:%M} UTC"
        return ""

    def position(self, symbol: str) -> Position:
        """The position in ``symbol``; a flat one if there is none."""
        return self.positions.get(symbol, FLAT)

    def live(self, symbol: str | None = None) -> Iterator[Order]:
        """Live orders, of one symbol or of all."""
        return (order for order in self.orders.values() if symbol is None or order.symbol == symbol)

    def exits(self, symbol: str) -> list[Order]:
        """Live exit orders (stop, target) of a symbol."""
        return [order for order in self.live(symbol) if order.role in EXIT_ROLES]

    def buying(self, symbol: str) -> Decimal:
        """Base units that live buy orders may still add."""
        return sum((o.open_size for o in self.live(symbol) if o.side is Side.BUY), ZERO)

    def selling(self, symbol: str) -> Decimal:
        """Base units that live sell orders may still take; a group of exits counts once."""
        groups: dict[str, Decimal] = {}
        for order in self.live(symbol):
            if order.side is Side.SELL:
                key = order.group or order.order_id
                groups[key] = max(groups.get(key, ZERO), order.open_size)
        return sum(groups.values(), ZERO)

    @property
    def reserved(self) -> Decimal:
        """Quote currency that live buy orders may still spend, at their worst price."""
        return sum((o.open_size * o.worst_price for o in self.live() if o.side is Side.BUY), ZERO)

    @property
    def available(self) -> Decimal:
        """Cash that nothing in flight may still spend."""
        return self.cash - self.reserved

    @property
    def open_positions(self) -> set[str]:
        """Symbols that hold a slot: a position that is not dust, or an entry in flight."""
        held = {symbol for symbol, position in self.positions.items() if not position.dust}
        return held | {order.symbol for order in self.live() if order.role is Role.ENTRY}

    @property
    def with_stops(self) -> list[str]:
        """Symbols whose position has a stop; dust needs none."""
        return [
            symbol
            for symbol, position in self.positions.items()
            if not position.dust and position.levels.stop_price is not None
        ]

    def unprotected(self, unwatched: Container[str] = ()) -> list[str]:
        """Symbols whose position should rest on a stop and has none live now; where the desk keeps the stops, those
        whose price nobody watches, ``unwatched``.
        """
        if self.stops_watched:
            return [symbol for symbol in self.with_stops if symbol in unwatched]
        return [s for s in self.with_stops if not any(order.role is Role.STOP for order in self.live(s))]


FLAT = Position(owner=Source.OPERATOR)
CHAT = "chat"


def trader(source: Source, strategy: str) -> str:
    """Whose limits per strategy an order or a position counts against: its strategy's if the loop asked, else `CHAT`.

    What a model says of its strategy is its own word: under ten names it would have ten limits.
    """
    return strategy if source is Source.LOOP and strategy else CHAT


def brake_key(name: str, scope: str) -> str:
    """Where a brake stands in ``Book.brakes``."""
    return f"{name}:{scope}" if scope else name
