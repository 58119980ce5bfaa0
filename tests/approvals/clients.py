"""Real MCP clients with a person behind them who answers as the test says, and remembers what was asked."""

import contextlib
from collections.abc import Iterator
from typing import Any

from anyio.from_thread import start_blocking_portal
from mcp import Client
from mcp_types import ElicitResult

from server.serving import Caller

MODERN, LEGACY = "auto", "legacy"  # the newest protocol; the handshake of 2025-11-25


class PersonBehind:
    """Answers every question with ``says``: "yes", "no", "decline", "cancel", or raw content."""

    def __init__(self, says: Any = "yes"):
        self.says = says
        self.asked: list[str] = []

    async def __call__(self, context: object, params: Any) -> ElicitResult:
        self.asked.append(params.message)
        assert set(params.requested_schema["properties"]) == {"approve"}
        if self.says in ("decline", "cancel"):
            return ElicitResult(action=self.says)
        content = {"approve": self.says == "yes"} if self.says in ("yes", "no") else self.says
        return ElicitResult(action="accept", content=content)


@contextlib.contextmanager
def chat(server: Any, person: PersonBehind | None, *, mode: str = MODERN) -> Iterator[Caller]:
    """A client of ``server`` (in memory, an address, or what starts one), with or without somebody to ask."""
    with start_blocking_portal() as portal:
        client = Client(server, mode=mode, read_timeout_seconds=30, elicitation_callback=person)
        with portal.wrap_async_context_manager(client):
            yield Caller(portal, client)
