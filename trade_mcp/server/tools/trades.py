"""Trade tools: the story behind an order, from the opinions to the money."""

from typing import TYPE_CHECKING

from trade_mcp.office.explain import Line, Story, explain
from trade_mcp.quant.performance import Trade
from trade_mcp.server.shapes import Body, moment
from trade_mcp.server.tool import Entry
from trade_mcp.server.tools.parts import brief_number
from trade_mcp.server.untrusted import clean, marked

if TYPE_CHECKING:
    from trade_mcp.app import App

LINES = 40  # of the timeline; the newest, behind the first


def explain_trade(desk: "App", *, order_id: str) -> Body:
    """Why a trade was made, what the rules said, what happened, and what it earned.

    `order_id`: its entry, an exit, or a refused order; list_orders has them.
    """
    return story(explain(desk.log, order_id))


def story(told: Story) -> Body:
    """A story as an answer: short, with what others wrote marked."""
    lines = told.lines if len(told.lines) <= LINES else (told.lines[0], *told.lines[1 - LINES :])
    return {
        "order_id": told.request.order_id,
        "symbol": told.request.symbol,
        "outcome": told.outcome,
        "why": {
            "by": told.source,
            "strategy": clean(told.request.strategy, 40) or None,
            "reason": marked(told.request.reason) or None,
            "decided": _decided(told),
            "opinions": [f"{one.strategy} {_strength(one.strength)}: {clean(one.reason)}" for one in told.opinions]
            or None,
        },
        "judged": {
            "passed": len(told.passed) or None,
            "refused": {rule: clean(reason, 300) for rule, reason in told.refused} or None,
            "policy": told.policy[:12],
            "code": told.code,
        },
        "result": None if told.trade is None else _result(told, told.trade),
        "omitted": len(told.lines) - len(lines) or None,
        "timeline": [_line(line, known=told.request.reason) for line in lines],
    }


def _decided(told: Story) -> str | None:
    """What the loop said when it decided, unless the order says the same."""
    if told.decision is None or told.decision.reason == told.request.reason:
        return None
    return clean(told.decision.reason, 240)


def _result(told: Story, trade: Trade) -> Body:
    return {
        "entry": None if trade.entry is None else brief_number(trade.entry),
        "exit": None if trade.exit is None else brief_number(trade.exit),
        "size": trade.size,
        "realised": trade.profit,
        "fees": trade.fees,
        "net": trade.net,
        "risked": None if told.risked is None else brief_number(told.risked),
        "r_multiple": told.r_multiple,
        "opened": trade.opened,
        "closed": trade.closed,
    }


def _line(line: Line, *, known: str) -> str:
    who = f"{line.who}: " if line.who else ""
    words = f" ({marked(line.words, 120)})" if line.words not in ("", known) else ""
    return f"{moment(line.entry.at)} {who}{clean(line.what)}{words}"


def _strength(value: float | None) -> str:
    return "warming up" if value is None else f"{value:+.2f}"


TOOLS = (Entry(explain_trade, "Explain a trade"),)
