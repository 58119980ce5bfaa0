"""The operator's passphrase: kept as a salted slow hash, and every try counts before it is looked at.

A try is paid for first, in a transaction of its own, so that many at once are no faster than one after the other.
"""

import hashlib
import hmac
import os
from datetime import datetime, timedelta

from trade_mcp.domain.errors import RefusedError
from trade_mcp.ports import Clock
from trade_mcp.store.engine import Engine
from trade_mcp.store.text import when

SHORTEST = 12  # characters
LONGEST = 1024
COST, BLOCK, LANES = 2**16, 8, 1  # of scrypt: 64 MiB, and 0.2 s on the machine this was written on
MEMORY = 2 * 128 * COST * BLOCK * LANES
LONGEST_WAIT_S = 900

FIND = "SELECT hash, failures, not_before FROM operator WHERE id = 1"
KEEP = "INSERT OR REPLACE INTO operator (id, hash, failures, not_before) VALUES (1, ?, 0, NULL)"
TRY = "UPDATE operator SET failures = failures + 1, not_before = ? WHERE id = 1"
RIGHT = "UPDATE operator SET failures = 0, not_before = NULL WHERE id = 1"


class WrongPassphrase(RefusedError):
    """It was not the one; the next try must wait."""


class TooSoon(RefusedError):
    """Wrong tries slow down those that follow."""


class Passphrase:
    """The passphrase of one ledger."""

    def __init__(self, engine: Engine, *, clock: Clock):
        self._engine, self._clock = engine, clock

    @property
    def is_set(self) -> bool:
        return self._engine.row(FIND) is not None

    def set(self, new: str) -> None:
        """Keep ``new``. Raises RefusedError for one that is too short, or where there is one."""
        if not SHORTEST <= len(new) <= LONGEST:
            raise RefusedError(
                f"a passphrase has at least {SHORTEST} characters", hint="several words are easy to keep"
            )
        if self.is_set:
            raise RefusedError("there is a passphrase already", hint="give that one")
        text = _hashed(new, os.urandom(16))
        with self._engine.transaction() as cursor:
            if cursor.execute(FIND).fetchone() is None:
                cursor.execute(KEEP, (text,))

    def check(self, given: str) -> None:
        """Raises WrongPassphrase, TooSoon (it was not looked at), RefusedError (none is set)."""
        with self._engine.transaction() as cursor:
            found = cursor.execute(FIND).fetchone()
            if found is None:
                raise RefusedError("no passphrase is set", hint="trade-mcp arm asks for a new one")
            text, failures, not_before = found
            now = self._clock.real()
            left = 0.0 if not_before is None else (datetime.fromisoformat(not_before) - now).total_seconds()
            if 0 < left <= LONGEST_WAIT_S:  # longer is no wait of ours: the clock was set back
                raise TooSoon(f"the last try was wrong; the next is in {left:.0f} s", hint="wait, then try again")
            cursor.execute(TRY, (when(now + timedelta(seconds=min(2**failures, LONGEST_WAIT_S))),))
        if not _same(given[: LONGEST + 1], text):
            wait_s = min(2**failures, LONGEST_WAIT_S)
            raise WrongPassphrase(f"wrong passphrase; the next try is in {wait_s} s", hint="it was written down")
        with self._engine.transaction() as cursor:
            cursor.execute(RIGHT)


def _hashed(passphrase: str, salt: bytes) -> str:
    key = _key(passphrase, salt, cost=COST, block=BLOCK, lanes=LANES)
    return f"scrypt${COST}${BLOCK}${LANES}${salt.hex()}${key.hex()}"


def _same(given: str, text: str) -> bool:
    _, cost, block, lanes, salt, expected = text.split("$")
    key = _key(given, bytes.fromhex(salt), cost=int(cost), block=int(block), lanes=int(lanes))
    return hmac.compare_digest(key, bytes.fromhex(expected))


def _key(passphrase: str, salt: bytes, *, cost: int, block: int, lanes: int) -> bytes:
    said = passphrase.encode("utf-8", "surrogateescape")
    return hashlib.scrypt(said, salt=salt, n=cost, r=block, p=lanes, maxmem=MEMORY, dklen=32)
