"""Reporting: everything a report says of a span of time, as values: what it is told with comes after."""

import math
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from trade_mcp.domain import events as e
from trade_mcp.domain.instrument import ZERO
from trade_mcp.domain.order import Status
from trade_mcp.office.analysis import Analysis, analysis
from trade_mcp.office.baseline import Baseline, hold, no_baseline
from trade_mcp.office.candles import between
from trade_mcp.office.material import Material, gather
from trade_mcp.office.span import Asked, Span
from trade_mcp.ports import Feed
from trade_mcp.quant.candles import ms_of
from trade_mcp.quant.excursions import Excursion, excursion
from trade_mcp.quant.measure import Measure
from trade_mcp.quant.performance import Trade, record, trade_measures
from trade_mcp.quant.returns import Curve, return_measures
from trade_mcp.risk.policy import parse_policy
from trade_mcp.risk.uses import uses
from trade_mcp.store import journal, worth
from trade_mcp.store.log import Log

SMALLEST = Decimal("1e-8")  # what equity read as a float is shown to
NOTHING_YET = "nothing has happened yet"
FAILED = (Status.REJECTED, Status.NEVER_PLACED, Status.EXPIRED)
TROUBLES = ("alarm", "state_changed", "break_seen", "brake_tripped")


class Worth(Struct, frozen=True, kw_only=True):
    """Equity in the span (quote currency): ``end`` = ``start`` + ``flow`` + ``change``. None while nothing is known."""

    start: Decimal | None
    end: Decimal | None
    flow: Decimal  # came (+) or went (-) by other hands
    change: Decimal | None
    growth: float | None  # of what was there, flows left out, as a fraction


class Closed(Struct, frozen=True, kw_only=True):
    """A trade that ended in the span. ``excursion`` is None when no candle is known that lies inside it."""

    symbol: str
    strategy: str
    source: str
    entry_id: str
    opened: datetime
    closed: datetime
    size: Decimal
    entry: Decimal | None
    exit: Decimal | None
    exit_kind: str
    profit: Decimal  # before fees
    fees: Decimal
    net: Decimal
    excursion: Excursion | None


class Costs(Struct, frozen=True, kw_only=True):
    """Fees (quote currency) and their share: of what was traded, and of what was realised before them."""

    fees: Decimal
    turnover: Decimal  # bought and sold
    of_turnover: float | None
    of_profit: float | None  # None unless the span realised a profit before fees
    maker: int  # fills that waited in the order book
    fills: int


class RiskUse(Struct, frozen=True, kw_only=True):
    """One limit: its use now (if the span lasts until now), and the highest in the span where that is kept."""

    key: str
    title: str
    unit: str
    limit: Decimal | float
    now: Decimal | float | None
    highest: float | None = None


class Trouble(Struct, frozen=True):
    at: datetime
    kind: str  # "alarm", "state", "break"
    text: str


class Health(Struct, frozen=True, kw_only=True):
    """How the programs did in the span."""

    passes: int  # of the loop
    slowest_ms: float | None
    orders_failed: dict[str, int]  # rejected, never placed, expired
    troubles: tuple[Trouble, ...]


class Report(Struct, frozen=True, kw_only=True):
    """A span of time on a ledger. ``found.now`` is of now, whatever the span."""

    span: Span
    found: Analysis
    worth: Worth
    measures: dict[str, Measure]
    baseline: Baseline
    trades: tuple[Closed, ...]  # oldest first
    costs: Costs
    risk: tuple[RiskUse, ...]
    health: Health
    curve: Curve

    @property
    def synthetic(self) -> bool:
        return self.found.now.synthetic


class PastPrices(Struct, frozen=True):
    """Where candles come from. Without a feed, or with another than the ledger's, what needs them is unknown."""

    feed: Feed | None = None
    symbols: Sequence[str] = ()  # of the baseline; none: those that were traded
    missing: str = "the candles of this ledger's feed are not here"

    def of(self, ledger_feed: str) -> "PastPrices":
        """These for the ledger of ``ledger_feed``."""
        fits = self.feed is None or self.feed.identity == ledger_feed
        return self if fits else PastPrices(None, self.symbols)


def report(ledger: Log, asked: Asked, prices: PastPrices) -> Report:
    """Everything of the span ``asked`` for."""
    of = gather(ledger, asked)
    prices = prices.of(of.book.feed)
    baseline, excursions = baseline_of(of, prices), _excursions(of, prices.feed)
    return Report(
        span=of.span,
        found=analysis(of),
        worth=worth_of(of),
        measures=measures(of),
        baseline=baseline,
        trades=tuple(_closed(trade, excursions.get(trade.entry_id)) for trade in of.closed),
        costs=_costs(of),
        risk=_risk(of),
        health=_health(ledger, of),
        curve=of.curve,
    )


def worth_of(of: Material) -> Worth:
    """What the desk was worth at the start and at the end of the span."""
    curve = of.curve
    if not len(curve):
        return Worth(start=None, end=None, flow=ZERO, change=None, growth=None)
    start, end, flow = (_money(value) for value in (curve.equity[0], curve.equity[-1], curve.flow.sum()))
    growth = float(curve.growth[-1] - 1)
    return Worth(
        start=start, end=end, flow=flow, change=end - start - flow, growth=growth if math.isfinite(growth) else None
    )


