"""Order tools: the whole life of an order, from asking what would happen to ending it. All through the one gate."""

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

from trade_mcp.desk.receipt import Receipt
from trade_mcp.domain.approvals import By, OrderProposal
from trade_mcp.domain.errors import BadInput, RefusedError
from trade_mcp.domain.events import OrderRefused
from trade_mcp.domain.order import Source, Status
from trade_mcp.risk.verdict import Verdict
from trade_mcp.server import confirm
from trade_mcp.server.asking import Said
from trade_mcp.server.shapes import Body, Refused
from trade_mcp.server.strict import OneOf
from trade_mcp.server.tool import Entry
from trade_mcp.server.tools.arguments import (
    NewId,
    Placing,
    Reason,
    StopLoss,
    Symbol,
    TakeProfit,
    Trailing,
    exit_plan,
    new_id,
    order_request,
)
from trade_mcp.server.tools.parts import brief_number, figure, order_line, verdict_line
from trade_mcp.server.untrusted import around, clean, marked
from trade_mcp.store import proposals, reads
from trade_mcp.store.proposals import Kept

if TYPE_CHECKING:
    from trade_mcp.app import App

PAGE = 20


def preview_order(desk: "App", asked: Placing) -> Body:
    """What place_order with the same arguments would do now: every rule's verdict, cost, fee, risk and exits.

    Writes nothing. Use it before place_order, and to learn how to change an order that was refused.
    """
    preview = desk.gate.preview(asked.request, Source.MODEL)
    order = preview.order
    return {
        "allowed": preview.allowed,
        "needs_person": preview.asks or None,
        "order": {
            "symbol": order.symbol,
            "side": order.side,
            "type": order.type,
            "size": order.size,
            "limit_price": order.limit_price,
            "trigger_price": order.trigger_price,
        },
        "notional": preview.notional,
        "fee": preview.fee,
        "stop": preview.stop,
        "target": preview.target,
        "risk": preview.risk,
        "equity": preview.equity,
        "exposure_after": figure(preview.exposure_after),
        "heat_after": figure(preview.heat_after),
        "verdicts": [verdict_line(verdict) for verdict in preview.verdicts if _tells(verdict)],
        "passed": [verdict.rule for verdict in preview.verdicts if not _tells(verdict)],
    }


def _tells(verdict: Verdict) -> bool:
    """Whether a verdict says more than that it has nothing against the order."""
    return not verdict.passed or (verdict.measured is not None and isinstance(verdict.limit, Decimal))


def place_order(desk: "App", asked: Placing, can_ask: bool) -> Body:
    """Place an order. The gate checks every limit first; a refusal lists the rules that failed with their numbers.

    Call get_quotes and preview_order first. Give size or notional. A buy without stop_loss gets the desk's default;
    exits are priced from the actual fill and rest at the venue. To repeat after a lost answer, send the order_id
    again: it is never placed twice. To sell, prefer close_position.

    `proposed`: a person decides; do not repeat it. `unconfirmed`: make it smaller, or repeat it with its `confirm`.
    """
    request = asked.request
    if asked.confirm:
        try:
            confirm.check(asked.confirm, request)
        except RefusedError as no:
            desk.trading.deny("confirm", no.message, Source.MODEL, order_id=request.order_id)
            raise
    receipt = desk.gate.submit(request, Source.MODEL, propose=can_ask or bool(asked.confirm))
    if receipt.outcome == "unconfirmed":
        said = f"{receipt.message}. Make it smaller, or send it again with this order_id and confirm"
        return {"outcome": receipt.outcome, "message": said, "confirm": confirm.token_for(request)}
    if receipt.order is not None and receipt.order.status in (Status.REJECTED, Status.NEVER_PLACED):
        raise Refused(_told(receipt))
    return _told(receipt)


def cancel_order(desk: "App", *, order_id: Annotated[str, "from list_orders"], reason: Reason = "") -> Body:
    """Cancel an open order. Stops and targets are not cancelled: move them with set_exits or use close_position."""
    return _told(desk.gate.cancel(order_id, Source.MODEL, reason=reason or "cancelled in the chat"))


def close_position(
    desk: "App",
    *,
    symbol: Symbol,
    fraction: Annotated[Decimal, '"0.5" for half; default all'] = Decimal(1),
    order_id: NewId = "",
    reason: Reason = "",
) -> Body:
    """Sell a position, or a fraction of it, at the market now; its exits are replaced in the same step."""
    receipt = desk.gate.close(
        symbol, fraction, Source.MODEL, reason=reason or "closed in the chat", order_id=order_id or new_id()
    )
    return _told(receipt)


def set_exits(
    desk: "App",
    *,
    symbol: Symbol,
    stop_loss: StopLoss = None,
    take_profit: TakeProfit = None,
    trailing: Trailing = None,
    reason: Reason = "",
) -> Body:
    """Change the exits of a position; what is left out stays. Distances count from its entry.

    Tightening always passes, loosening a stop is judged like an entry. get_portfolio shows the exits in force.
    """
    plan = exit_plan(stop_loss, take_profit, trailing)
    if plan is None:
        raise BadInput("no exit is given", hint="give stop_loss, take_profit or trailing")
    return _told(desk.gate.set_exits(symbol, plan, Source.MODEL, reason=reason))


