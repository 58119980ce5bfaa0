"""Every rule, with what it judges: the one list. A rule answers None where it has nothing to say."""

from collections.abc import Callable

from msgspec import Struct

from trade_mcp.risk.policy import Policy
from trade_mcp.risk.proposal import Proposal
from trade_mcp.risk.rules import approval, book, market, pace, size, state
from trade_mcp.risk.verdict import Verdict

Check = Callable[[Proposal, Policy], Verdict | None]


class Rule(Struct, frozen=True, gc=False):
    """One control: its check, and whether it judges entries, reductions, cancels, and loosened stops.

    A rule with ``numbers`` is left out when a number of the order is unsound. Its limits are in `policy.LIMITS`.
    """

    name: str
    check: Check
    entry: bool = False
    reduce: bool = False
    cancel: bool = False
    loosen: bool = False
    numbers: bool = True


RULES: tuple[Rule, ...] = (
    Rule("finite", size.finite, entry=True, reduce=True, cancel=True, loosen=True, numbers=False),
    Rule("trading_state", state.trading_state, entry=True, reduce=True, cancel=True, loosen=True, numbers=False),
    Rule("policy_in_force", state.policy_in_force, entry=True, numbers=False),
    Rule("symbol_lists", market.symbol_lists, entry=True, numbers=False),
    Rule("owner", book.owner, entry=True, reduce=True),
    Rule("venue_limits", market.venue_limits, entry=True, reduce=True),
    Rule("fresh_quote", market.fresh_quote, entry=True, numbers=False),
    Rule("price_band", market.price_band, entry=True),
    Rule("spread", market.spread, entry=True, numbers=False),
    Rule("session", market.session, entry=True, reduce=True, numbers=False),
    Rule("cash", book.cash, entry=True),
    Rule("holdings", book.holdings, reduce=True),
    Rule("self_trade", book.self_trade, entry=True, reduce=True),
    Rule("stop_required", size.stop_required, entry=True, loosen=True),
    Rule("reward_to_risk", size.reward_to_risk, entry=True),
    Rule("stage", size.stage, entry=True),
    Rule("order_notional", size.order_notional, entry=True),
    Rule("concentration", size.concentration, entry=True),
    Rule("exposure", size.exposure, entry=True),
    Rule("open_positions", book.open_positions, entry=True, numbers=False),
    Rule("open_orders", book.open_orders, entry=True),
    Rule("trade_risk", size.trade_risk, entry=True, loosen=True),
    Rule("heat", size.heat, entry=True, loosen=True),
    Rule("heat_per_strategy", size.heat_per_strategy, entry=True, loosen=True),
    Rule("correlation", size.correlation, entry=True),
    Rule("loss_streak", state.loss_streak, entry=True, numbers=False),
    Rule("duplicate", pace.duplicate, entry=True),
    Rule("repeats", pace.repeats, entry=True, numbers=False),
    Rule("orders_per_minute", pace.orders_per_minute, entry=True, numbers=False),
    Rule("orders_per_day", pace.orders_per_day, entry=True, numbers=False),
    Rule("watcher_alive", state.watcher_alive, entry=True, numbers=False),
    Rule("venue_break", state.venue_break, entry=True, numbers=False),
    Rule("approval", approval.approval, entry=True),
)
