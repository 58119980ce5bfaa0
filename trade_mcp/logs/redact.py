"""Redact: no secret leaves in a log, whatever field, traceback or address it stands in."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

SECRET_NAME = re.compile(
    r"(token|secret|password|passphrase|api[_-]?key|authorization|(model|exchange)_key|ping_url|webhook(_url)?)$", re.I
)
HIDDEN = "[hidden]"
SHORTEST = 6  # characters; anything shorter would hide half the log, and is hidden by its field's name alone

# What looks like a secret without being known: credentials and tokens in addresses and headers.
ADDRESSES = re.compile(
    r"(?P<user>://)[^/\s:@\"']+:[^/\s@\"']+(?=@)"
    r"|(?P<query>[?&;](?:[\w-]*token|[\w-]*key|secret|password|sig|signature|auth)=)[^&;\s\"'#\\<>]+"
    r"|(?P<path>/bot(?=\d+:)|hooks\.slack\.com/services/|/api/webhooks/|hc-ping\.com/)[^\s\"'?#\\<>]+",
    re.I,
)
BEARER = re.compile(r"\b(bearer|basic) +[\w.~+/=-]{8,}", re.I)

_forms: set[str] = set()
_known: re.Pattern[str] | None = None


def hide(secrets: Iterable[str]) -> None:
    """Never print these values again, in any of the forms a line may hold them: plain, quoted, escaped, in JSON."""
    global _known
    for secret in secrets:
        if len(secret) >= SHORTEST:
            plain = {secret, repr(secret)[1:-1], quote(secret), quote(secret, safe="")}
            _forms.update(plain | {json.dumps(form)[1:-1] for form in plain})
    longest_first = sorted(_forms, key=len, reverse=True)
    _known = re.compile("|".join(map(re.escape, longest_first))) if _forms else None


def redacted(text: str) -> str:
    """``text`` without the secrets that are known, and without what looks like one in an address or a header.

    >>> redacted("GET https://me:hunter22@example.org/x?token=abc&day=1 Bearer abcdefgh")
    'GET https://[hidden]@example.org/x?token=[hidden]&day=1 Bearer [hidden]'
    """
    if _known is not None:
        text = _known.sub(HIDDEN, text)
    if "://" in text:
        text = ADDRESSES.sub(lambda found: f"{found['user'] or found['query'] or found['path']}{HIDDEN}", text)
    return BEARER.sub(rf"\1 {HIDDEN}", text)


def without_secrets(fields: Mapping[str, Any]) -> dict[str, Any]:
    """``fields`` with the values hidden whose names say that they are secret, however deep they stand.

    >>> without_secrets({"headers": {"X-Api-Key": "a"}, "order_id": "b"})
    {'headers': {'X-Api-Key': '[hidden]'}, 'order_id': 'b'}
    """
    return {
        key: HIDDEN if isinstance(key, str) and SECRET_NAME.search(key) else _inside(value)
        for key, value in fields.items()
    }


def _inside(value: Any) -> Any:
    if isinstance(value, Mapping):
        return without_secrets(value)
    return [_inside(each) for each in value] if isinstance(value, list | tuple) else value
