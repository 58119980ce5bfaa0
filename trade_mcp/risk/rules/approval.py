"""Approval: which entries a person decides, and whether one that was approved is still what the person saw."""

from trade_mcp.domain.instrument import ZERO
from trade_mcp.risk.policy import ALWAYS, NEVER, Policy
from trade_mcp.risk.proposal import Proposal
from trade_mcp.risk.verdict import Verdict

MOVED, WAITS = "moved", "waits"  # failures that refuse; the others ask


def approval(proposal: Proposal, policy: Policy) -> Verdict | None:
    """No larger than ``policy.approve_above`` of equity, or approved within ``policy.max_approval_drift`` of its price.

    Failing without an approval is no refusal: the entry waits for a person, one of each symbol at a time.
    """
    notional, equity, price, shown = proposal.notional, proposal.equity, proposal.price, proposal.view.shown
    if price is None or notional is None or equity is None or equity <= ZERO:
        return None  # without them the rules of size refuse
    if shown is not None:
        drift = abs(price - shown) / shown
        return Verdict(
            "approval", drift <= policy.max_approval_drift, drift, policy.max_approval_drift, (MOVED, price, shown)
        )
    share, limit = notional / equity, policy.approve_above
    if policy.ask == NEVER:
        return Verdict("approval", True, share, None, ("none",))
    if policy.ask != ALWAYS and share <= limit:
        return Verdict("approval", True, share, limit, ("size",))
    if other := next((one for one in proposal.book.proposals.values() if one.request.symbol == proposal.symbol), None):
        return Verdict("approval", False, share, None, (WAITS, proposal.symbol, other.proposal_id))
    return Verdict("approval", False, share, limit, ("always" if policy.ask == ALWAYS else "size",))


def unasked(verdict: Verdict) -> bool:
    """Whether ``verdict`` says that a person has not been asked yet."""
    return verdict.rule == "approval" and not verdict.passed and verdict.detail[0] not in (MOVED, WAITS)
