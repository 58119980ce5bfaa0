"""Person: whoever sits behind the client, as far as a tool may ask them: the question about a proposal, the answer."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mcp_types import CallToolResult

from trade_mcp.domain.approvals import question
from trade_mcp.domain.book import LIVE
from trade_mcp.server.asking import Question, Said
from trade_mcp.server.calls import logged
from trade_mcp.server.errors import guarded
from trade_mcp.server.shapes import Body
from trade_mcp.store import proposals

if TYPE_CHECKING:
    from trade_mcp.app import App

Decide = Callable[["App", str, Said], Body]


class Person:
    """For one tool of one desk; ``decide`` does what was answered."""

    def __init__(self, desk: "App", tool: str, decide: Decide):
        self._desk, self._tool, self._decide = desk, tool, decide

    def now(self) -> datetime:
        return self._desk.clock.real()

    @property
    def may_decide(self) -> bool:
        """Not on a live desk: a client may answer by itself, and a person there gives a passphrase, in a terminal."""
        return self._desk.settings.mode != LIVE

    def question(self, told: CallToolResult) -> Question | None:
        """What to ask after the answer ``told``: it is read from what is stored, so it is the same every time."""
        said: dict[str, Any] = told.structured_content or {}
        if said.get("outcome") != "proposed":
            return None
        found = proposals.proposal(self._desk.engine, said["proposal"]["id"])
        assert found is not None, "what was just told is stored"
        text = question(found.proposal, quote=self._desk.log.book.quote)
        return Question(found.proposal.proposal_id, f"{self._desk.settings.mode}: {text}", found.proposal.expires_at)

    def decide(self, proposal_id: str, said: Said) -> CallToolResult:
        """Do what the person said."""
        return logged(
            self._tool,
            lambda: guarded(self._desk, self._tool, lambda: self._decide(self._desk, proposal_id, said), {}),
        )
