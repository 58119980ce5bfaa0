"""An order's life: what a report of the venue changes. Sender, watcher and reconciliation all go through `advance`."""

from msgspec import structs

from trade_mcp.domain.events import Alarm, Event, Filled, OrderEnded, OrderReopened, OrderWorking
from trade_mcp.domain.order import Fill, Order, Report, Status

ENDS = frozenset({Status.CANCELLED, Status.EXPIRED, Status.REJECTED})


def advance(order: Order, report: Report) -> tuple[Event, ...]:
    """The events that ``report`` adds to ``order``; none when nothing changed, so two writers may both say it.

    A fill outranks a status: an ended order still takes a late fill (with an alarm), a status never ends an order
    while a fill that the venue counts is missing, and an ended order never goes back to working by an old status.
    """
    events: list[Event] = []
    for fill in report.fills:
        if fill.trade_id not in order.trades:
            order = _book(order, fill, events, venue_id=report.venue_id)
    if order.status is Status.NEVER_PLACED and report.status in (Status.WORKING, Status.FILLED):
        order = _reopen(order, events)
    if order.status is Status.PENDING and (report.status is Status.WORKING or order.filled < report.filled):
        order = structs.replace(order, status=Status.WORKING, venue_id=report.venue_id)
        events.append(OrderWorking(order))
    if order.live and report.status in ENDS and order.filled >= report.filled:
        order = structs.replace(order, status=report.status, note=report.reason, venue_id=report.venue_id)
        events.append(OrderEnded(order))
    return tuple(events)


def _book(order: Order, fill: Fill, events: list[Event], *, venue_id: str) -> Order:
    if order.status in (Status.NEVER_PLACED, Status.REJECTED):
        order = _reopen(order, events)
    elif not order.live:
        text = f"{order.order_id} was {order.status} and the venue reports a fill of {fill.size} after all"
        events.append(Alarm(text, order_id=order.order_id, symbol=order.symbol))
    filled = order.filled + fill.size
    status = Status.WORKING if order.status is Status.PENDING else order.status
    order = structs.replace(
        order,
        filled=filled,
        cost=order.cost + fill.size * fill.price,
        trades=(*order.trades, fill.trade_id),
        venue_id=venue_id,
        status=Status.FILLED if filled >= order.size else status,
    )
    events.append(Filled(order, fill))
    return order


def _reopen(order: Order, events: list[Event]) -> Order:
    text = f"{order.order_id} counted as {order.status}, but the venue has it"
    order = structs.replace(order, status=Status.WORKING, note="")
    events.append(OrderReopened(order))
    events.append(Alarm(text, order_id=order.order_id, symbol=order.symbol))
    return order
