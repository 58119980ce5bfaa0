"""Names: our order ids as an exchange takes them, and back.

An id that the exchange takes as it is stays what it is. Any other (too long, or of other letters) goes as 32 hex digits
of its hash, which every exchange takes: the same id always gives the same one, in every process. The way back is
through the ids that the book knows.
"""

import hashlib
import re
from collections.abc import Callable, Iterable

from trade_mcp.venues.capabilities import Dialect, takes_as_is

HASHED = re.compile(r"[0-9a-f]{32}")


def client_id(order_id: str, dialect: Dialect) -> str:
    """The id under which the exchange of ``dialect`` knows ``order_id``.

    >>> client_id("a1", Dialect(client_id="[a-z0-9]{1,8}")), client_id("a1-stop-1", Dialect(client_id="[a-z0-9]{1,8}"))
    ('a1', 'faad1e80101686759962d3a6e1d03d22')
    """
    if takes_as_is(dialect, order_id):
        return order_id
    return hashlib.blake2b(order_id.encode(), digest_size=16).hexdigest()


class Names:
    """Both ways, for one venue. ``book`` gives the ids of all orders that may live there; `App` connects it."""

    def __init__(self, dialect: Dialect):
        self._dialect = dialect
        self._ours: dict[str, str] = {}
        self.book: Callable[[], Iterable[str]] = tuple

    def out(self, order_id: str) -> str:
        """What the exchange calls ``order_id``."""
        name = client_id(order_id, self._dialect)
        if name != order_id:
            self._ours[name] = order_id
        return name

    def back(self, name: str) -> str:
        """Our id of what the exchange calls ``name``; ``name`` itself if it is none of ours, or needed no other."""
        if name not in self._ours and HASHED.fullmatch(name):
            for order_id in self.book():
                self.out(order_id)
        return self._ours.get(name, name)
