"""Events: what the ledger remembers, one frozen value for each thing that happened. They are the truth."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec
from msgspec import Struct

from trade_mcp.domain.approvals import Answer, By, OrderProposal
from trade_mcp.domain.exits import Levels
from trade_mcp.domain.order import Fill, Order, OrderRequest, Source


class TradingState(StrEnum):
    ACTIVE = "active"
    REDUCING = "reducing"  # reductions and cancels only
    HALTED = "halted"  # cancels and protective reductions only


class Event(Struct, frozen=True, gc=False, tag_field="kind", omit_defaults=True):
    """Base of all events; the class attribute of the tag is the ``kind`` in the table."""


class LedgerOpened(Event, frozen=True, tag="ledger_opened"):
    """The first event: what this ledger belongs to. ``capital`` is the desk's opening cash."""

    venue: str
    account: str
    feed: str
    synthetic: bool
    quote: str
    capital: Decimal
    holdings: dict[str, Decimal] = {}  # external: in the account before us, by currency
    mode: str = "paper"  # whose money: "live" needs arming
    ledger_id: str = ""  # in the ids of its orders at an exchange; none where nobody else is, as on paper


class PolicyAdopted(Event, frozen=True, tag="policy_adopted"):
    """The limits in force from here on: ``text`` is their canonical JSON, ``policy`` its hash."""

    policy: str
    text: str
    by: str


class OrderRefused(Event, frozen=True, tag="order_refused"):
    """The gate said no. ``rules`` are (rule, reason) of every verdict that failed."""

    request: OrderRequest
    source: Source
    at: datetime
    size: Decimal | None
    rules: tuple[tuple[str, str], ...]


class OrderEvent(Event, frozen=True):
    """Something happened to an order; ``order`` is what it is afterwards."""

    order: Order


class OrderPending(OrderEvent, frozen=True, tag="order_pending"):
    """Every rule passed; the intent is written, nothing is sent yet."""

    passed: tuple[str, ...] = ()


class OrderWorking(OrderEvent, frozen=True, tag="order_working"):
    """The venue holds it."""


class OrderCancelling(OrderEvent, frozen=True, tag="order_cancelling"):
    """The intent to cancel, written before it is sent."""


class OrderResized(OrderEvent, frozen=True, tag="order_resized"):
    """A close that was journaled before its exits were cancelled now has the size that is really held."""


class OrderEnded(OrderEvent, frozen=True, tag="order_ended"):
    """Cancelled, expired, rejected or never placed: ``order.status`` says which, ``order.note`` why."""


class OrderReopened(OrderEvent, frozen=True, tag="order_reopened"):
    """It had ended for us, and the venue shows it alive or filled after all."""


class Filled(OrderEvent, frozen=True, tag="filled"):
    """Money moved."""

    fill: Fill


class TakenOver(Filled, frozen=True, tag="taken_over"):
    """Coins that were external became a position of the desk, at the price a person named. Nothing was traded.

    The money they count as came by a `FlowRecorded` just before.
    """

    levels: Levels
    reason: str = ""


class ExitsChanged(Event, frozen=True, tag="exits_changed"):
    """A position's levels as somebody set them."""

    symbol: str
    levels: Levels
    source: Source
    reason: str = ""


class PeakRaised(Event, frozen=True, tag="peak_raised"):
    """The best price since entry, for a trailing stop."""

    symbol: str
    peak: Decimal


class StopsWatched(Event, frozen=True, tag="stops_watched"):
    """Who keeps the stops from here on: the desk (``watched``), because they cannot rest at the venue, or the venue."""

    watched: bool


class OwnerChanged(Event, frozen=True, tag="owner_changed"):
    """The chat took over a position of the loop by adding to it or closing part of it."""

    symbol: str
    owner: Source


class StateChanged(Event, frozen=True, tag="state_changed"):
    state: TradingState
    reason: str
    by: Source


class Armed(Event, frozen=True, tag="armed"):
    """A person let a live desk trade, from one real time until another."""

    since: datetime
    until: datetime
    by: By


class Disarmed(Event, frozen=True, tag="disarmed"):
    reason: str
    by: Source


class ProposalMade(Event, frozen=True, tag="proposal_made"):
    """An entry waits for a person: every rule passed, and it is larger than what needs none."""

    proposal: OrderProposal


class ProposalDecided(Event, frozen=True, tag="proposal_decided"):
    proposal_id: str
    order_id: str
    answer: Answer
    by: By
    real_at: datetime
    reason: str = ""


class Denied(Event, frozen=True, tag="denied"):
    """Somebody tried what is not theirs to do: a wrong passphrase, a forged token, an answer that came too late."""

    act: str  # "arm", "approve", "confirm", "resume"
    why: str
    by: Source
    order_id: str = ""


