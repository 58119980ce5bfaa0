"""Approval: which entries a person decides, and whether one that was approved is still what the person saw."""

from trade_mcp.risk.policy import ALWAYS, NEVER, Policy
from trade_mcp.risk.proposal import Proposal
from trade_mcp.risk.verdict import Verdict

MOVED = "moved"  # the one failure that is a refusal: the others ask


def approval(proposal: Proposal, policy: Policy) -> Verdict | None:
    """No larger than ``policy.approve_above`` of equity, or approved within ``policy.max_approval_drift`` of its price.

    Failing without an approval is no refusal: the entry waits for a person.
    """
    notional, equity, price, shown = proposal.notional, proposal.equity, proposal.price, proposal.view.shown
    if price is None or notional is None or equity is None or equity <= 0:
        return None  # without them the rules of size refuse
    if shown is not None:
        drift = abs(price - shown) / shown
        return Verdict(
            "approval", drift <= policy.max_approval_drift, drift, policy.max_approval_drift, (MOVED, price, shown)
        )
    share, limit = notional / equity, policy.approve_above
    if policy.ask == NEVER:
        return Verdict("approval", True, share, None, ("none",))
    if policy.ask == ALWAYS:
        return Verdict("approval", False, share, None, ("always",))
    return Verdict("approval", share <= limit, share, limit, ("size",))


def unasked(verdict: Verdict) -> bool:
    """Whether ``verdict`` says that a person has not been asked yet."""
    return verdict.rule == "approval" and not verdict.passed and verdict.detail[0] != MOVED
