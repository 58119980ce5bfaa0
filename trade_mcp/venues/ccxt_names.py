"""Names: our order ids as an exchange takes them, and back.

An id goes behind the id of its ledger ("3f9a1c2e-buy-1"), so that two ledgers on one account never share one. Where the
exchange does not take that (too long, or of other letters) it goes as 32 hex digits of its hash, which every exchange
takes: the same id always gives the same one, in every process. The way back from those is through the ids that the book
knows. A ledger from before it had an id sends its orders' ids alone, as it did.
"""

import hashlib
import re
from collections.abc import Callable, Iterable

from trade_mcp.venues.capabilities import Dialect, takes_as_is

HASHED = re.compile(r"[0-9a-f]{32}")
OTHER = "other:"  # before what is no order of this ledger: it may be called as one of ours is


def client_id(order_id: str, dialect: Dialect, *, ledger: str = "") -> str:
    """The id under which the exchange of ``dialect`` knows ``order_id`` of ``ledger``.

    >>> client_id("a1", Dialect(client_id="[a-z0-9]{1,8}")), client_id("a1-stop-1", Dialect(client_id="[a-z0-9]{1,8}"))
    ('a1', 'faad1e80101686759962d3a6e1d03d22')
    """
    name = f"{ledger}-{order_id}" if ledger else order_id
    return name if takes_as_is(dialect, name) else hashlib.blake2b(name.encode(), digest_size=16).hexdigest()


class Names:
    """Both ways, for one venue. ``ledger`` is the ledger's id, ``book`` gives the ids of all its orders that may live
    there; `App` sets both.
    """

    def __init__(self, dialect: Dialect):
        self._dialect = dialect
        self._ours: dict[str, str] = {}
        self.ledger = ""
        self.book: Callable[[], Iterable[str]] = tuple

    def out(self, order_id: str) -> str:
        """What the exchange calls ``order_id``."""
        name = client_id(order_id, self._dialect, ledger=self.ledger)
        if name != order_id:
            self._ours[name] = order_id
        return name

    def back(self, name: str) -> str:
        """Our id of what the exchange calls ``name``; of what is none of ours, ``name`` marked so that it is no id of
        ours (as it is in a ledger without an id: its own are called so too).
        """
        if name not in self._ours and HASHED.fullmatch(name):
            for order_id in self.book():
                self.out(order_id)
        if name in self._ours or not self.ledger:
            return self._ours.get(name, name)
        ours = f"{self.ledger}-"
        return name.removeprefix(ours) if name.startswith(ours) else f"{OTHER}{name}"