class DustBooked(Event, frozen=True, tag="dust_booked"):
    """What is left of a position is below the venue's minimums: it holds no slot and needs no stop."""

    symbol: str
    size: Decimal
    at: datetime | None = None  # market time


class FlowRecorded(Event, frozen=True, tag="flow_recorded"):
    """Money came (+) or went (-) by another hand than trading, in the quote currency. It is no profit and no loss.

    ``worth`` is what coins were worth at the market where ``amount`` is what they shall have cost.
    """

    amount: Decimal
    reason: str
    worth: Decimal | None = None

    @property
    def value(self) -> Decimal:
        """What it added to equity."""
        return self.amount if self.worth is None else self.worth


class ExternalMoved(Event, frozen=True, tag="external_moved"):
    """What is in the account and not the desk's changed by another hand: a trade, a transfer, a person's word.

    ``ref`` is unique to what happened there, so that it is recorded once.
    """

    ref: str
    moves: dict[str, Decimal]  # by currency: what came (+) and went (-)
    text: str


class ForeignOrderSeen(Event, frozen=True, tag="foreign_order_seen"):
    """An order of another hand rests in the account. It is not ours to touch."""

    ref: str
    symbol: str
    text: str


class ForeignOrderGone(Event, frozen=True, tag="foreign_order_gone"):
    ref: str


class BreakSeen(Event, frozen=True, tag="break_seen"):
    """Book and venue disagree about a currency: no entries in symbols that use it until it is settled."""

    currency: str
    ours: Decimal
    venue: Decimal
    reason: str


class BreakSettled(Event, frozen=True, tag="break_settled"):
    currency: str
    reason: str


class EquityMarked(Event, frozen=True, tag="equity_marked"):
    """Equity at market time ``at``, with the prices it was taken at; the newest of them is of ``seen``."""

    at: datetime
    equity: Decimal
    cash: Decimal
    exposure: Decimal  # notional / equity
    heat: Decimal  # equity lost if every stop is hit / equity
    marks: dict[str, Decimal] = {}
    seen: datetime | None = None


class Period(StrEnum):
    """What a loss is counted over."""

    DAY = "day"
    WEEK = "week"


class BaselineSet(Event, frozen=True, tag="baseline_set"):
    """A day or a week began at market time ``at``: what is lost in it counts from ``equity``."""

    period: Period
    at: datetime
    equity: Decimal


class BrakeTripped(Event, frozen=True, tag="brake_tripped"):
    """A brake holds from market time ``at`` until ``until``, or (None) until a person resumes.

    ``effect`` is the trading state it forces; ACTIVE where only the strategy named in ``scope`` rests.
    """

    brake: str
    effect: TradingState
    at: datetime
    reason: str
    until: datetime | None = None
    scope: str = ""


class BrakeReleased(Event, frozen=True, tag="brake_released"):
    """The time of a brake is over."""

    brake: str
    reason: str
    scope: str = ""


class Alarm(Event, frozen=True, tag="alarm"):
    """Something a person should know."""

    text: str
    order_id: str = ""
    symbol: str = ""


AnyEvent = (
    LedgerOpened
    | PolicyAdopted
    | OrderRefused
    | OrderPending
    | OrderWorking
    | OrderCancelling
    | OrderResized
    | OrderEnded
    | OrderReopened
    | Filled
    | TakenOver
    | ExitsChanged
    | PeakRaised
    | StopsWatched
    | OwnerChanged
    | StateChanged
    | Armed
    | Disarmed
    | ProposalMade
    | ProposalDecided
    | Denied
    | DustBooked
    | FlowRecorded
    | ExternalMoved
    | ForeignOrderSeen
    | ForeignOrderGone
    | BreakSeen
    | BreakSettled
    | EquityMarked
    | BaselineSet
    | BrakeTripped
    | BrakeReleased
    | Alarm
)

_decoder = msgspec.json.Decoder(AnyEvent)
_encoder = msgspec.json.Encoder(decimal_format="string")


def encode(event: Event) -> str:
    """The exact text stored and hashed."""
    return _encoder.encode(event).decode()


def decode(text: str) -> AnyEvent:
    """The event of a stored text. Raises msgspec.ValidationError for what is not one."""
    event: AnyEvent = _decoder.decode(text)
    return event


def kind(event: Event) -> str:
    """The tag of an event's class, for example ``"order_pending"``."""
    return str(type(event).__struct_config__.tag)


def order_id_of(event: Event) -> str:
    """The order an event is about, or what it refers to at the venue, or ""."""
    if isinstance(event, OrderEvent):
        return event.order.order_id
    if isinstance(event, OrderRefused):
        return event.request.order_id
    if isinstance(event, ExternalMoved | ForeignOrderSeen | ForeignOrderGone):
        return event.ref
    if isinstance(event, ProposalMade):
        return event.proposal.request.order_id
    if isinstance(event, ProposalDecided | Denied):
        return event.order_id
    return event.order_id if isinstance(event, Alarm) else ""
