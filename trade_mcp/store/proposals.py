"""Proposals as they are kept: the waiting ones and what became of the others."""

from datetime import datetime

import msgspec
from msgspec import Struct

from trade_mcp.domain.approvals import OrderProposal
from trade_mcp.store.engine import Reader
from trade_mcp.store.projections import WAITING

ONE = "SELECT status, decided_at, decided_by, note, payload FROM proposals WHERE proposal_id = ?"
NEWEST = "SELECT status, decided_at, decided_by, note, payload FROM proposals {} ORDER BY placed DESC LIMIT ?"

_proposal = msgspec.json.Decoder(OrderProposal).decode


class Kept(Struct, frozen=True):
    """A proposal and what became of it: ``status`` is "waiting" or the answer."""

    proposal: OrderProposal
    status: str
    decided_at: datetime | None  # real time
    decided_by: str
    note: str

    def standing(self, real: datetime) -> str:
        """The status at real time ``real``: one that ran out is expired, though nobody wrote it down yet."""
        return "expired" if self.status == WAITING and real >= self.proposal.expires_at else self.status


def proposal(reader: Reader, proposal_id: str) -> Kept | None:
    """The proposal with this id, whatever became of it."""
    found = reader.row(ONE, (proposal_id,))
    return None if found is None else _kept(*found)


def newest(reader: Reader, *, waiting: bool, limit: int) -> list[Kept]:
    """The newest proposals, those that wait or all."""
    sql = NEWEST.format(f"WHERE status = '{WAITING}'" if waiting else "")
    return [_kept(*row) for row in reader.rows(sql, (limit,))]


def _kept(status: str, decided_at: str | None, decided_by: str, note: str, payload: str) -> Kept:
    at = None if decided_at is None else datetime.fromisoformat(decided_at)
    return Kept(_proposal(payload), status, at, decided_by, note)
