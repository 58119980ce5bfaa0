"""Analysis: what happened on a ledger, ever or lately: record, profit and costs by strategy, symbol and more."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from msgspec import Struct

from trade_mcp.domain.instrument import ZERO
from trade_mcp.office.material import Material, gather
from trade_mcp.office.plain import plain
from trade_mcp.office.portfolio import Snapshot
from trade_mcp.office.span import EVER, Asked
from trade_mcp.quant.performance import Record, Trade, Traded, record
from trade_mcp.quant.returns import max_drawdown
from trade_mcp.store.log import Log

NO_STRATEGY = "none"  # the chat and the operator need not name one
STILL_OPEN = "open"

KEYS: Mapping[str, Callable[[Trade], str]] = {
    "strategy": lambda trade: trade.strategy or NO_STRATEGY,
    "symbol": lambda trade: trade.symbol,
    "source": lambda trade: trade.source.value,
    "hour": lambda trade: f"{trade.opened:%H}",  # UTC, of the entry
    "exit": lambda trade: STILL_OPEN if trade.closed is None else trade.exit_kind,
}


class Orders(Struct, frozen=True):
    total: int
    by_source: dict[str, int]
    by_status: dict[str, int]


class Group(Struct, frozen=True, gc=False):
    """One strategy, symbol or the like: the record of its closed trades, and what its fills realised and cost."""

    closed: int
    wins: int
    losses: int
    win_rate: float | None
    profit_factor: float | None
    realised: Decimal  # before fees
    fees: Decimal
    unrealised: Decimal | None  # of what it holds now; None without a price

    @property
    def net(self) -> Decimal:
        """Realised after fees."""
        return self.realised - self.fees


class Analysis(Struct, frozen=True, kw_only=True):
    """The desk now, and what happened from ``since`` (None: ever) to ``until`` (None: nothing is known yet).

    A trade and its profit belong to who opened it, and to the hour of its entry. Over all time ``realised`` and
    ``fees`` of the groups add up to the desk's.
    """

    now: Snapshot
    since: datetime | None
    until: datetime | None
    max_drawdown: float
    orders: Orders
    fills: int
    trades: Record
    by_strategy: dict[str, Group]
    by_symbol: dict[str, Group]
    by_source: dict[str, Group]
    by_hour: dict[str, Group]
    by_exit: dict[str, Group]
    refusals: dict[str, int]


def analyse(ledger: Log, asked: Asked = EVER) -> Analysis:
    """What the ledger says now, and of the span ``asked`` for."""
    return analysis(gather(ledger, asked))


def analysis(of: Material) -> Analysis:
    """What the material says."""
    return Analysis(
        now=of.now,
        since=None if of.span.whole else of.span.start,
        until=of.span.end,
        max_drawdown=max_drawdown(of.curve),
        orders=_orders(of.placed),
        fills=len(of.fills),
        trades=record(of.closed),
        by_strategy=groups(of, "strategy"),
        by_symbol=groups(of, "symbol"),
        by_source=groups(of, "source"),
        by_hour=groups(of, "hour"),
        by_exit=groups(of, "exit"),
        refusals=refusals(of),
    )


def flat(found: Analysis) -> dict[str, Any]:
    """The analysis as flat JSON: money as text, ratios as numbers, null for what is not known."""
    body: dict[str, Any] = plain(found)
    now: dict[str, Any] = body.pop("now")
    return now | body


class _Part:
    """What belongs to one group, as it is collected."""

    def __init__(self) -> None:
        self.closed: list[Trade] = []
        self.fills: list[Traded] = []
        self.unrealised: list[Decimal | None] = []

    def group(self) -> Group:
        of = record(self.closed)
        known = [value for value in self.unrealised if value is not None]
        return Group(
            of.closed,
            of.wins,
            of.losses,
            of.win_rate,
            of.profit_factor,
            sum((one.realised for one in self.fills), ZERO),
            sum((one.fill.fee_quote for one in self.fills), ZERO),
            sum(known, ZERO) if len(known) == len(self.unrealised) else None,
        )


def groups(of: Material, by: str) -> dict[str, Group]:
    """The trades of the span parted by one of ``KEYS``, sorted by name."""
    key = KEYS[by]
    parts: defaultdict[str, _Part] = defaultdict(_Part)
    for trade in of.closed:
        parts[key(trade)].closed.append(trade)
    for one in of.fills:
        parts[key(of.trades[one.entry_id])].fills.append(one)
    for held in of.now.positions:
        parts[key(of.trades[held.entry_id])].unrealised.append(held.unrealised)
    return {name: parts[name].group() for name in sorted(parts)}


def refusals(of: Material) -> dict[str, int]:
    """How often each rule said no in the span, the busiest first."""
    return dict(Counter(rule for refusal in of.refused for rule, _ in refusal.rules).most_common())


def _orders(placed: Iterable[tuple[str, str, int]]) -> Orders:
    by_source: Counter[str] = Counter()
    by_status: Counter[str] = Counter()
    for source, status, count in placed:
        by_source[source] += count
        by_status[status] += count
    return Orders(by_source.total(), dict(by_source.most_common()), dict(by_status.most_common()))
