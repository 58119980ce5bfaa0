"""API: the face of the exchange, as one ASGI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from starlette.applications import Starlette
from starlette.routing import Route

from trade_mcp.practice.rest import Rest
from trade_mcp.practice.service import Practice
from trade_mcp.practice.sockets import sockets


def api(practice: Practice) -> Starlette:
    """Every endpoint; while it is served, the exchange keeps up with its market."""

    @asynccontextmanager
    async def alive(_: Starlette) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(practice.run)
            yield
            tasks.cancel_scope.cancel()

    return Starlette(routes=[*sockets(practice), Route("/{path:path}", Rest(practice))], lifespan=alive)
