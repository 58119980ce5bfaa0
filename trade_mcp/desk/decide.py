"""Decide: at the close of each bar, what the strategies want, sized and taken to the gate; never idle in silence."""

from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from trade_mcp.desk.gate import ALL, Gate
from trade_mcp.desk.judge import Judge
from trade_mcp.desk.market import Market
from trade_mcp.desk.receipt import Receipt
from trade_mcp.desk.signals import Signals, SymbolView
from trade_mcp.domain.book import Book
from trade_mcp.domain.errors import FeedError, LeaseLost, TradeError
from trade_mcp.domain.events import Alarm
from trade_mcp.domain.exit_rules import ExitRules
from trade_mcp.domain.exits import ExitPlan, levels
from trade_mcp.domain.market import timeframe_delta
from trade_mcp.domain.order import OrderRequest, Role, Side, Source
from trade_mcp.domain.position import Position
from trade_mcp.ports import Clock
from trade_mcp.quant.candles import ms_of
from trade_mcp.quant.sizing import fixed_risk
from trade_mcp.risk.assess import headroom_notional
from trade_mcp.risk.standing import standing
from trade_mcp.store.leases import Lease
from trade_mcp.store.log import Log
from trade_mcp.store.memory import DecisionRecord, SignalRecord, TickRecord, record_tick

LATEST = 0.5  # of a bar after its close: an entry later than that is another trade than the one decided


class Decision(Struct, frozen=True):
    """What the loop did about one symbol at one bar, and why."""

    symbol: str
    action: str  # "enter", "exit", "hold", "none", "refused", "proposed", "error"
    reason: str
    strength: float | None = None
    strategy: str = ""
    order_id: str = ""


class TickReport(Struct, frozen=True):
    """One pass of the loop over all symbols, at market time ``at``, for the bar that closed at ``bar``."""

    at: datetime
    bar: datetime
    decisions: tuple[Decision, ...]
    views: tuple[SymbolView, ...]

    def summary(self) -> str:
        """One line: what happened, or why nothing did."""
        return "; ".join(f"{d.symbol} {d.action}: {d.reason}" for d in self.decisions) or "no symbols"


