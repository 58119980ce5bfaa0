"""Shapes: how an answer looks. Plain numbers as text, a head that says what it is of, and never too long."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any

import msgspec
from mcp_types import CallToolResult, TextContent

from trade_mcp.office.plain import number

if TYPE_CHECKING:
    from trade_mcp.app import App

MAX_CHARS = 16_000  # about 4,000 tokens

Body = dict[str, Any]


class Refused(Exception):
    """A tool's answer is a refusal: a result with ``is_error`` and this body, not a failure."""

    def __init__(self, body: Body):
        super().__init__(body)
        self.body = body


def head(desk: "App") -> Body:
    """What every answer begins with: whose market this is, and when."""
    start: Body = {"mode": desk.settings.mode, "feed": desk.feed.name}
    if desk.feed.synthetic:
        start["synthetic"] = True
    return start | {"as_of": desk.clock.market()}


def result(body: Body, *, is_error: bool = False) -> CallToolResult:
    """``body`` as compact JSON text and as structured content, cut to the size every answer keeps to."""
    shown = fit(plain(body))
    return CallToolResult(
        content=[TextContent(type="text", text=_text(shown))],
        structured_content=shown,
        is_error=is_error,
    )


def moment(at: datetime) -> str:
    """A time in UTC to the second.

    >>> moment(datetime(2024, 1, 2, 3, 4, 5, 678, tzinfo=UTC))
    '2024-01-02T03:04:05Z'
    """
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def plain(value: Any) -> Any:
    """``value`` as JSON: Decimals and times as text, floats to six digits, what is absent left out."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, Decimal):
        return number(value)
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float):
        return float(f"{value:.6g}") if value == value and abs(value) != float("inf") else None
    return value


def fit(body: Body) -> Body:
    """``body`` with its longest list cut until all of it fits; ``truncated`` says what is missing.

    A tool with more to tell than this has a cursor or a limit of its own; this is the guard behind them.
    """
    while (size := len(_text(body))) > MAX_CHARS:
        lists = {key: len(_text(value)) for key, value in body.items() if isinstance(value, list) and value}
        if not lists:
            return {
                "error": {
                    "kind": "AnswerTooLong",
                    "message": f"the answer has {size} characters; at most {MAX_CHARS} are shown",
                    "hint": "ask for less: one symbol, or a lower limit",
                }
            }
        longest = max(lists, key=lambda key: lists[key])
        rows = body[longest]
        keep = min(len(rows) - 1, int(len(rows) * max(0.0, 1 - (size - MAX_CHARS + 200) / lists[longest])))
        of = body.get("truncated", {}).get(longest, {}).get("of", len(rows))
        cut = {longest: {"shown": keep, "of": of, "hint": "ask for less: one symbol, or a lower limit"}}
        body = body | {longest: rows[:keep], "truncated": body.get("truncated", {}) | cut}
    return body


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()
