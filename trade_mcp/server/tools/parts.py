"""Parts of answers that several tools share: an order, a verdict, an exit distance, in few words."""

from decimal import Context, Decimal
from typing import Any

from trade_mcp.domain.distances import Distance
from trade_mcp.domain.order import Order
from trade_mcp.office.plain import number
from trade_mcp.risk.verdict import Verdict
from trade_mcp.server.shapes import Body
from trade_mcp.server.untrusted import clean, marked

_SHORT = Context(prec=8)  # digits of numbers that are shown and not traded with


def order_line(order: Order, *, brief: bool = False) -> Body:
    """An order as the book holds it; ``brief`` for one leg of a position's exits."""
    line: Body = {
        "order_id": order.order_id,
        "role": order.role,
        "type": order.type,
        "status": order.status,
        "size": order.size,
        "limit_price": order.limit_price,
        "trigger_price": order.trigger_price,
        "trailing": distance(order.trailing),
    }
    if brief:
        return line
    return line | {
        "symbol": order.symbol,
        "side": order.side,
        "filled": order.filled or None,
        "price": brief_number(order.cost / order.filled) if order.filled else None,
        "at": order.at,
        "by": order.source,
        "strategy": clean(order.strategy, 40) or None,
        "reason": marked(order.reason) or None,
        "note": marked(order.note) or None,
    }


def verdict_line(verdict: Verdict) -> Body:
    """A verdict: what was measured against which limit; the sentence only where it said no."""
    return {
        "rule": verdict.rule,
        "passed": verdict.passed,
        "measured": figure(verdict.measured),
        "limit": figure(verdict.limit),
        "reason": None if verdict.passed else clean(verdict.reason, 300),
    }


def distance(asked: Distance | None) -> str | None:
    """A distance as people write it: "2%", "150", or "2.5 ATR = 150"."""
    if asked is None:
        return None
    if asked.fraction is not None:
        return f"{number(asked.fraction * 100)}%"
    if asked.risk is not None:
        return f"{number(asked.risk)}R"
    amount = "" if asked.amount is None else number(brief_number(asked.amount))
    return amount if asked.atr is None else f"{number(asked.atr)} ATR = {amount}"


def brief_number(value: Decimal) -> Decimal:
    """``value`` to eight digits, to be read."""
    return _SHORT.plus(value)


def figure(value: Any) -> Any:
    """What a rule measured, as it is shown: a number to eight digits, a text cleaned."""
    if isinstance(value, Decimal):
        return brief_number(value) if value.is_finite() else str(value)
    return clean(value, 80) if isinstance(value, str) else value
