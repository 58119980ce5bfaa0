"""Accounts: who may do what with which key. Keys and secrets stay in memory; what they own is in the books."""

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

from msgspec import Struct

from trade_mcp.domain.errors import BadInput

EXAMPLE = "KEY:SECRET:USDT=10000,BTC=0.5, then perhaps :read+trade+withdraw and :NAME"
PERMISSIONS = frozenset({"read", "trade", "withdraw"})


class Key(Struct, frozen=True):
    """An API key. Several may open the same account."""

    key: str
    secret: str
    account: str
    permissions: frozenset[str]
    deposit: dict[str, Decimal]  # of the account, when it is new

    def __repr__(self) -> str:
        return f"Key({self.key!r}, account={self.account!r})"


def parse_accounts(texts: Iterable[str]) -> dict[str, Key]:
    """Keys by key from ``KEY:SECRET:BALANCES[:PERMISSIONS[:NAME]]``.

    Raises BadInput, which counts the accounts and quotes none: a part in the wrong place may be the secret.

    >>> parse_accounts(["k:s:USDT=10,BTC=0.5:read"])["k"].deposit["BTC"]
    Decimal('0.5')
    """
    keys: dict[str, Key] = {}
    for number, text in enumerate(texts, 1):
        parts = text.split(":")
        if not 3 <= len(parts) <= 5 or not parts[0] or not parts[1]:
            raise BadInput(f"--account number {number} is no account", hint=EXAMPLE)
        key, secret, balances, permissions, name = parts + [""] * (5 - len(parts))
        asked = frozenset(permissions.split("+")) if permissions else frozenset({"read", "trade"})
        if asked - PERMISSIONS:
            raise BadInput(f"--account number {number} has an unknown permission", hint="read, trade, withdraw")
        if key in keys:
            raise BadInput(f"the key of --account number {number} is given twice", hint="several keys may share a NAME")
        keys[key] = Key(key, secret, name or key, asked, _balances(balances, number))
    return keys


def _balances(text: str, number: int) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for part in filter(None, text.split(",")):
        asset, _, said = part.partition("=")
        try:
            amount = Decimal(said)
        except InvalidOperation:
            amount = Decimal("NaN")
        if not asset or not amount.is_finite() or amount < 0:
            raise BadInput(f"--account number {number}: one of its balances is no balance", hint="USDT=10000,BTC=0.5")
        found[asset.upper()] = amount
    return found