def list_orders(
    desk: "App",
    *,
    status: Annotated[str, OneOf((*reads.STATUSES, "all", "refused")), "default open"] = "open",
    symbol: Annotated[str, "default all"] = "",
    cursor: Annotated[str, "`next` of the page before"] = "",
) -> Body:
    """List orders, newest first, with what filled and why they ended; `refused` shows what the gate turned down."""
    asked: dict[str, Any] = {"symbol": symbol or None, "cursor": cursor, "limit": PAGE}
    if status == "refused":
        refusals, following = reads.refusals(desk.engine, **asked)
        return {"orders": [_refusal(refusal) for refusal in refusals], "next": following or None}
    found, following = reads.orders(desk.engine, status=None if status == "all" else status, **asked)
    return {"orders": [order_line(order) for order in found], "next": following or None}


def list_proposals(
    desk: "App", *, status: Annotated[str, OneOf(("waiting", "all")), "default waiting"] = "waiting"
) -> Body:
    """List entries that wait for a person; `all`: also what became of others. No tool approves one."""
    now = desk.clock.real()
    found = proposals.newest(desk.engine, waiting=status == "waiting", limit=PAGE)
    shown = [one for one in found if status == "all" or one.standing(now) == proposals.WAITING]
    return {"proposals": [_proposal(one.proposal) | _became(one, now) for one in shown]}


def answer_proposal(desk: "App", proposal_id: str, said: Said) -> Body:
    """What a person in the chat said about a proposal is done."""
    if said is Said.YES:
        return _told(desk.proposals.approve(proposal_id, By.CHAT))
    if said is Said.NO:
        gone = desk.proposals.reject(proposal_id, By.CHAT)
        body = {"outcome": "rejected", "message": "the person said no; nothing was sent", "proposal": _proposal(gone)}
        raise Refused(body)
    found = proposals.proposal(desk.engine, proposal_id)
    waits = None if found is None else _proposal(found.proposal) | _became(found, desk.clock.real())
    return {"outcome": "proposed", "message": "the person did not answer; nothing was sent", "proposal": waits}


def _proposal(one: OrderProposal) -> Body:
    return {
        "id": one.proposal_id,
        "order_id": one.request.order_id,
        "symbol": one.request.symbol,
        "size": one.size,
        "price": brief_number(one.price),
        "notional": brief_number(one.notional),
        "by": one.source,
        "reason": marked(one.request.reason) or None,
        "why": clean(one.why),
        "until": one.expires_at,
    }


def _became(found: Kept, now: datetime) -> Body:
    return {"status": found.standing(now), "decided_by": found.decided_by or None, "note": marked(found.note) or None}


def _refusal(refusal: OrderRefused) -> Body:
    request = refusal.request
    return {
        "order_id": request.order_id,
        "symbol": request.symbol,
        "side": request.side,
        "type": request.type,
        "size": request.size,
        "notional": request.notional,
        "at": refusal.at,
        "by": refusal.source,
        "reason": marked(request.reason) or None,
        "rules": [{"rule": rule, "reason": clean(why, 300)} for rule, why in refusal.rules],
    }


def _told(receipt: Receipt) -> Body:
    """A receipt as an answer. Raises Refused for a refusal, with every verdict that failed."""
    words = (receipt.order.note, receipt.order.reason) if receipt.order is not None else ()
    body: Body = {
        "outcome": receipt.outcome,
        "message": around(receipt.message, *words),
        "order": order_line(receipt.order) if receipt.order is not None else None,
        "exits": [order_line(leg, brief=True) for leg in receipt.legs] or None,
        "proposal": _proposal(receipt.proposal) if receipt.proposal is not None else None,
    }
    if receipt.refused:
        if not receipt.verdicts:  # no rule, but a person's no
            raise Refused(body)
        failed = [verdict_line(verdict) for verdict in receipt.failed]
        passed = [verdict.rule for verdict in receipt.verdicts if verdict.passed]
        body |= {"message": None, "order": None, "verdicts": failed, "passed": passed}
        raise Refused(body | {"hint": "change the order to fit the limits, or leave it; get_risk shows what is free"})
    return body


TOOLS = (
    Entry(preview_order, "Preview an order", takes=order_request),
    Entry(place_order, "Place an order", takes=order_request, reads=False, repeatable=False, asks=answer_proposal),
    Entry(cancel_order, "Cancel an order", reads=False),
    Entry(close_position, "Close a position", reads=False, repeatable=False),
    Entry(set_exits, "Set stop, target, trail", reads=False),
    Entry(list_orders, "List orders"),
    Entry(list_proposals, "Orders that wait for a person"),
)
