"""Signing: whose request it is. HMAC-SHA256 in hex over what was sent, and a timestamp inside the receive window."""

import hashlib
import hmac
import re
from collections.abc import Mapping

from trade_mcp.practice.accounts import Key
from trade_mcp.practice.errors import ApiError, bad_key, illegal, missing

USUAL_WINDOW_MS = 5_000
WIDEST_WINDOW_MS = 60_000
MICROSECONDS = 10**15  # a number so large counts them
AHEAD_MS = 1_000  # a timestamp may be so far in the future


def known_key(keys: Mapping[str, Key], said: str | None, permission: str) -> Key:
    """Raises -2014 for what is no key, -2015 for one that is unknown or may not."""
    if not said or not re.fullmatch(r"[A-Za-z0-9_.-]{1,128}", said):
        raise ApiError(-2014, "API-key format invalid.", status=401)
    key = keys.get(said)
    if key is None or permission not in key.permissions:
        raise bad_key()
    return key


def check_signature(key: Key, payload: str, signature: str | None) -> None:
    """``payload`` is the raw text that was signed. Raises -1102, -1022."""
    if not signature:
        raise missing("signature")
    right = hmac.new(key.secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(right, signature.lower()):
        raise ApiError(-1022, "Signature for this request is not valid.")


def check_time(sent: Mapping[str, str], now_ms: int) -> None:
    """Raises -1102, -1100, -1021. A timestamp may be in microseconds."""
    timestamp = _number(sent, "timestamp", r"[0-9]{1,20}")
    if timestamp is None:
        raise missing("timestamp")
    if timestamp >= MICROSECONDS:
        timestamp /= 1000
    window = _number(sent, "recvWindow", r"[0-9]{1,20}(\.[0-9]{1,3})?")
    if window is not None and window > WIDEST_WINDOW_MS:
        raise ApiError(-1102, f"'recvWindow' contains unexpected value. Cannot be greater than {WIDEST_WINDOW_MS}.")
    if timestamp >= now_ms + AHEAD_MS:
        raise ApiError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if now_ms - timestamp > (USUAL_WINDOW_MS if window is None else window):
        raise ApiError(-1021, "Timestamp for this request is outside of the recvWindow.")


def without_signature(raw: str) -> str:
    """The raw query or form as it was signed: everything but the signature.

    >>> without_signature("symbol=BTCUSDT&timestamp=1&signature=ab")
    'symbol=BTCUSDT&timestamp=1'
    """
    return "&".join(part for part in raw.split("&") if not part.startswith("signature="))


def socket_payload(params: Mapping[str, str]) -> str:
    """What a WebSocket request signs: its parameters by name, not url-encoded."""
    return "&".join(f"{name}={params[name]}" for name in sorted(params) if name != "signature")


def _number(sent: Mapping[str, str], name: str, legal: str) -> float | None:
    said = sent.get(name)
    if said is None:
        return None
    if not re.fullmatch(legal, said):
        raise illegal(name, f"^{legal}$")
    return float(said)
