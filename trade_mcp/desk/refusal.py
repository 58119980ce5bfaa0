"""Refusal: writes down that the gate said no. Who is refused the same again and again waits for a person."""

from trade_mcp.desk.receipt import Receipt, why_not
from trade_mcp.domain import events as e
from trade_mcp.domain.book import trader
from trade_mcp.domain.order import Order, OrderRequest
from trade_mcp.risk.rules.pace import repeats_scope
from trade_mcp.risk.verdict import Verdict
from trade_mcp.store.log import Ledger


def refuse(ledger: Ledger, request: OrderRequest, order: Order, verdicts: tuple[Verdict, ...]) -> Receipt:
    failed = tuple((verdict.rule, verdict.reason) for verdict in verdicts if not verdict.passed)
    ledger.append(e.OrderRefused(request, order.source, order.at, order.size, failed))
    if any(verdict.rule == "repeats" and verdict.detail[0] == "count" and not verdict.passed for verdict in verdicts):
        _hold_repeats(ledger, order, dict(failed)["repeats"])
    return Receipt("refused", why_not(verdicts), order, verdicts)


def _hold_repeats(ledger: Ledger, order: Order, why: str) -> None:
    """Whoever enters the same again and again waits until a person has looked: time alone does not release it."""
    scope = repeats_scope(trader(order.source, order.strategy), order.symbol)
    ledger.append(e.BrakeTripped("repeats", e.TradingState.ACTIVE, order.at, why, scope=scope))
