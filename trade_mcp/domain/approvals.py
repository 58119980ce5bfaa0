"""Approvals: an entry that waits for a person, and the question a person is asked about it.

Not the rules' `Proposal` (a book before and after): this one is kept, shown, and decided once.
"""

import hashlib
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from trade_mcp.domain.order import OrderRequest, OrderType, Source


class Answer(StrEnum):
    """What became of a proposal; the first answer is the only one."""

    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"


class By(StrEnum):
    """Where an answer came from."""

    TERMINAL = "terminal"
    CHAT = "chat"
    CLOCK = "clock"


class OrderProposal(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """An entry as it was shown when it was asked for. Money is in the quote currency; ``share`` is of equity."""

    proposal_id: str
    request: OrderRequest
    source: Source
    at: datetime  # market time
    real_at: datetime
    expires_at: datetime  # real time
    size: Decimal
    price: Decimal  # the worst of quote, limit and trigger
    notional: Decimal
    share: Decimal
    stop: Decimal | None = None
    risk: Decimal | None = None  # lost at the stop
    why: str = ""  # a person is asked


class Approval(Struct, frozen=True):
    """A person's yes to one proposal."""

    proposal_id: str
    by: By


def proposal_id(account: str, order_id: str) -> str:
    """Short name of the proposal of an order: another desk's is not found here, and a retry finds the same one.

    >>> proposal_id("paper-1", "a"), proposal_id("paper-2", "a")
    ('fd16aa8b0e', '7d9bd3a068')
    """
    return hashlib.sha256(f"{account}\n{order_id}".encode()).hexdigest()[:10]


def question(proposal: OrderProposal, *, quote: str) -> str:
    """What a person is asked: from what is stored alone, so it reads the same however often it is asked.

    The words of who asked stand last and in quotes: they are not the desk's.
    """
    request, base = proposal.request, proposal.request.symbol.partition("/")[0]
    how = "at the market" if request.type is OrderType.MARKET else f"with a {request.type} order"
    lines = [
        f"The {proposal.source} wants to buy {proposal.size:f} {base} {how}, at about {_short(proposal.price)} "
        f"{quote}: {_short(proposal.notional)} {quote}, {proposal.share * 100:.1f} % of equity.",
        f"Asked because {proposal.why}.",
    ]
    if proposal.stop is not None and proposal.risk is not None:
        lines.append(f"Stop at {_short(proposal.stop)}: it would lose {_short(proposal.risk)} {quote} there.")
    lines.append(f"Open until {proposal.expires_at:%H:%M:%S} UTC.")
    if request.reason:
        lines.append('Its own words: "' + request.reason.replace('"', "'") + '"')
    return "\n".join(lines)


def _short(number: Decimal) -> str:
    """Eight significant digits.

    >>> _short(Decimal("1250.000000012")), _short(Decimal("0.00001234"))
    ('1250', '0.00001234')
    """
    return format(Decimal(f"{number:.8g}").normalize(), "f")
