"""What ccxt raises, in our words: connectivity (nobody knows what happened there) or rejection (the exchange said no).

Only one of them is known. So a rejection needs proof: a refusal that ccxt knows by name, or an answer of HTTP status
4xx. All else (time-outs, resets, 5xx, a status of 200 with a page instead of JSON, a code ccxt never heard of) is
unknown: the order may live there, and reconciliation finds out.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

import ccxt
import requests

from trade_mcp.domain.errors import VenueRejected, VenueUnreachable

REFUSALS: Mapping[
    str, re.Pattern[str]
] = {  # refusals that ccxt has no name for; a duplicate is no refusal: it lives there
    "coinbase": re.compile(
        r'"success":\s*false(?!.*DUPLICATE).*"(error|preview_failure_reason|new_order_failure_reason)":'
        r'\s*"(?!UNKNOWN|INTERNAL|UNAVAILABLE|DEADLINE|ABORTED)\w+"',
        re.S,
    ),
    "kraken": re.compile(
        r'"(EOrder:(?!Rate|Domain rate|Duplicate|Internal|Tempor|Time|Unavail)'
        r"|EQuery|EAccount|EAPI:Invalid signature|EGeneral:Invalid arguments)"
    ),
    "okx": re.compile(r'"s?[cC]ode":\s*"(50030|50119|50120)"'),  # the key may not
}
DOUBTS: Mapping[str, re.Pattern[str]] = {  # what ccxt files as a no, though it may have been done, or is there already
    "bybit": re.compile(
        r'"retCode":\s*(10014|12141|110072|170035|170141|170146|170147)\b|"retMsg":[^,]*duplicate', re.I
    ),
    "okx": re.compile(r'"s?[cC]ode":\s*"(51016|50071)"'),
}
KEY_CODES = ('"code":-2015', "EAPI:Invalid signature")  # of what may be the key, and ccxt does not say so
WINDOWS_S: Mapping[str, float] = {"okx": 2.0}  # after which an exchange that names no time counts requests anew
TOO_MANY_ORDERS = '"code":-1015'
BANNED = "access too frequent"  # Bybit's, with HTTP 403
BANNED_S = 600.0
LONGEST = 240  # characters of the exchange's own words
ADDRESS = re.compile(r"(https?://[^\s?]+)\?\S*|origin_string\[[^\]]*\]")  # one holds the signature, one the key

KEYS = (
    "check TRADE_MCP_EXCHANGE_KEY and TRADE_MCP_EXCHANGE_SECRET, and TRADE_MCP_EXCHANGE_PASSPHRASE where there is one:"
    " all of one key, for this exchange and address"
)
RIGHTS = "the key needs the permission to read and to trade spot, and this machine's address if it is bound to one"
NETWORK = "nobody knows whether it arrived; the desk asks again by our id before anything is sent anew"
ADDRESS_HINT = "check TRADE_MCP_EXCHANGE_URL and what stands between: it must lead to the exchange's own API"


class NotJson(Exception):
    """An answer with a good status that is no JSON: a proxy's page, a portal's, another server's."""

    def __init__(self, response: requests.Response):
        super().__init__(f"{response.headers.get('Content-Type', 'something')} instead of JSON")


class Row(NamedTuple):
    """One kind of ccxt's errors: whether it is a certain no, and what a person can do."""

    kind: type[Exception]
    certain: bool
    hint: str