def measures(of: Material) -> dict[str, Measure]:
    """Every ratio, with its sample or the reason why there is none."""
    until = 0 if of.span.end is None else ms_of(of.span.end)
    return return_measures(of.curve, until) | trade_measures(record(of.closed))


def baseline_of(of: Material, prices: PastPrices) -> Baseline:
    """What the same symbols would have made."""
    if of.span.start is None or of.span.end is None or of.span.start >= of.span.end:
        return no_baseline(NOTHING_YET)
    if prices.feed is None:
        return no_baseline(prices.missing)
    symbols = prices.symbols or sorted({trade.symbol for trade in of.trades.values()})
    return hold(prices.feed, symbols, start=of.span.start, end=of.span.end)


def _money(value: float) -> Decimal:
    return Decimal(repr(float(value))).quantize(SMALLEST)


def _excursions(of: Material, feed: Feed | None) -> dict[str, Excursion]:
    """By entry, of the closed trades; the finest candles of each symbol are read once."""
    if feed is None:
        return {}
    by_symbol: dict[str, list[Trade]] = {}
    for trade in of.closed:
        by_symbol.setdefault(trade.symbol, []).append(trade)
    found = {}
    for symbol, trades in by_symbol.items():
        start, end = min(trade.opened for trade in trades), max(trade.closed or trade.opened for trade in trades)
        if (candles := between(feed, symbol, feed.timeframe, start=start, end=end)) is None:
            continue
        for trade in trades:
            if (went := excursion(trade, candles)) is not None:
                found[trade.entry_id] = went
    return found


def _closed(trade: Trade, went: Excursion | None) -> Closed:
    assert trade.closed is not None
    return Closed(
        symbol=trade.symbol,
        strategy=trade.strategy,
        source=trade.source.value,
        entry_id=trade.entry_id,
        opened=trade.opened,
        closed=trade.closed,
        size=trade.size,
        entry=trade.entry,
        exit=trade.exit,
        exit_kind=trade.exit_kind,
        profit=trade.profit,
        fees=trade.fees,
        net=trade.net,
        excursion=went,
    )


def _costs(of: Material) -> Costs:
    fees = sum((one.fill.fee_quote for one in of.fills), ZERO)
    turnover = sum((one.fill.size * one.fill.price for one in of.fills), ZERO)
    realised = sum((one.realised for one in of.fills), ZERO)
    return Costs(
        fees=fees,
        turnover=turnover,
        of_turnover=float(fees / turnover) if turnover else None,
        of_profit=float(fees / realised) if realised > 0 else None,
        maker=sum(one.fill.maker for one in of.fills),
        fills=len(of.fills),
    )


def _risk(of: Material) -> tuple[RiskUse, ...]:
    """The limits that have a use, in the order of the policy; none while no policy is in force."""
    if not of.book.policy_text or of.span.end is None:
        return ()
    highest = {
        "max_exposure": max((mark.exposure for mark in of.marks), default=None),
        "max_heat": max((mark.heat for mark in of.marks), default=None),
    }
    marks = {held.symbol: held.mark for held in of.now.positions if held.mark is not None}
    found = uses(of.book, parse_policy(of.book.policy_text), marks=marks, now=of.now.as_of or of.span.end)
    return tuple(
        RiskUse(
            key=use.key,
            title=use.title,
            unit=use.unit,
            limit=use.limit,
            now=None if of.span.ends else use.use,
            highest=highest.get(use.key),
        )
        for use in found
        if use.use is not None and (use.key in highest or not of.span.ends)
    )


def _health(ledger: Log, of: Material) -> Health:
    since = None if of.span.whole else of.span.start
    before = of.span.end if of.span.ends else None
    passed, slowest = worth.passes(ledger.engine, "loop", since=since, before=before)
    events = journal.of_kinds(ledger.engine, TROUBLES, since=since, until=of.book.seq)
    failed: Counter[str] = Counter()
    for _, status, count in of.placed:
        if status in FAILED:
            failed[status] += count
    return Health(
        passes=passed,
        slowest_ms=slowest,
        orders_failed=dict(failed),
        troubles=tuple(_trouble(entry) for entry in events if entry.at in of.span),
    )


def _trouble(entry: journal.Entry) -> Trouble:
    match entry.event:
        case e.StateChanged(state=state, reason=reason):
            return Trouble(entry.at, "state", f"trading {state}: {reason}")
        case e.BrakeTripped(brake=brake, reason=reason):
            return Trouble(entry.at, "brake", f"{brake}: {reason}")
        case e.BreakSeen(currency=currency, reason=reason):
            return Trouble(entry.at, "break", f"{currency}: {reason}")
        case e.Alarm(text=text):
            return Trouble(entry.at, "alarm", text)
    raise AssertionError(f"no trouble: {type(entry.event).__name__}")
