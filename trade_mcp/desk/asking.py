"""Asking: entries that are put before a person, written down as proposals instead of orders."""

from datetime import timedelta

from trade_mcp.desk.judge import Judge
from trade_mcp.desk.receipt import Receipt
from trade_mcp.desk.resolve import fingerprint
from trade_mcp.domain import events as e
from trade_mcp.domain.approvals import Answer, Approval, By, OrderProposal, proposal_id
from trade_mcp.domain.errors import IdConflict, NotWaiting
from trade_mcp.domain.order import OrderRequest
from trade_mcp.ports import Clock
from trade_mcp.risk.proposal import Proposal
from trade_mcp.store import proposals
from trade_mcp.store.log import Ledger, Log


class Asking:
    """Makes proposals, ends those that ran out, and knows what was asked before."""

    def __init__(self, ledger: Log, judge: Judge, *, clock: Clock):
        self._log, self._judge, self._clock = ledger, judge, clock

    def expire(self, ledger: Ledger) -> None:
        """End the proposals whose time is over."""
        now = self._clock.real()
        for waiting in list(ledger.book.proposals.values()):
            if now >= waiting.expires_at:
                no = (waiting.proposal_id, waiting.request.order_id, Answer.EXPIRED, By.CLOCK, now)
                ledger.append(e.ProposalDecided(*no))

    def put(self, ledger: Ledger, request: OrderRequest, asked: Proposal, *, why: str) -> Receipt:
        """Put an entry that every rule lets pass before a person."""
        order, price, notional, equity = asked.order, asked.price, asked.notional, asked.equity
        assert order is not None and price is not None and notional is not None and equity is not None
        now, window = self._clock.real(), self._judge.policy(ledger.book).approval_window_s
        made = OrderProposal(
            proposal_id=proposal_id(ledger.book.account, request.order_id),
            request=request,
            source=order.source,
            at=order.at,
            real_at=now,
            expires_at=now + timedelta(seconds=window),
            size=order.size,
            price=price,
            notional=notional,
            share=notional / equity,
            stop=asked.stop,
            risk=asked.risk,
            why=why,
        )
        ledger.append(e.ProposalMade(made))
        return _proposed(made)

    def asked_before(self, ledger: Ledger, request: OrderRequest) -> Receipt | None:
        """What became of the proposal that this request was before; None for one that was never put to a person."""
        number = proposal_id(ledger.book.account, request.order_id)
        waiting = ledger.book.proposals.get(number)
        found = None if waiting is not None else proposals.proposal(self._log.engine, number)
        asked = waiting or (None if found is None else found.proposal)
        if asked is None:
            return None
        if fingerprint(asked.request) != fingerprint(request):
            raise IdConflict(
                f"order {request.order_id} was put to a person with other content",
                hint="use a new order_id for a new order",
            )
        if waiting is not None:
            return _proposed(waiting)
        assert found is not None
        answer = found.standing(self._clock.real())
        return Receipt("refused", f"a person was asked, and it is {answer}; nothing was sent", proposal=asked)


def waiting(ledger: Ledger, approval: Approval) -> OrderProposal:
    """The proposal that is approved. Raises NotWaiting: another answer came first, or its time is over."""
    if (waiting := ledger.book.proposals.get(approval.proposal_id)) is None:
        raise NotWaiting("it was answered already, or its time is over", hint="nothing was sent")
    return waiting


def _proposed(waiting: OrderProposal) -> Receipt:
    text = f"{waiting.why}; it waits for one until {waiting.expires_at:%H:%M:%S} UTC, and nothing was sent yet"
    return Receipt("proposed", text, proposal=waiting)
