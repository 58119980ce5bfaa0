"""Receipt: what the gate answers. A refusal is a value with every verdict, not an exception."""

from decimal import Decimal
from typing import Literal

from msgspec import Struct

from trade_mcp.desk.resolve import fingerprint
from trade_mcp.domain.approvals import OrderProposal
from trade_mcp.domain.errors import IdConflict
from trade_mcp.domain.order import Order, OrderRequest, Role, Status
from trade_mcp.risk.verdict import Verdict
from trade_mcp.store.log import Log

Outcome = Literal[
    "placed",
    "already",
    "refused",
    "cancelled",
    "closed",
    "exits_set",
    "state_set",
    "proposed",  # it waits for a person
    "unconfirmed",  # it would; nothing is written
    "nothing",
]


class Receipt(Struct, frozen=True):
    """What became of one request. ``order`` is what the book holds of it now; ``legs`` its live exit orders."""

    outcome: Outcome
    message: str
    order: Order | None = None
    verdicts: tuple[Verdict, ...] = ()
    legs: tuple[Order, ...] = ()
    proposal: OrderProposal | None = None  # what waits for a person

    @property
    def refused(self) -> bool:
        return self.outcome == "refused"

    @property
    def failed(self) -> tuple[Verdict, ...]:
        """The verdicts that say no."""
        return tuple(verdict for verdict in self.verdicts if not verdict.passed)


class Preview(Struct, frozen=True):
    """What would happen to a request, with every verdict; nothing is written."""

    order: Order
    verdicts: tuple[Verdict, ...]
    allowed: bool
    asks: bool  # nothing is in the way but that a person is to be asked
    notional: Decimal | None
    fee: Decimal | None  # taker fee in the quote currency, at the worst price
    risk: Decimal | None  # quote currency lost if the stop is hit
    stop: Decimal | None
    target: Decimal | None
    equity: Decimal | None
    exposure_after: Decimal | None  # fraction of equity
    heat_after: Decimal | None


def receipt_of(known: Order, request: OrderRequest) -> Receipt:
    if known.request != fingerprint(request):
        raise conflict(known)
    text = f"already placed at {known.real_at:%Y-%m-%d %H:%M:%S} UTC and {known.status}; nothing was sent"
    return Receipt("already", text, known)


def conflict(known: Order) -> IdConflict:
    return IdConflict(
        f"order {known.order_id} is known with other content ({known.side} {known.size:f} {known.symbol})",
        hint="use a new order_id for a new order",
    )


def why_not(verdicts: tuple[Verdict, ...]) -> str:
    return "refused: " + "; ".join(verdict.reason for verdict in verdicts if not verdict.passed)


def story(order: Order) -> str:
    """One sentence about an order as it stands."""
    said = f"{order.side} {order.size:f} {order.symbol} is {order.status}"
    if order.filled > 0:
        said += f", {order.filled:f} filled at {order.cost / order.filled:.8g}"
    return f"{said} ({order.note})" if order.note else said


def placed(log: Log, order: Order, verdicts: tuple[Verdict, ...]) -> Receipt:
    """What became of ``order``, as the book has it now."""
    now = log.order(order.order_id) or order
    outcome: Outcome = "closed" if now.role is Role.CLOSE and now.filled > 0 else "placed"
    if now.status in (Status.REJECTED, Status.NEVER_PLACED):
        outcome = "nothing"
    return Receipt(outcome, story(now), now, verdicts, tuple(log.refresh().exits(order.symbol)))
