"""Metrics: the desk in numbers for Prometheus, read from the ledger when they are asked for: all programs, one truth.

Loaded at the first request for /metrics, never at a start.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from trade_mcp.domain.errors import FeedError
from trade_mcp.domain.events import OrderRefused
from trade_mcp.office.health import Health
from trade_mcp.office.portfolio import Snapshot
from trade_mcp.store import gauges, history, memory, outbox

if TYPE_CHECKING:
    from trade_mcp.app import App

CONTENT_TYPE = CONTENT_TYPE_LATEST
RECENT = 50  # entries whose time to their stop is looked at
PAGE = 500

type Samples = Iterable[tuple[tuple[str, ...], float | None]]


class Look(Struct, frozen=True):
    """What one answer is made of."""

    desk: "App"
    health: Health
    worth: Snapshot
    refused: dict[str, int]


class Gauge(Struct, frozen=True):
    """One metric: its name without the prefix, what it says, its labels, how it is read. None is left out."""

    name: str
    help: str
    read: Callable[[Look], Samples]
    labels: tuple[str, ...] = ()


def measuring(desk: "App") -> Callable[[], bytes]:
    """How to answer /metrics of ``desk``. The registry is its own: nothing else of this process leaks in."""
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(namespace="trade_mcp_server", registry=registry)
    registry.register(DeskCollector(desk))
    return partial(generate_latest, registry)


class DeskCollector(Collector):
    """Asks the desk anew at every request. Refusals are counted on from where the last answer ended."""

    def __init__(self, desk: "App"):
        self._desk = desk
        self._counting = threading.Lock()
        self._refused: Counter[str] = Counter()
        self._seq = 0

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        look = Look(self._desk, self._desk.health(), self._desk.portfolio(), self._refusals())
        for gauge in GAUGES:
            family = GaugeMetricFamily(f"trade_mcp_{gauge.name}", gauge.help, labels=gauge.labels)
            for labels, value in gauge.read(look):
                if value is not None:
                    family.add_metric(labels, value)
            yield family

    def _refusals(self) -> dict[str, int]:
        with self._counting:
            while news := history.since(self._desk.engine, (OrderRefused,), after=self._seq, most=PAGE):
                for self._seq, event in news:
                    assert isinstance(event, OrderRefused)
                    self._refused.update(rule for rule, _ in event.rules)
            return dict(self._refused)


def _one(value: Any) -> Samples:
    return [((), None if value is None else float(value))]


def _by(values: dict[str, Any]) -> Samples:
    return [((name,), float(value)) for name, value in values.items()]


def _heartbeats(look: Look) -> Samples:
    ages: dict[str, float] = {}
    for program in look.health.programs:
        ages[program.program] = min(program.age_s, ages.get(program.program, program.age_s))
    return _by(ages)


def _orders(look: Look) -> Samples:
    return [((source, status), count) for source, status, count in history.placed(look.desk.engine)]


def _quotes(look: Look) -> Iterator[tuple[tuple[str, ...], float | None]]:
    for symbol in look.desk.market.symbols:
        try:
            quote = look.desk.market.quote(symbol)
        except FeedError:
            continue  # no price is no age: the series ends
        yield (symbol,), (look.health.market_at - quote.at).total_seconds()


def _tick_s(look: Look) -> Samples:
    last = memory.ticks(look.desk.engine, "loop", limit=1)
    return _one(last[0].duration_ms / 1000 if last else None)


def _tick_late_s(look: Look) -> Samples:
    last = memory.ticks(look.desk.engine, "loop", limit=1)
    step = look.health.ticks.step_s
    return _one(last[0].at.timestamp() % step if last else None)


def _protected_s(look: Look) -> Samples:
    found = gauges.to_protected_s(look.desk.engine, last=RECENT)
    return [(("last",), found[0]), (("longest",), max(found))] if found else []


GAUGES = (
    Gauge("failing", "Problems that keep the desk from its work; 0 is well", lambda x: _one(len(x.health.failing))),
    Gauge("problems", "Problems of any kind", lambda x: _one(len(x.health.found))),
    Gauge("trading_active", "1 while entries are allowed, 0 when halted", lambda x: _one(x.health.state == "active")),
    Gauge("equity", "Equity in the quote currency", lambda x: _one(x.worth.equity)),
    Gauge("cash", "Cash in the quote currency", lambda x: _one(x.worth.cash)),
    Gauge("drawdown_ratio", "Fall of equity from its peak", lambda x: _one(x.worth.drawdown)),
    Gauge("exposure_ratio", "Positions and live buys, of equity", lambda x: _one(x.worth.exposure)),
    Gauge("heat_ratio", "What is lost if every stop is hit, of equity", lambda x: _one(x.worth.heat)),
    Gauge("positions", "Open positions, without dust", lambda x: _one(sum(not p.dust for p in x.worth.positions))),
    Gauge("positions_unprotected", "Positions without a live stop", lambda x: _one(len(x.worth.unprotected))),
    Gauge("open_orders", "Live orders", lambda x: _one(len(x.desk.log.book.orders))),
    Gauge("orders", "Orders ever, by who asked and what became of them", _orders, ("source", "status")),
    Gauge("refusals", "Refusals ever, by the rule that said no", lambda x: _by(x.refused), ("rule",)),
    Gauge("tick_seconds", "How long the loop's last tick took, in real time", _tick_s),
    Gauge("tick_late_seconds", "How long after the bar's close it began, in market time", _tick_late_s),
    Gauge("ticks_due", "Bars that closed in the last day of market time", lambda x: _one(x.health.ticks.due)),
    Gauge("ticks_missed", "Of these, bars the loop did not decide at", lambda x: _one(x.health.ticks.missed)),
    Gauge("quote_age_seconds", "Age of the newest price, in market time", _quotes, ("symbol",)),
    Gauge("heartbeat_age_seconds", "Real time since each program's last sign of life", _heartbeats, ("program",)),
    Gauge("to_protected_seconds", "Market time from an entry's fill to its stop", _protected_s, ("of",)),
    Gauge(
        "outbox_queued",
        "Messages that wait to be delivered",
        lambda x: _by({state.channel: state.queued for state in outbox.states(x.desk.engine)}),
        ("channel",),
    ),
    Gauge("event_seq", "Number of the newest event of the ledger", lambda x: _one(x.health.seq)),
    Gauge("market_timestamp_seconds", "Market time", lambda x: _one(x.health.market_at.timestamp())),
    Gauge("ledger_bytes", "Size of the ledger's file", lambda x: _one(gauges.file_bytes(x.desk.engine))),
)
