"""Size: how big one order, one position, and everything together may be."""

from decimal import Decimal

from trade_mcp.domain.book import trader
from trade_mcp.domain.exits import levels
from trade_mcp.domain.instrument import ZERO
from trade_mcp.domain.order import Order, OrderType, Source
from trade_mcp.risk.clusters import cluster
from trade_mcp.risk.policy import OTHERS, SIZES, Policy
from trade_mcp.risk.proposal import Kind, Proposal
from trade_mcp.risk.standing import stop_at
from trade_mcp.risk.verdict import Verdict


def finite(proposal: Proposal, policy: Policy) -> Verdict:
    """Every number of the order is one: finite, above zero, of a sane magnitude and number of digits."""
    return Verdict("finite", proposal.unsound is None, None, None, proposal.unsound or ())


def stop_required(proposal: Proposal, policy: Policy) -> Verdict | None:
    """The position has a stop (if ``policy.require_stop``); stop and target are on their sides of the price."""
    if proposal.kind is Kind.LOOSEN:
        stop, target, price = proposal.stop, proposal.levels.target if proposal.levels else None, proposal.price
    else:
        order = proposal.order
        assert order is not None
        price = _entered_at(order, proposal)
        plan = order.exits
        if price is None or plan is None:
            stop, target = None, None
            if plan is not None and plan.has_stop:  # no price to hold it against: fresh_quote refuses
                return None
        else:
            stop = stop_at(plan, price)
            target = plan.target if isinstance(plan.target, Decimal) else None
    if stop is None:
        return Verdict("stop_required", not policy.require_stop, None, None, ("none", proposal.symbol))
    if stop <= ZERO or (price is not None and stop >= price):
        return Verdict("stop_required", False, stop, price, ("side",))
    if target is not None and price is not None and target <= price:
        return Verdict("stop_required", False, target, price, ("target",))
    return Verdict("stop_required", True, stop, price, ("stop",))


def _entered_at(order: Order, proposal: Proposal) -> Decimal | None:
    """The lowest price an entry is expected to fill at: its limit, its trigger, else the bid it could be sold at."""
    bid = proposal.quote.bid if proposal.quote is not None else None
    if order.trigger_price is not None:
        # A take-profit buy above the market triggers at once and fills at the market.
        now = bid if order.type is OrderType.TAKE_PROFIT else None
        return min(filter(None, (order.trigger_price, order.limit_price, now)))
    if order.limit_price is not None:
        return order.limit_price if bid is None or order.limit_price < bid else bid
    return bid


def order_notional(proposal: Proposal, policy: Policy) -> Verdict | None:
    """The order at its worst price stays below ``policy.max_order_notional`` of equity."""
    return _share("order_notional", proposal.notional, proposal, limit=policy.max_order_notional)


def concentration(proposal: Proposal, policy: Policy) -> Verdict | None:
    """One symbol, with all its live buys, stays below ``policy.max_position`` of equity."""
    return _share("concentration", proposal.position, proposal, limit=policy.max_position)


def exposure(proposal: Proposal, policy: Policy) -> Verdict | None:
    """All positions and all live buys stay below ``policy.max_exposure`` of equity."""
    return _share("exposure", proposal.exposure, proposal, limit=policy.max_exposure)


def trade_risk(proposal: Proposal, policy: Policy) -> Verdict | None:
    """What this order (or the position, for a loosened stop) loses at its stop: ``policy.max_trade_risk`` of equity."""
    return _share("trade_risk", proposal.risk, proposal, limit=policy.max_trade_risk)


def heat(proposal: Proposal, policy: Policy) -> Verdict | None:
    """Open risk (equity lost if every stop is hit, as a fraction) stays below ``policy.max_heat``."""
    return _share("heat", proposal.heat, proposal, limit=policy.max_heat)