# The first row that fits counts: special kinds stand before their bases.
ERRORS = (
    Row(ccxt.DDoSProtection, False, "too many requests: the desk waits as long as the exchange asked"),
    Row(ccxt.RateLimitExceeded, False, "too many requests: the desk waits as long as the exchange asked"),
    Row(ccxt.InvalidNonce, False, "the clocks differ: check this machine's time (NTP)"),
    Row(ccxt.OnMaintenance, False, "the exchange is under maintenance; " + NETWORK),
    Row(ccxt.OperationFailed, False, NETWORK),  # network errors, time-outs, answers that cannot be read
    Row(ccxt.PermissionDenied, True, RIGHTS),
    Row(ccxt.AccountSuspended, True, "the exchange has suspended the account: ask its support"),
    Row(ccxt.AuthenticationError, True, KEYS),
    Row(ccxt.InsufficientFunds, True, "the account does not hold that much free: see get_portfolio"),
    Row(ccxt.OrderNotFound, True, ""),
    Row(ccxt.OrderImmediatelyFillable, True, "a post_only order must not match at once, nor a stop trigger at once"),
    Row(ccxt.DuplicateOrderId, True, ""),
    Row(ccxt.InvalidOrder, True, ""),
    Row(ccxt.MarketClosed, True, "the symbol is halted or delisted: find_instruments shows what trades"),
    Row(ccxt.RestrictedLocation, True, "the exchange does not serve this place"),
    Row(ccxt.OperationRejected, True, ""),
    Row(ccxt.BadSymbol, True, "find_instruments shows what trades here"),
    Row(ccxt.BadRequest, True, ""),
    Row(ccxt.ArgumentsRequired, True, ""),
    Row(ccxt.NotSupported, True, "this exchange has no such thing: see get_status"),
)


def told(error: Exception, exchange: str, doing: str) -> VenueUnreachable | VenueRejected:
    """``error`` of a call to ``exchange`` while ``doing`` something, in our words; it names no secret."""
    response, failure = _below(error)
    said = _said(error)
    if isinstance(failure, requests.exceptions.ProxyError):
        return VenueUnreachable(
            f"{exchange} could not be reached while {doing}: the proxy does not answer",
            hint="HTTPS_PROXY or HTTP_PROXY names it: start it, correct it, or unset it",
        )
    if isinstance(error, NotJson) or (response is not None and _is_page(response)):
        return VenueUnreachable(
            f"what answers for {exchange} sent a web page instead of JSON while {doing}", hint=ADDRESS_HINT
        )
    row = next((row for row in ERRORS if isinstance(error, row.kind)), None)
    status = response.status_code if response is not None else None
    certain = row.certain if row is not None else status is not None and 400 <= status < 500
    if (known := REFUSALS.get(exchange)) is not None and known.search(str(error)):
        certain = True
    if failure is not None or (status is not None and status >= 500):
        certain = False  # the answer broke off, or the server failed in the middle: either may have happened
    if (doubt := DOUBTS.get(exchange)) is not None and doubt.search(str(error)):
        certain = False
    usual = row.hint if row is not None else "" if certain else NETWORK
    hint = KEYS if any(code in str(error) for code in KEY_CODES) else usual
    if certain:
        return VenueRejected(f"{exchange} refused {doing}: {said}", hint=hint)
    return VenueUnreachable(f"{exchange} gave no good answer while {doing}: {said}", hint=hint)


def wait_asked(error: Exception, exchange: str) -> float | None:
    """The seconds an exchange asks us to wait with everything (HTTP 429 or 418; 403 is Bybit's ban), or None; 60 where
    nobody says how long. Too many new orders are no reason to be silent: cancels are still taken.
    """
    response, _ = _below(error)
    if (window := WINDOWS_S.get(exchange)) is not None and isinstance(error, ccxt.RateLimitExceeded):
        return window  # whatever the status
    if response is not None and response.status_code == 403 and BANNED in response.text:
        return BANNED_S
    if response is None or response.status_code not in (418, 429) or TOO_MANY_ORDERS in response.text:
        return None
    try:
        return max(float(response.headers["Retry-After"]), 1.0)
    except (KeyError, ValueError):
        return 60.0


def _below(error: BaseException) -> tuple[requests.Response | None, requests.RequestException | None]:
    """The HTTP answer that led to ``error``, if there was one, and what broke on the way, if something did."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, requests.HTTPError) and seen.response is not None:
            return seen.response, None
        if isinstance(seen, requests.RequestException):
            return None, seen
        seen = seen.__cause__ or seen.__context__
    return None, None


def _is_page(response: requests.Response) -> bool:
    return response.text.lstrip()[:15].lower().startswith(("<!doctype", "<html"))


def _said(error: Exception) -> str:
    if not isinstance(error, ccxt.BaseError):  # ccxt fell over an answer it could not read
        return f"an answer that makes no sense ({type(error).__name__})"
    text = ADDRESS.sub(r"\1", " ".join(str(error).split()))
    return f"{type(error).__name__}: {text[:LONGEST]}"
