"""Proposals: entries that wait for a person, and the answers to them. The first answer wins, wherever it comes from."""

from trade_mcp.desk.gate import Gate
from trade_mcp.desk.receipt import Receipt
from trade_mcp.desk.trading import Trading
from trade_mcp.domain.approvals import Answer, Approval, By, OrderProposal
from trade_mcp.domain.book import LIVE
from trade_mcp.domain.errors import NotWaiting
from trade_mcp.domain.events import ProposalDecided
from trade_mcp.domain.order import Source
from trade_mcp.ports import Clock
from trade_mcp.store import proposals as kept
from trade_mcp.store.leases import Lease
from trade_mcp.store.log import Log


class Proposals:
    """The answers to what the gate put before a person."""

    def __init__(self, ledger: Log, gate: Gate, trading: Trading, *, clock: Clock):
        self._log, self._gate, self._trading, self._clock = ledger, gate, trading, clock

    def approve(self, proposal_id: str, by: By) -> Receipt:
        """Place the entry, if every rule agrees now and its price is still near the one that was shown.

        A rule that says no leaves it waiting. Raises NotWaiting for what is unknown, too late or decided already.
        """
        found = self._found("approve", proposal_id, by)
        if by is By.CHAT and self._log.book.mode == LIVE:
            why = "on a live desk a person approves in a terminal, with the passphrase"
            raise self._denied("approve", why, found, by=by)
        try:
            return self._gate.submit(found.request, found.source, approval=Approval(proposal_id, by))
        except NotWaiting as late:
            raise self._denied("approve", late.message, found, by=by) from None

    def reject(self, proposal_id: str, by: By, *, reason: str = "") -> OrderProposal:
        """Say no for good. Raises NotWaiting."""
        found = self._found("reject", proposal_id, by)
        with self._log.writing() as ledger:
            waits = proposal_id in ledger.book.proposals
            if waits:
                decided = ProposalDecided(
                    proposal_id, found.request.order_id, Answer.REJECTED, by, self._clock.real(), reason
                )
                ledger.append(decided)
        if not waits:
            raise self._denied("reject", self._said(proposal_id), found, by=by)
        return found

    def expire(self, lease: Lease | None = None) -> None:
        """Write down which ran out."""
        now = self._clock.real()
        if any(now >= proposal.expires_at for proposal in self._log.refresh().proposals.values()):
            with self._log.writing(lease) as ledger:
                self._gate.asking.expire(ledger)

    def _found(self, act: str, proposal_id: str, by: By) -> OrderProposal:
        """The proposal, if it is one of this ledger and waits; an attempt on another is written down."""
        found = kept.proposal(self._log.engine, proposal_id)
        if found is None:
            why = f"there is no proposal {proposal_id[:40]!r} on this ledger"
            self._trading.deny(act, why, _source(by))
            raise NotWaiting(why, hint="trade-mcp proposals lists those that wait")
        if found.standing(self._clock.real()) != kept.WAITING:
            raise self._denied(act, self._said(proposal_id), found.proposal, by=by)
        return found.proposal

    def _said(self, proposal_id: str) -> str:
        found = kept.proposal(self._log.engine, proposal_id)
        assert found is not None
        return told(found, standing=found.standing(self._clock.real()))

    def _denied(self, act: str, why: str, proposal: OrderProposal, *, by: By) -> NotWaiting:
        self._trading.deny(act, f"{proposal.proposal_id}: {why}", _source(by), order_id=proposal.request.order_id)
        return NotWaiting(why, hint="ask anew if it is still wanted; nothing was sent")


def told(found: kept.Kept, *, standing: str) -> str:
    """What became of a proposal, in a sentence."""
    if standing == Answer.EXPIRED:
        return f"it expired at {found.proposal.expires_at:%H:%M:%S} UTC"
    if found.decided_at is None:
        return f"it waits until {found.proposal.expires_at:%H:%M:%S} UTC"
    return f"it was {standing} at {found.decided_at:%H:%M:%S} UTC ({found.decided_by})"


def _source(by: By) -> Source:
    return Source.MODEL if by is By.CHAT else Source.OPERATOR