def stage(proposal: Proposal, policy: Policy) -> Verdict | None:
    """A strategy without a record enters small: a share of ``policy.max_order_notional``."""
    order = proposal.order
    if order is None:
        return None
    named, said = stage_of(order.source, order.strategy, policy) if policy.stage else (proposal.who, "full")
    if said == "full":
        return Verdict("stage", True, None, None, (named, said))
    limit = SIZES[said] * policy.max_order_notional
    return _share("stage", proposal.notional, proposal, limit=limit, about=(named, said))


def stage_of(source: Source, strategy: str, policy: Policy) -> tuple[str, str]:
    """Whose stage an order of ``strategy`` is in, and which: its own if the loop asks, else that of all others."""
    if source is Source.LOOP and strategy in policy.stage:
        return strategy, policy.stage[strategy]
    return trader(source, strategy), policy.stage.get(OTHERS, "full")


def reward_to_risk(proposal: Proposal, policy: Policy) -> Verdict | None:
    """The target is at least ``policy.min_reward_to_risk`` times as far from the worst price as the stop."""
    order, price, least = proposal.order, proposal.price, policy.min_reward_to_risk
    if order is None or price is None or not least:
        return None
    target = levels(order.exits, price).target if order.exits is not None else None
    if target is None or proposal.stop is None:
        missing = "stop" if target is not None else "target"
        return Verdict("reward_to_risk", False, None, least, (missing, proposal.symbol))
    reward, risk = target - price, price - proposal.stop
    measured = reward / risk if risk > 0 else None
    return Verdict("reward_to_risk", reward >= least * risk, measured, least, ("ratio", proposal.symbol))


def heat_per_strategy(proposal: Proposal, policy: Policy) -> Verdict | None:
    """The same of what one strategy opened: ``policy.max_heat_per_strategy``. The chat is one, under whatever names."""
    limit, who, used, now = policy.max_heat_per_strategy, proposal.who, proposal.heat, proposal.now
    if used is not None and now is not None:
        used = now.heats.get(who, ZERO) + used - now.heat  # what this adds, or a looser stop
    return _share("heat_per_strategy", used, proposal, limit=limit, about=(who,))


def correlation(proposal: Proposal, policy: Policy) -> Verdict | None:
    """All that moves together with the symbol stays below ``policy.max_cluster`` of equity.

    Symbols hang together from a correlation of ``policy.cluster_correlation`` on; an unknown one counts as 1.
    """
    after, equity, now, limit = proposal.exposure, proposal.equity, proposal.now, policy.max_cluster
    if after is None or proposal.notional is None or now is None:
        return None  # an entry without a price: fresh_quote refuses
    if equity is not None and ZERO < after <= limit * equity:
        return Verdict("correlation", True, after / equity, limit, ((), None))
    known = proposal.view.correlations
    together = cluster(proposal.symbol, now.notionals, known=known, least=policy.least_correlation)
    used = proposal.notional + sum([now.notionals.get(symbol, ZERO) for symbol in together], ZERO)
    day = known.day if known is not None else None
    return _share("correlation", used, proposal, limit=limit, about=(tuple(together), day))


def _share(
    rule: str, used: Decimal | None, proposal: Proposal, *, limit: Decimal, about: tuple[object, ...] = ()
) -> Verdict | None:
    """``used`` against ``limit`` x equity: decided by multiplication, measured as a fraction; ``about`` comes first."""
    equity = proposal.equity
    if used is None:
        if proposal.kind is Kind.LOOSEN:
            return Verdict(rule, False, None, limit, (*about, "unpriced", proposal.symbol))
        return None  # an entry without a price: fresh_quote refuses
    if equity is None:
        unpriced = proposal.now.unpriced if proposal.now is not None else ()
        return Verdict(rule, False, None, limit, (*about, "unpriced", *unpriced))
    if equity <= ZERO:
        return Verdict(rule, False, None, limit, (*about, "worthless", equity))
    return Verdict(rule, used <= limit * equity, used / equity, limit, about)
