"""Confirm: a token that a client which cannot ask a person must send back before an entry is put before one.

It passes through the model, so it is friction and never an approval: it keeps a model from filling a person's list with
what it could have made smaller. It is of one order and one process, and lasts for minutes.
"""

import hashlib
import hmac
import secrets
import time

from trade_mcp.desk.resolve import fingerprint
from trade_mcp.domain.errors import RefusedError
from trade_mcp.domain.order import OrderRequest

LASTS_S = 300
_KEY = secrets.token_bytes(32)


def token_for(request: OrderRequest) -> str:
    """The token of ``request``, id included, from now on."""
    until = int(time.monotonic()) + LASTS_S
    return f"{until:x}.{_sign(request, until)}"


def check(token: str, request: OrderRequest) -> None:
    """Raises RefusedError for a token that was not made for this order, or too long ago."""
    text, _, signed = token.partition(".")
    try:
        until = int(text, 16)
    except ValueError:
        until = 0
    if not hmac.compare_digest(_sign(request, until).encode(), signed.encode(errors="replace")):
        raise RefusedError(
            "this confirm token was not made for this order",
            hint="send the arguments and the order_id that the token came with, or leave confirm out for a new one",
        )
    if time.monotonic() > until:
        raise RefusedError("this confirm token is too old", hint="leave confirm out: the answer brings a new one")


def _sign(request: OrderRequest, until: int) -> str:
    text = f"{request.order_id}|{fingerprint(request)}|{until}"
    return hmac.new(_KEY, text.encode(), hashlib.sha256).hexdigest()[:32]
