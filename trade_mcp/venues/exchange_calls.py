"""Calls: how many a key has made lately, where its exchange counts them and does not tell (Kraken).

All programs of a desk use one key, so they count in one file: each knows what the others have used. A file that cannot
be used stops nothing: then everybody counts alone, and the exchange's refusals say the rest.
"""

import fcntl
import os
import struct
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from msgspec import Struct

from trade_mcp.ports import Clock

KEPT = struct.Struct("<dd?")  # what the count was, and when (boot time), and whether it rests
RESTED = (
    0.25  # of the most: so far it falls once a call had to wait, or calls that belong together would never all pass
)
TRIES, TRY_S = 10, 0.01  # for the file, while another program has it


class Counter(Struct, frozen=True):
    """How an exchange counts. The count falls by ``per_s``, to 0."""

    most: float
    per_s: float
    costs: Mapping[str, int]  # by ccxt's name; of all others: 1
    full: str  # what the exchange says when it is at its most
    locked: str  # and when it hears nobody for minutes


COUNTERS: Mapping[str, Counter] = {
    "kraken": Counter(  # of the lowest tier; the others may more
        most=15,
        per_s=0.33,
        costs={
            "create_order": 0,  # these have a limit of their own, for each pair
            "cancel_order": 0,
            "private_post_tradeshistory": 2,
            "fetch_markets": 0,  # these are public
            "fetch_ticker": 0,
        },
        full="EAPI:Rate limit exceeded",
        locked="EGeneral:Temporary lockout",
    )
}


class Calls:
    """The count of one key, kept in ``file``. Safe between threads and programs."""

    def __init__(self, counter: Counter, file: Path, clock: Clock):
        self.counter, self._file, self._clock = counter, file, clock
        self._level, self._at, self._rests = 0.0, clock.boot(), False

    @property
    def share(self) -> float:
        """Of the most, 0 to 1."""
        with self._held():
            return self._level / self.counter.most

    def take(self, cost: int, *, share: float) -> float:
        """Count a call of ``cost`` where the count stays within ``share`` of the most; else the seconds until then."""
        with self._held():
            most = self.counter.most
            over = self._level + cost - share * most
            if share < 1.0:
                self._rests = self._level > RESTED * most and (self._rests or over > 0)
                over = self._level - RESTED * most if self._rests else over
            if over > 0:
                return over / self.counter.per_s
            self._level += cost
            return 0.0

    def fill(self) -> None:
        """The exchange says that it is full."""
        with self._held():
            self._level = self.counter.most

    @contextmanager
    def _held(self) -> Iterator[None]:
        """With the count as it is now; as it is afterwards is kept."""
        fd = self._opened()
        try:
            if fd is not None and len(kept := os.pread(fd, KEPT.size, 0)) == KEPT.size:
                self._level, self._at, self._rests = KEPT.unpack(kept)
            now = self._clock.boot()
            passed = now - self._at
            self._level = max(0.0, self._level - passed * self.counter.per_s) if passed >= 0 else 0.0  # booted since
            self._at = now
            yield
            if fd is not None:
                with suppress(OSError):
                    os.pwrite(fd, KEPT.pack(self._level, self._at, self._rests), 0)
        finally:
            if fd is not None:
                os.close(fd)

    def _opened(self) -> int | None:
        """The file, which nobody else has until it is closed; None where it cannot be had soon."""
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:
            return None
        for _ in range(TRIES):
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return fd
            except OSError:
                time.sleep(TRY_S)
        os.close(fd)
        return None
