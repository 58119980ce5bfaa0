"""Correlations: one dated snapshot a day. The newest that is not too old is what the limits know."""

import threading
from collections import defaultdict
from datetime import date, datetime, timedelta

import msgspec

from trade_mcp.ports import Clock
from trade_mcp.quant.correlation import Shrunk
from trade_mcp.risk.clusters import Correlations
from trade_mcp.store.engine import Engine, Reader
from trade_mcp.store.text import as_json, when

OLDEST = timedelta(days=7)  # of market time; what is older is not known any more
KEPT = timedelta(days=400)
FRESH_S = 30.0  # real seconds that a process trusts what it read

KEEP = "INSERT OR REPLACE INTO correlations (day, made_at, days, shrinkage, pairs) VALUES (?, ?, ?, ?, ?)"
NEWEST = "SELECT day, pairs FROM correlations WHERE day <= ? ORDER BY day DESC LIMIT 1"

_pairs = msgspec.json.Decoder(list[tuple[str, str, float]]).decode


def keep(engine: Engine, day: date, found: Shrunk, *, real: datetime) -> None:
    """Write the snapshot of ``day``, and drop what nobody looks up any more."""
    pairs = [(a, b, round(value, 6)) for (a, b), value in found.pairs.items()]
    with engine.transaction() as cursor:
        cursor.execute(KEEP, (day.isoformat(), when(real), found.days, found.shrinkage, as_json(pairs)))
        cursor.execute("DELETE FROM correlations WHERE day < ?", ((day - KEPT).isoformat(),))


def newest(reader: Reader, day: date) -> Correlations | None:
    """The newest snapshot up to ``day``, however old."""
    row = reader.row(NEWEST, (day.isoformat(),))
    if row is None:
        return None
    of: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for a, b, value in _pairs(row[1]):
        of[a][b] = of[b][a] = value
    return Correlations(date.fromisoformat(row[0]), dict(of))


class Known:
    """What is known at a moment, looked up now and then: the gate asks at every order."""

    def __init__(self, engine: Engine, *, clock: Clock):
        self._engine, self._clock = engine, clock
        self._lock = threading.Lock()
        self._read: tuple[date, float, Correlations | None] | None = None

    def __call__(self, now: datetime) -> Correlations | None:
        """The correlations known at market time ``now``; None if there are none, or only old ones."""
        day, boot = now.date(), self._clock.boot()
        with self._lock:
            if self._read is None or self._read[0] != day or boot - self._read[1] > FRESH_S:
                self._read = (day, boot, newest(self._engine, day))
            found = self._read[2]
        return found if found is not None and day - found.day <= OLDEST else None
