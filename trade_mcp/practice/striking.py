"""Striking: what faults do to a request, whichever way it came, and what is answered when one fails by itself."""

from collections.abc import Iterable
from typing import Any

import anyio

from trade_mcp import logs
from trade_mcp.domain.errors import TradeError
from trade_mcp.practice.errors import ApiError
from trade_mcp.practice.faults import Fault
from trade_mcp.practice.service import Practice

PAGE = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
UNKNOWN = {"code": -1000, "msg": "An unknown error occurred while processing the request."}


class Broken(Exception):
    """Nobody answers: the connection ends, by a reset or in silence."""

    def __init__(self, *, reset: bool):
        super().__init__()
        self.reset = reset


class Answered(Exception):
    """Something else answers: ``body``, or a page if it is None."""

    def __init__(self, status: int, body: Any):
        super().__init__()
        self.status, self.body = status, body


async def strike(faults: Iterable[Fault], practice: Practice, *, address: str) -> None:
    """Let faults happen, one after the other. Raises Broken, Answered, ApiError: what the client gets instead."""
    for fault in faults:
        match fault.fault:
            case "delay":
                await anyio.sleep(fault.seconds)
            case "kill":
                practice.kill()
            case "drop" | "reset":
                raise Broken(reset=fault.fault == "reset")
            case "html":
                raise Answered(fault.status, None)
            case "answer":
                raise Answered(fault.status, UNKNOWN if fault.body is None else fault.body)
            case "limit":
                raise practice.context.limits.limited(int(fault.seconds))
            case "ban":
                raise practice.context.limits.ban(address, fault.seconds)


def refusal(error: Exception, target: str) -> ApiError:
    """What the exchange answers when ``target`` failed with ``error``."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, TradeError):
        return ApiError(-1001, f"Internal error; {error.message}", status=503)
    number = logs.incident("a request failed", error, request=target)
    return ApiError(-1000, f"An unknown error occurred; incident {number}.", status=500)
