"""Coinbase's two kinds of keys: what a request must carry, and why it is refused.

A CDP key is a name and an EC private key in PEM; each request carries a JWT (ES256) of its own that names method, host
and path, and lives for 120 s. An old key is a key and a secret, and signs time, method, path and body (HMAC); its time
may be 30 s off. Assumed: no leeway for a JWT, and that what is wrong with one is never said.
"""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from exchanges.translator import Account, Answer, Asked

UNAUTHORIZED = Answer(status=401, text="Unauthorized\n")
LATE_S = 30


def new_pem() -> str:
    """The private key of a new CDP key, as the exchange hands it out."""
    kind, form = serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(kind, form, serialization.NoEncryption()).decode()


def account_of(asked: Asked, accounts: dict[str, Account]) -> Account | Answer:
    """Whose request it is, or how it is refused."""
    if "cb-access-key" in asked.headers:
        return _by_hmac(asked, accounts)
    kind, _, token = asked.headers.get("authorization", "").partition(" ")
    if kind != "Bearer" or token.count(".") != 2:
        return UNAUTHORIZED
    head, claims, signature = token.split(".")
    said, named = _json(claims), _json(head)
    account = accounts.get(str(said.get("sub")))
    now = time.time()
    if account is None or (said.get("iss"), named.get("kid"), named.get("alg")) != (
        "coinbase-cloud",
        said["sub"],
        "ES256",
    ):
        return UNAUTHORIZED
    if not int(said["nbf"]) <= now < int(said["exp"]) <= int(said["nbf"]) + 120 or not named.get("nonce"):
        return UNAUTHORIZED
    uri = str(said["uri"]).replace("http://", "")  # ccxt takes only https:// away
    if uri != f"{asked.method} {asked.headers['host']}{asked.path}":
        return UNAUTHORIZED
    private = serialization.load_pem_private_key(account.secret.encode(), None)
    raw = _bytes(signature)
    try:
        private.public_key().verify(  # type: ignore[union-attr,call-arg]
            encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:])),
            f"{head}.{claims}".encode(),
            ec.ECDSA(hashes.SHA256()),  # type: ignore[arg-type]
        )
    except InvalidSignature:
        return UNAUTHORIZED
    return account


def _by_hmac(asked: Asked, accounts: dict[str, Account]) -> Account | Answer:
    account = accounts.get(asked.headers["cb-access-key"])
    stamp = asked.headers["cb-access-timestamp"]
    if abs(time.time() - int(stamp)) > LATE_S:
        return _refused("request timestamp expired")
    signed = f"{stamp}{asked.method}{asked.path}{asked.body}"
    secret = account.secret if account is not None else ""
    if hmac.new(secret.encode(), signed.encode(), hashlib.sha256).hexdigest() != asked.headers["cb-access-sign"]:
        return _refused("invalid signature")
    assert account is not None
    return account


def _refused(message: str) -> Answer:
    return Answer({"errors": [{"id": "authentication_error", "message": message}]}, 401)


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _json(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_bytes(text))
    return found
