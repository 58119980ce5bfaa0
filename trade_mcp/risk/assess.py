"""Assess: every rule that applies to a proposal, all at once, so that the asker learns every reason."""

from trade_mcp.risk.policy import Policy
from trade_mcp.risk.proposal import Proposal
from trade_mcp.risk.verdict import Verdict


def assess(proposal: Proposal, policy: Policy) -> tuple[Verdict, ...]:
    """The verdicts of all rules that apply to ``proposal``; the finite rule first."""
    raise NotImplementedError


def refused(verdicts: tuple[Verdict, ...]) -> bool:
    """Whether any rule said no."""
    return not all(verdict.passed for verdict in verdicts)
