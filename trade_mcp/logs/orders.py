"""Orders in the log: one line for each thing that happens to an order, from whichever program writes it down.

The order's id is the thread through all of them. What a tool call causes carries the call's id too, so the way from a
call to a fill that another program saw is: the call's line, its order_id, every line with that order_id. The ids of
exits begin with that of their entry, which is their ``parent``.
"""

import logging

from trade_mcp.domain import events as e
from trade_mcp.domain.order import Role

FIELDS = ("order_id", "parent", "symbol", "side", "role", "source", "size", "filled", "price", "status", "why", "seq")

log = logging.getLogger("order")  # silent until `configure`: a library that is only imported says nothing


def tell(seq: int, event: e.Event) -> None:
    """Log ``event``, just committed as number ``seq``, if it is about an order."""
    if not log.isEnabledFor(logging.INFO):
        return
    if isinstance(event, e.OrderRefused):
        request, rules = event.request, ", ".join(rule for rule, _ in event.rules)
        fields = {"order_id": request.order_id, "symbol": request.symbol, "side": request.side, "why": rules}
        log.info("order refused", extra=fields | {"source": event.source, "seq": seq})
    elif isinstance(event, e.OrderEvent):
        order = event.order
        fields = {"order_id": order.order_id, "symbol": order.symbol, "side": order.side, "role": order.role}
        if order.parent:
            fields["parent"] = order.parent
        if isinstance(event, e.Filled):
            fields |= {"size": f"{event.fill.size:f}", "price": f"{event.fill.price:f}"}
        else:
            fields |= {"size": f"{order.size:f}"}
        if order.note:
            fields["why"] = order.note
        said = _said(event)
        log.info(said, extra=fields | {"status": order.status, "source": order.source, "seq": seq})


def _said(event: e.OrderEvent) -> str:
    if isinstance(event, e.OrderWorking) and event.order.role is Role.STOP:
        return "position protected"
    if isinstance(event, e.OrderEnded):
        return f"order {event.order.status.replace('_', ' ')}"
    return SAID[type(event)]


SAID: dict[type[e.OrderEvent], str] = {
    e.OrderPending: "order written",
    e.OrderWorking: "order working",
    e.OrderCancelling: "order being cancelled",
    e.OrderResized: "order resized",
    e.OrderReopened: "order reopened",
    e.Filled: "order filled",
    e.TakenOver: "coins taken over",
}
