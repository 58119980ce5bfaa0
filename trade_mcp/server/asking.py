"""Asking: a question to the person behind the client, where the client can put one.

The SDK's `Resolve` fills arguments that the SDK reads; ours are read by `strict`, so the two ways a protocol has to ask
are used here directly: a request in the middle of a call (up to 2025-11-25), or a result that asks for input and is
called again with it (from 2026-07-28 on; what it carries in between is sealed by the SDK and names the proposal). A
client that cannot ask is never sent a question.
"""

from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from typing import Any

import anyio
from mcp.server.elicitation import render_elicitation_schema
from mcp.shared.exceptions import MCPError
from mcp_types import ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult
from mcp_types.version import is_version_at_least
from msgspec import Struct
from pydantic import BaseModel, ConfigDict, Field, ValidationError

ASKS_BY_RESULT = "2026-07-28"  # the first protocol in which a question is a result
KEY = "approve"


class Said(StrEnum):
    """What a person answered."""

    YES = "yes"
    NO = "no"
    NOTHING = "nothing"  # closed the question, or gave no sense: it goes on waiting


class Question(Struct, frozen=True):
    """About one proposal: what is asked, and until when an answer counts (real time)."""

    proposal_id: str
    text: str
    until: datetime


class Form(BaseModel):
    """What the person fills in."""

    model_config = ConfigDict(extra="forbid")

    approve: bool = Field(description="Place this order?")


def can_be_asked(context: Any) -> bool:
    """Whether the client said that it can put a form to a person, and there is a way to send it one."""
    capabilities = context.client_capabilities
    asks = None if capabilities is None else capabilities.elicitation
    if asks is None or (asks.form is None and asks.url is not None):
        return False
    return _by_result(context) or context.session.can_send_request


def answered(context: Any) -> tuple[str, Said] | None:
    """The proposal that was asked about and the answer, if this call brings one; sealed by us, so ours."""
    if not _by_result(context) or context.request_state is None:
        return None
    return str(context.request_state), _said((context.input_responses or {}).get(KEY))


async def put(context: Any, question: Question, *, now: datetime) -> Said | InputRequiredResult:
    """Ask; the answer, or the result that asks for it."""
    schema = render_elicitation_schema(Form)
    if _by_result(context):
        form = ElicitRequest(params=ElicitRequestFormParams(message=question.text, requested_schema=schema))
        return InputRequiredResult(input_requests={KEY: form}, request_state=question.proposal_id)
    result = None
    within = anyio.move_on_after(max(0.0, (question.until - now).total_seconds()))
    with within, suppress(MCPError, ValidationError):  # a client that fails at asking has not answered
        result = await context.session.elicit_form(
            message=question.text, requested_schema=schema, related_request_id=context.request_id
        )
    return _said(result)


def _said(result: object) -> Said:
    if not isinstance(result, ElicitResult):
        return Said.NOTHING
    if result.action == "decline":
        return Said.NO
    if result.action != "accept":
        return Said.NOTHING
    try:
        return Said.YES if Form.model_validate(result.content, strict=True).approve else Said.NO
    except ValidationError:
        return Said.NOTHING


def _by_result(context: Any) -> bool:
    version = context.protocol_version
    return version is not None and is_version_at_least(version, ASKS_BY_RESULT)
