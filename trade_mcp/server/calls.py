"""Calls: every tool call gets an id and a line in the log: which tool, how long, what came of it, which order."""

import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import structlog
from mcp_types import CallToolResult

from trade_mcp import logs

log = logs.get_logger("calls")


def logged(tool: str, answer: Callable[[], CallToolResult]) -> CallToolResult:
    """What ``answer`` returns. Whatever is logged meanwhile, in this thread, carries the id of the call."""
    with structlog.contextvars.bound_contextvars(call=uuid4().hex[:12]):
        began = time.perf_counter()
        result = answer()
        told = result.structured_content or {}
        log.info("tool called", tool=tool, ms=_ms(began), outcome=_outcome(told), **_order(told))
        return result


def _ms(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 1)


def _outcome(told: dict[str, Any]) -> str:
    """What the answer says became of the request; of a failure, its kind."""
    if error := told.get("error"):
        return str(error.get("kind", "error"))
    return str(told.get("outcome", "ok"))


def _order(told: dict[str, Any]) -> dict[str, str]:
    order = told.get("order")
    found = told.get("order_id") or (order.get("order_id") if isinstance(order, dict) else None)
    return {"order_id": str(found)} if found else {}
