"""What a key may do, where an exchange tells: one that can withdraw, or cannot trade, is refused before any order."""

import base64
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import structlog

from trade_mcp.domain.errors import BadConfig, VenueRejected
from trade_mcp.venues.ccxt_reports import understood
from trade_mcp.venues.exchange import NONCE_HINT, PEM, Exchange
from trade_mcp.venues.exchange_budget import Purpose
from trade_mcp.venues.exchange_nonce import WINDOW

VARIABLES = {
    "apiKey": "TRADE_MCP_EXCHANGE_KEY",
    "secret": "TRADE_MCP_EXCHANGE_SECRET",
    "password": "TRADE_MCP_EXCHANGE_PASSPHRASE",
}
BASE64 = frozenset({"kraken"})  # whose secrets are written so

log = structlog.get_logger(__name__)

CLOCK_OFF_S = 20.0  # more may be why a key is refused


class Rights(NamedTuple):
    """What a key may do; None where the exchange does not tell."""

    trade: bool | None
    withdraw: bool | None


def _binance(answer: Mapping[str, Any]) -> Rights:
    return Rights(_yes(answer.get("enableSpotAndMarginTrading")), _yes(answer.get("enableWithdrawals")))


def _bybit(answer: Mapping[str, Any]) -> Rights:
    result = answer["result"]
    given = result.get("permissions") or {}
    may_write = str(result.get("readOnly")) == "0"
    return Rights(may_write and bool(given.get("Spot")), "Withdraw" in (given.get("Wallet") or ()))


def _okx(answer: Mapping[str, Any]) -> Rights:
    account = answer["data"][0]
    if str(account.get("acctLv")) != "1":
        raise _unfit("okx", "it is not in spot mode")
    if _yes(account.get("enableSpotBorrow")):
        raise _unfit("okx", "it borrows what an order lacks")
    given = str(account.get("perm", "")).split(",")
    return Rights("trade" in given, "withdraw" in given)


def _kraken(answer: Mapping[str, Any]) -> Rights:
    given = answer["result"].get("permissions") or ()
    return Rights("modify-trades" in given, "withdraw-funds" in given)


def _coinbase(answer: Mapping[str, Any]) -> Rights:
    return Rights(_yes(answer.get("can_trade")), _yes(answer.get("can_transfer")))


TELL: Mapping[str, tuple[str, Callable[[Mapping[str, Any]], Rights]]] = {  # the endpoint, and how its answer is read
    "binance": ("sapi_get_account_apirestrictions", _binance),
    "bybit": ("private_get_v5_user_query_api", _bybit),
    "okx": ("private_get_account_config", _okx),
    "kraken": ("private_post_getapikeyinfo", _kraken),
    "coinbase": ("v3_private_get_brokerage_key_permissions", _coinbase),
}


def _narrow(name: str, answer: Mapping[str, Any]) -> bool:
    """Whether requests of several programs may be refused because one overtook another on its way."""
    return name == "kraken" and int(answer["result"].get("nonceWindow") or 0) < WINDOW


def need_key(exchange: Exchange) -> None:
    """Raises BadConfig where a credential that the exchange wants is not set, with its variable."""
    client = exchange.reads
    missing = [
        variable
        for name, variable in VARIABLES.items()
        if client.requiredCredentials.get(name) and not getattr(client, name, "")
    ]
    if missing:
        raise BadConfig(
            f"to trade on {exchange.name} the desk needs its API key: {' and '.join(missing)} not set",
            hint="set it in the environment or the system's keyring; a key that may trade spot and not withdraw",
        )
    if client.secret.startswith(PEM):
        need_private_key(client.secret)
    if exchange.name in BASE64:
        _need_base64(client.secret)


def _need_base64(secret: str) -> None:
    try:
        base64.b64decode(secret, validate=True)
    except ValueError:
        raise BadConfig(
            "TRADE_MCP_EXCHANGE_SECRET is not what this exchange calls a private key: that is base64 throughout",
            hint="copy the whole of it, as it was shown once when the key was made",
        ) from None


def need_private_key(pem: str) -> None:
    """Raises BadConfig where nobody can sign with ``pem``."""
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
        raise BadConfig(
            "TRADE_MCP_EXCHANGE_SECRET begins like a private key, and is none that can sign (EC P-256)",
            hint="set the whole of it, from BEGIN to END; its line breaks may be written as \\n",
        ) from None


def rights(exchange: Exchange) -> Rights:
    """What the exchange says of the key. Raises VenueUnreachable, VenueRejected (a wrong key or secret)."""
    known = TELL.get(exchange.name)
    if known is None or (exchange.sandbox and exchange.name == "binance"):  # its testnet has no such endpoint
        return Rights(None, None)
    endpoint, read = known
    answer = exchange.call(Purpose.ACCOUNT, endpoint, doing="asking what the key may do")
    with understood("what the key may do"):
        if _narrow(exchange.name, answer):
            log.warning("requests of this key may overtake each other", exchange=exchange.name, hint=NONCE_HINT)
        return read(answer)


def check_key(exchange: Exchange) -> Rights:
    """What the key may do. Raises BadConfig for one that must not be used here, VenueUnreachable."""
    need_key(exchange)
    try:
        exchange.call(Purpose.ACCOUNT, "fetch_balance", doing="signing in")
        found = rights(exchange)
    except VenueRejected as no:
        off_s = abs(exchange.offset_ms) / 1000
        clock = f"; this machine's clock is {off_s:.0f} s off: set it (NTP)" if off_s > CLOCK_OFF_S else ""
        raise BadConfig(no.message, hint=f"{no.hint}{clock}") from no
    if found.withdraw:
        raise BadConfig(
            f"the API key can withdraw money from {exchange.name}; the desk does not use such a key",
            hint="make one at the exchange that may read and trade spot, and nothing else",
        )
    if found.trade is False:
        raise BadConfig(
            f"the API key may not trade on {exchange.name}",
            hint="allow spot trading for it at the exchange, or make a key that may",
        )
    return found


def _unfit(name: str, why: str) -> BadConfig:
    return BadConfig(
        f"the desk does not trade on this account at {name}: {why}",
        hint="change that at the exchange, or make a sub-account for the desk: spot alone, nothing borrowed",
    )


def _yes(value: Any) -> bool:
    return str(value).lower() == "true"
