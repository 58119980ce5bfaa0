"""Told: what one event says, as a person would tell it. Words that others wrote stay out; they are shown beside it."""

from trade_mcp.domain import events as e
from trade_mcp.domain.approvals import Answer
from trade_mcp.domain.exits import Levels
from trade_mcp.domain.order import Order, OrderType
from trade_mcp.office.plain import number

ENDS = {
    "cancelled": "was cancelled",
    "expired": "expired",
    "rejected": "was rejected by the venue",
    "never_placed": "never reached the venue",
}


def told(event: e.Event) -> str:
    """One sentence without a full stop.

    >>> from decimal import Decimal
    >>> told(e.PeakRaised("BTC/USDT", Decimal("101.50")))
    'its best price rose to 101.5'
    """
    match event:
        case e.OrderPending(order=order, passed=passed):
            return f"{order.source} asked to {_asked(order)}; {len(passed)} rules let it pass"
        case e.OrderRefused(request=request, source=source, rules=rules):
            return (
                f"{source} asked to {request.side} {request.symbol}; refused by {', '.join(rule for rule, _ in rules)}"
            )
        case e.TakenOver(fill=fill):
            return f"{number(fill.size)} were taken over by a person, at {number(fill.price)}"
        case e.Filled(order=order, fill=fill):
            fee = f"fee {number(fill.fee)} {fill.fee_currency}"
            left = f", {number(order.open_size)} still open" if order.open_size else ""
            return f"{fill.side} {number(fill.size)} filled at {number(fill.price)}, {fee}{left}"
        case e.OrderWorking():
            return "rests at the venue"
        case e.OrderCancelling():
            return "is to be cancelled"
        case e.OrderResized(order=order):
            return f"is sized to what is held: {number(order.size)}"
        case e.OrderEnded(order=order):
            return ENDS.get(order.status, f"ended {order.status}")
        case e.OrderReopened():
            return "had ended for us, and the venue shows it after all"
        case e.ExitsChanged(levels=levels, source=source):
            return f"{source} set its exits: {_levels(levels)}"
        case e.PeakRaised(peak=peak):
            return f"its best price rose to {number(peak)}"
        case e.StopsWatched(watched=watched):
            return "the desk watches all stops from here on" if watched else "stops rest at the venue from here on"
        case e.OwnerChanged(owner=owner):
            return f"it belongs to {owner} from here on"
        case e.DustBooked(size=size):
            return f"{number(size)} are left, too few to sell: dust"
        case e.ProposalMade(proposal=proposal):
            request, until = proposal.request, proposal.expires_at
            asked = f"{proposal.source} asked to {request.side} {number(proposal.size)} {request.symbol}"
            return f"{asked}; a person decides it until {until:%H:%M:%S} UTC"
        case e.ProposalDecided(answer=Answer.EXPIRED):
            return "no person decided it in time"
        case e.ProposalDecided(answer=answer, by=by):
            return f"a person {answer} it ({by})"
        case e.Denied(act=act, by=by):
            return f"{by} tried what is not theirs to do: {act}"
        case e.Alarm():
            return "alarm"
    return e.kind(event)


def beside(event: e.Event) -> str:
    """The words of the event that came from outside: a model's reason, a venue's note, an alarm's text."""
    match event:
        case e.OrderPending(order=order):
            return order.reason
        case e.OrderCancelling(order=order) | e.OrderEnded(order=order) | e.OrderReopened(order=order):
            return order.note
        case e.OrderRefused(request=request):
            return request.reason
        case e.ExitsChanged(reason=words) | e.Alarm(text=words) | e.ProposalDecided(reason=words) | e.Denied(why=words):
            return words
        case e.ProposalMade(proposal=proposal):
            return proposal.request.reason
    return ""


def _asked(order: Order) -> str:
    prices = {"limit": order.limit_price, "trigger": order.trigger_price}
    said = " ".join(f"{name} {number(price)}" for name, price in prices.items() if price is not None)
    kind = "" if order.type is OrderType.LIMIT else order.type.value.replace("_", " ")
    return f"{order.side} {number(order.size)} {order.symbol}, {' '.join(filter(None, (kind, said)))}"


def _levels(levels: Levels) -> str:
    known = {"stop": levels.stop_price, "target": levels.target}
    return ", ".join(f"{name} {number(level)}" for name, level in known.items() if level is not None) or "none"