class Decide:
    """The deciding half of the desk. ``step`` is one pass for one closed bar."""

    def __init__(
        self,
        ledger: Log,
        market: Market,
        signals: Signals,
        *,
        gate: Gate,
        judge: Judge,
        clock: Clock,
        rules: ExitRules,
        risk_per_trade: Decimal,
        entry_threshold: float,
    ):
        self._log, self._market, self._signals = ledger, market, signals
        self._gate, self._judge, self._clock = gate, judge, clock
        self._rules, self._risk, self._threshold = rules, risk_per_trade, entry_threshold
        self._told: set[str] = set()  # strategies whose failure a person was told of

    def step(self, lease: Lease | None = None, *, dry_run: bool = False) -> TickReport:
        """Decide about every symbol now. A symbol that fails never hides the next. Raises LeaseLost."""
        now, began = self._clock.market(), self._clock.boot()
        decisions, views = [], []
        for symbol in self._market.symbols:
            try:
                view = self._signals.view(symbol)
                views.append(view)
                decisions.append(self._about(view, now, lease=lease, dry_run=dry_run))
            except LeaseLost:
                raise
            except FeedError as error:
                decisions.append(Decision(symbol, "none", f"no data: {error.message}"))
            except TradeError as error:
                decisions.append(Decision(symbol, "error", error.message))
        bar = max((view.at for view in views), default=now)
        report = TickReport(now, bar, tuple(decisions), tuple(views))
        if not dry_run:
            self._remember(report, took_ms=(self._clock.boot() - began) * 1000)
            self._tell(report, lease)
        return report

    def _tell(self, report: TickReport, lease: Lease | None) -> None:
        """An alarm for each strategy that begins to fail; once, and every decision says it until it is mended."""
        for opinion in (one for view in report.views for one in view.opinions):
            if opinion.failed and opinion.strategy not in self._told:
                self._told.add(opinion.strategy)
                with self._log.writing(lease) as ledger:
                    ledger.append(Alarm(f"the strategy {opinion.strategy} is left out: {opinion.why}"))

    def _remember(self, report: TickReport, *, took_ms: float) -> None:
        """Keep what was seen and decided, with the reasons: the desk's memory, beside the ledger."""
        real = self._clock.real()
        record_tick(
            self._log.engine,
            TickRecord(
                program="loop", at=report.at, real_at=real, duration_ms=round(took_ms, 2), outcome=report.summary()
            ),
            decisions=[
                DecisionRecord(
                    at=report.at,
                    real_at=real,
                    symbol=d.symbol,
                    action=d.action,
                    reason=d.reason,
                    strength=d.strength,
                    order_id=d.order_id,
                )
                for d in report.decisions
            ],
            signals=[
                SignalRecord(
                    at=opinion.at,
                    symbol=view.symbol,
                    timeframe=opinion.timeframe,
                    strategy=opinion.strategy,
                    strength=opinion.strength,
                    reason=opinion.why,
                )
                for view in report.views
                for opinion in view.opinions
            ],
        )

    def _about(self, view: SymbolView, now: datetime, *, lease: Lease | None, dry_run: bool) -> Decision:
        book = self._log.refresh()
        position = book.positions.get(view.symbol)
        late, bar_s = (now - view.at).total_seconds(), timeframe_delta(view.timeframe).total_seconds()
        if late >= 2 * bar_s:
            return self._none(view, f"no data: the last bar closed {late / 60:.0f} min ago")
        if view.strength is None:
            return self._none(view, f"no signal yet: {view.summary()}")
        if position is not None and not position.dust and not self._adds(view, position):
            return self._about_held(view, book, lease=lease, dry_run=dry_run)
        if view.strength < self._threshold:
            return self._none(view, f"no signal: {view.summary()}, an entry needs {self._threshold:+.2f}")
        if not view.standing and (view.before is None or view.before >= self._threshold):
            return self._none(view, f"no fresh signal: {view.summary()} crossed {self._threshold:+.2f} before this bar")
        if any(order.side is Side.BUY for order in book.live(view.symbol)):
            return self._none(view, "an entry is in flight already")
        if any(waiting.request.symbol == view.symbol for waiting in book.proposals.values()):
            return self._none(view, "an entry waits for a person already")
        if late > LATEST * bar_s:
            return self._none(view, f"too late: the bar closed {late:.0f} s ago, and entries are taken at the close")
        return self._enter(view, book, lease=lease, dry_run=dry_run)

    def _adds(self, view: SymbolView, position: Position) -> bool:
        """Whether a strategy that accumulates asks for more of what it bought itself."""
        mine = position.owner is Source.LOOP and position.strategy == view.leader
        fresh = view.strength is not None and view.before is not None and view.before < self._threshold <= view.strength
        return view.accumulates and mine and fresh

    def _about_held(self, view: SymbolView, book: Book, *, lease: Lease | None, dry_run: bool) -> Decision:
        owner = book.positions[view.symbol].owner
        assert view.strength is not None
        if owner is not Source.LOOP:
            return self._none(view, f"the position belongs to the {owner}: not the loop's to trade")
        if view.strength >= 0:
            return Decision(view.symbol, "hold", f"holding: {view.summary()}", view.strength, view.leader)
        if any(order.role is Role.CLOSE for order in book.live(view.symbol)):
            return self._none(view, "a close is in flight already")
        reason = f"strategies went flat: {view.summary()}"
        order_id = self._id(view, "out")
        if dry_run:
            return Decision(view.symbol, "exit", f"would close: {reason}", view.strength, view.leader)
        receipt = self._gate.close(view.symbol, ALL, Source.LOOP, reason=reason, order_id=order_id, lease=lease)
        return self._decision(view, "exit", receipt, reason)

    def _enter(self, view: SymbolView, book: Book, *, lease: Lease | None, dry_run: bool) -> Decision:
        plan = self._rules.plan_for(view.leader, view.strength)
        if plan.needs_range:
            average = self._market.average_range(view.symbol)
            if average is None:
                return self._none(view, "no size: the average true range that its exits count in is not known yet")
            plan = plan.with_range(average)
        size, sized = self._size(view.symbol, plan, book, strategy=view.leader)
        if size <= 0:
            return Decision(view.symbol, "none", sized, view.strength, view.leader)
        how = "is above" if view.standing else "crossed"
        reason = f"{view.summary()} {how} {self._threshold:+.2f}; {sized}"
        request = OrderRequest(
            order_id=self._id(view, "in"),
            symbol=view.symbol,
            side=Side.BUY,
            size=size,
            exits=plan,
            strategy=view.leader,
            reason=reason,
        )
        if dry_run:
            preview = self._gate.preview(request, Source.LOOP)
            failed = "; ".join(verdict.reason for verdict in preview.verdicts if not verdict.passed)
            if preview.asks:
                return Decision(view.symbol, "proposed", f"would ask: {failed}", view.strength, view.leader)
            said = f"would buy {size:f}: {reason}" if preview.allowed else f"would be refused: {failed}"
            return Decision(view.symbol, "enter" if preview.allowed else "refused", said, view.strength, view.leader)
        return self._decision(view, "enter", self._gate.submit(request, Source.LOOP, lease=lease), reason)

    def _size(self, symbol: str, plan: ExitPlan, book: Book, *, strategy: str) -> tuple[Decimal, str]:
        """Base units to buy and the sentence behind it; 0 with the reason why not."""
        instrument, view = self._market.instrument(symbol), self._judge.view(book, symbol)
        now = standing(book, view.marks)
        if view.quote is None or now.equity is None:
            return Decimal(0), f"no data: {view.quote_problem or 'a held symbol has no price'}"
        entry = view.quote.ask
        stop = levels(plan, entry).stop_price
        if stop is None:
            return Decimal(0), "no size: [exits] has no stop, so the risk of a trade is unknown"
        wanted = instrument.round_size(
            fixed_risk(float(now.equity), float(self._risk), entry=float(entry), stop=float(stop))
        )
        risked = (entry - stop) / entry
        policy = self._judge.policy(book)
        room = headroom_notional(book, instrument, view, policy, stop_fraction=risked, strategy=strategy)
        size = min(wanted, instrument.round_size(room / entry))
        if not instrument.sellable(size, stop):
            return Decimal(0), (
                f"no size: {self._risk * 100:f} % risk wants {wanted * entry:.2f} {instrument.quote}, the limits leave "
                f"{room:.2f}, and the venue takes no less than {instrument.min_notional:f}, at the stop as well"
            )
        return size, f"{size:f} {instrument.base} risks {size * (entry - stop):.2f} {instrument.quote}"

    def _decision(self, view: SymbolView, action: str, receipt: Receipt, reason: str) -> Decision:
        said = reason if receipt.outcome in ("placed", "closed") else f"{receipt.message} ({reason})"
        order_id = receipt.order.order_id if receipt.order else ""
        if receipt.outcome in ("refused", "proposed"):
            action = receipt.outcome
        return Decision(view.symbol, action, said, view.strength, view.leader, order_id)

    def _none(self, view: SymbolView, reason: str) -> Decision:
        return Decision(view.symbol, "none", reason, view.strength, view.leader)

    def _id(self, view: SymbolView, way: str) -> str:
        """Derived from the bar: deciding twice about the same bar is one order."""
        return f"loop-{way}-{view.symbol.replace('/', '')}-{ms_of(view.at) // 1000}"
