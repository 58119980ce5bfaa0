"""Risk tools: the limits with their use, and the switch that stops everything."""

from typing import TYPE_CHECKING, Annotated

from trade_mcp.desk.market import held
from trade_mcp.domain.errors import TradeError
from trade_mcp.domain.events import TradingState
from trade_mcp.domain.order import Source
from trade_mcp.risk.policy import parse_policy
from trade_mcp.risk.uses import Use, uses
from trade_mcp.server import errors
from trade_mcp.server.shapes import Body, Refused
from trade_mcp.server.tool import Entry
from trade_mcp.server.tools.arguments import Reason, new_id
from trade_mcp.server.tools.parts import figure
from trade_mcp.server.untrusted import around, clean, marked

if TYPE_CHECKING:
    from trade_mcp.app import App

RESUME = "a person, in a terminal: trade-mcp resume --reason ..."


def get_risk(desk: "App") -> Body:
    """Every limit with its use and headroom, the trading state, and what stands in the way of new orders.

    Look here after a refusal, or to size an order. Fractions are of equity or price. No tool changes a limit.
    """
    book = desk.log.refresh()
    limits = uses(
        book,
        parse_policy(book.policy_text),
        marks=desk.market.marks(held(book)),
        now=desk.clock.market(),
        watcher_silence_s=desk.heartbeats.silence_s("watch"),
    )
    active = book.state is TradingState.ACTIVE
    return {
        "state": book.state,
        "state_reason": marked(book.state_reason) or None,
        "cleared_by": None if active else RESUME,
        "over": [use.key for use in limits if use.headroom is not None and use.headroom < 0] or None,
        "broken": {currency: clean(why) for currency, why in book.breaks.items()} or None,
        "limits": [_limit(use) for use in limits],
    }


def halt_trading(
    desk: "App", *, reason: Reason, flatten: Annotated[bool, "also sell all positions now"] = False
) -> Body:
    """Stop all trading now: open entries are cancelled, exits stay. Only a person can resume, in a terminal.

    Use it when something is wrong, or when asked to; close_position ends a single position.
    """
    receipt = desk.gate.set_state(TradingState.HALTED, Source.MODEL, reason=reason)
    body: Body = {"outcome": receipt.outcome, "message": around(receipt.message, reason), "cleared_by": RESUME}
    if flatten:
        try:
            sold = desk.gate.flatten(Source.MODEL, reason=reason, make_id=new_id)
        except TradeError as error:
            raise Refused(body | errors.failure(error)) from error
        body["sold"] = [clean(one.message) for one in sold]
    return body


def _limit(use: Use) -> Body:
    return {
        "key": use.key,
        "limit": figure(use.limit) if use.limit not in ((), {}) else None,
        "use": figure(use.use),
        "headroom": figure(use.headroom),
    }


TOOLS = (
    Entry(get_risk, "Limits and headroom"),
    Entry(halt_trading, "Halt trading", reads=False),
)
