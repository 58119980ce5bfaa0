"""Risk tools: the limits with their use, and the switch that stops everything."""

from typing import TYPE_CHECKING, Annotated

from trade_mcp.desk.trading import RESUME
from trade_mcp.domain.errors import TradeError
from trade_mcp.domain.order import Source
from trade_mcp.office.risk import Held
from trade_mcp.risk.uses import Use
from trade_mcp.server import errors
from trade_mcp.server.shapes import Body, Refused
from trade_mcp.server.tool import Entry
from trade_mcp.server.tools.arguments import Reason, new_id
from trade_mcp.server.tools.parts import figure
from trade_mcp.server.untrusted import around, clean, marked

if TYPE_CHECKING:
    from trade_mcp.app import App


def get_risk(desk: "App") -> Body:
    """Every limit with its use and headroom, the trading state, and what stands in the way of new orders.

    Look here after a refusal, or to size an order. Fractions are of equity or price. No tool changes a limit.
    """
    found = desk.risk()
    return {
        "state": found.state,
        "state_reason": marked(found.state_reason) or None,
        "cleared_by": found.cleared_by or None,
        "tripped": [_brake(one) for one in found.brakes] or None,
        "over": list(found.over) or None,
        "broken": {currency: clean(why) for currency, why in found.breaks.items()} or None,
        "closed": [{"symbol": one.symbol, "why": one.why, "opens_at": one.opens_at} for one in found.closed] or None,
        "together": [list(one.symbols) for one in found.clusters if len(one.symbols) > 1] or None,
        "correlations_of": found.correlations_of,
        "limits": [_limit(use) for use in found.limits if use.use is not None],
        "other_limits": {use.key: figure(use.limit) for use in found.limits if use.use is None and use.limit},
    }


def halt_trading(
    desk: "App", *, reason: Reason, flatten: Annotated[bool, "also sell all positions now"] = False
) -> Body:
    """Stop all trading now: open entries are cancelled, exits stay. Only a person can resume, in a terminal.

    Use it when something is wrong, or when asked to; close_position ends a single position.
    """
    receipt = desk.gate.halt(Source.MODEL, reason=reason)
    body: Body = {"outcome": receipt.outcome, "message": around(receipt.message, reason), "cleared_by": RESUME}
    if flatten:
        try:
            sold = desk.gate.flatten(Source.MODEL, reason=reason, make_id=new_id)
        except TradeError as error:
            raise Refused(body | errors.failure(error)) from error
        body["sold"] = [clean(one.message) for one in sold]
    return body


def _brake(one: Held) -> Body:
    return {
        "brake": one.brake,
        "scope": clean(one.scope) or None,
        "since": one.since,
        "until": one.until,
        "reason": clean(one.reason),
        "cleared_by": one.cleared_by,
    }


def _limit(use: Use) -> Body:
    return {
        "key": use.key,
        "limit": figure(use.limit),
        "use": figure(use.use),
        "headroom": figure(use.headroom),
    }


TOOLS = (
    Entry(get_risk, "Limits and headroom"),
    Entry(halt_trading, "Halt trading", reads=False),
)
