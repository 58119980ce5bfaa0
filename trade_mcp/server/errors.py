"""Errors: what a model is told when something goes wrong. What we foresaw with a hint; what we did not, by a number."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from mcp_types import CallToolResult

from trade_mcp import logs
from trade_mcp.domain.errors import TradeError
from trade_mcp.server.shapes import Body, Refused, head, result
from trade_mcp.server.untrusted import clean

if TYPE_CHECKING:
    from trade_mcp.app import App

_PATH = re.compile(r"(?<![\w/])/(?:[\w.@+-]+/)+")  # the folders in front of a file's name


def guarded(desk: "App", tool: str, run: Callable[[], Body], named: Body) -> CallToolResult:
    """What ``run`` answers, or what is told when it refuses or fails; each begins with the head and ``named``."""
    start: Body = {}
    try:
        start = head(desk)
        told = run()
        return result(start | named | told)
    except Refused as refusal:
        return result(start | named | refusal.body, is_error=True)
    except TradeError as error:
        return result(start | named | failure(error), is_error=True)
    except Exception as error:  # the edge of the process: whatever broke must not reach the model
        return result(start | named | crash(error, tool), is_error=True)


def failure(error: TradeError) -> Body:
    """A failure we foresaw: what happened, what to do next, whether trying again can help."""
    told = {"kind": type(error).__name__, "message": _said(error.message), "hint": _said(error.hint) or None}
    return {"error": told | {"retryable": error.retryable}}


def crash(error: Exception, tool: str) -> Body:
    """A failure we did not foresee: logged under an incident id, which is all that leaves this process."""
    incident = logs.incident("a tool broke", error, tool=tool)
    return {
        "error": {
            "kind": "Internal",
            "message": f"{tool} broke; nothing about it is known here but incident {incident}",
            "hint": "look at list_orders and get_portfolio before acting again; the server's log has the incident",
            "incident": incident,
            "retryable": False,
        }
    }


def _said(text: str) -> str:
    return clean(_PATH.sub("", logs.redacted(text)), 600)
