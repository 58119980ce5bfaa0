"""The whole outside world on one page: what the rooms above may ask of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from msgspec import Struct

from trade_mcp.domain.calendar import Days, Span
from trade_mcp.domain.instrument import Instrument
from trade_mcp.domain.market import Bar, OrderBook, Quote
from trade_mcp.domain.order import Order, Report
from trade_mcp.quant.candles import Candles


class Clock(Protocol):
    """Time is asked for, never taken. Market and real time are the same when live."""

    def market(self) -> datetime:
        """Market time, aware UTC: quote age, candle windows, days, cool-downs."""
        ...

    def real(self) -> datetime:
        """Real time, aware UTC: what is persisted of leases, heartbeats, send_by."""
        ...

    def boot(self) -> float:
        """Seconds since boot, suspended time included: ages and deadlines inside this process."""
        ...


class Feed(Protocol):
    """Where prices come from. Nobody sees a candle before its close.

    What is made up or read from files is a pure function of market time; an exchange answers late, or not at all: then
    every method may raise FeedError.
    """

    name: str  # "synthetic", "replay", "ccxt"
    identity: str  # what a ledger is bound to; the same prices have the same identity
    synthetic: bool
    symbols: tuple[str, ...]
    timeframe: str  # the finest it has; its default
    end: datetime | None  # close of its last bar; None: endless
    continuous: bool  # it trades around the clock: bars that are missing are a hole, not a night

    @property
    def start(self) -> datetime:
        """Market time to begin at."""
        ...

    @property
    def trouble(self) -> str:
        """Why prices come by another way than they should; "" while they do not."""
        ...

    def candles(self, symbol: str, timeframe: str, *, now: datetime, limit: int) -> Candles:
        """The newest ``limit`` bars closed at or before ``now``; fewer if there are fewer, gaps kept.

        Raises UnknownSymbol, BadInput (a timeframe this feed cannot build).
        """
        ...

    def quote(self, symbol: str, *, now: datetime) -> Quote:
        """Bid and ask at ``now``. Raises UnknownSymbol, NoPrice."""
        ...

    def bars(self, symbol: str, *, after: datetime, until: datetime) -> Sequence[Bar]:
        """The finest bars with ``after`` < close_at <= ``until``, oldest first. Raises UnknownSymbol."""
        ...

    def instruments(self) -> Mapping[str, Instrument]:
        """The steps and limits that its exchange has, by symbol; none where it does not know them."""
        ...

    def known_until(self, symbol: str, timeframe: str, *, now: datetime) -> datetime:
        """At ``now``: of bars that closed by then all are shown; one that closed later may still come."""
        ...

    def order_book(self, symbol: str, depth: int, *, now: datetime) -> OrderBook:
        """The best ``depth`` levels of each side. Raises UnknownSymbol, NoPrice (a feed without books, too)."""
        ...


class Hours(Protocol):
    """When symbols trade: sessions, quiet hours, and the days that losses are counted over."""

    def sessions(self, symbol: str, now: datetime) -> tuple[Span, ...] | None:
        """The sessions around ``now``; None: the symbol always trades."""
        ...

    def quiet(self, hours: tuple[str, ...], now: datetime) -> tuple[Span, ...]:
        """Quiet ``hours`` ("22:00-06:00 Europe/Berlin") as spans around ``now``."""
        ...

    def days(self, now: datetime) -> Days:
        """The day and the week that ``now`` lies in."""
        ...


class Balance(Struct, frozen=True, gc=False):
    """One currency of an account; ``locked`` rests in open orders."""

    free: Decimal
    locked: Decimal

    @property
    def total(self) -> Decimal:
        return self.free + self.locked


class Transfer(Struct, frozen=True, gc=False):
    """Money that came into the account (``amount`` above 0) or left it, and was no trade. ``transfer_id`` is unique."""

    transfer_id: str
    currency: str
    amount: Decimal
    at: datetime


class Rests(Struct, frozen=True, gc=False):
    """Which exits a venue holds by itself. The others the desk watches: see desk/exits.py and desk/due.py."""

    stops: bool = True  # a plain stop; else nothing of an exit rests
    trailing: bool = True  # a stop that rises with the price; else a plain one is moved
    pairs: bool = True  # stop and target as one; else the stop rests alone


class Venue(Protocol):
    """Where orders go. Every method may raise VenueUnreachable: then nobody knows what happened there."""

    name: str  # "paper"
    account: str  # account instance: a new paper account is a new instance
    rests: Rests
    grace_s: float  # after send_by, real seconds until an unknown order counts as never placed

    cancel_timer: bool  # it can be told to cancel everything unless it hears from us

    def instruments(self) -> Mapping[str, Instrument]:
        """What trades here, by symbol."""
        ...

    def rounding(self, currency: str) -> Decimal:
        """By how much the fills between two audits may move the account otherwise than they say; 0: they are exact."""
        ...

    def submit(self, orders: tuple[Order, ...]) -> tuple[Report, ...]:
        """Place one order, or the two legs of an OCO (same ``group``) as one step; reports include immediate fills.

        Refuses (VenueRejected) an order that arrives after its ``send_by``, a known id, and whatever breaks the
        venue's limits. Called in desk/send.py alone.
        """
        ...

    def cancel(self, order: Order) -> Report:
        """Cancel one order (with it the other leg of its OCO) and say what it is now: perhaps already filled."""
        ...

    def cancel_all_after(self, seconds: float) -> None:
        """Cancel every order of the account in ``seconds`` of real time, unless this is called again; 0: never mind.

        Only where there is a ``cancel_timer``.
        """
        ...

    def order(self, order: Order) -> Report | None:
        """What the venue knows of our id; None: it does not know it."""
        ...

    def open_orders(self) -> Sequence[Report]:
        """Every order resting in the account, ours or not; one of another hand has an ``order_id`` we never gave."""
        ...

    def reports_since(self, cursor: str) -> tuple[Sequence[Report], str]:
        """Reports of all orders changed since ``cursor`` ("" = from the beginning) and the next cursor.

        Orders of other hands in the account are among them, with their fills. The cursor is kept in the ledger once
        what was reported is written there; saying something twice is harmless. A venue whose history is long may
        begin at now for "": the ledger asks once before it reads the account's first balances.
        """
        ...

    def transfers_since(self, cursor: str) -> tuple[Sequence[Transfer], str]:
        """Deposits and withdrawals since ``cursor`` ("" = from now on) and the next cursor. None where a venue cannot
        tell: then a person says what a difference is (`trade-mcp reconcile --accept`).
        """
        ...

    def balances(self) -> Mapping[str, Balance]:
        """All non-zero currencies of the account."""
        ...


class Message(Struct, frozen=True, gc=False, omit_defaults=True):
    """Something to tell a person. ``id`` is the same at every try; ``html`` shows ``images`` (PNG) as ``cid:name``.

    ``severity``: info, warning or critical of an alert, else "". ``to``: only these of the channel's people.
    """

    id: str
    subject: str
    text: str
    html: str = ""
    images: dict[str, bytes] = {}
    severity: str = ""
    to: tuple[str, ...] = ()


class Channel(Protocol):
    """How a message reaches a person."""

    def deliver(self, message: Message) -> None:
        """Hand it over, once, in bounded time. Raises NotDelivered."""
        ...
