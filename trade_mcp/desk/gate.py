"""Gate: the one road. Every order, whoever asks, is judged here under one policy and written before it is sent."""

from collections.abc import Callable
from decimal import Decimal

from msgspec import structs

from trade_mcp.desk.asking import Asking, waiting
from trade_mcp.desk.drafts import Drafts
from trade_mcp.desk.exits import Armed, Exits, free_size
from trade_mcp.desk.inkless import Inkless
from trade_mcp.desk.judge import Judge
from trade_mcp.desk.market import Market
from trade_mcp.desk.new_levels import changed, loosens
from trade_mcp.desk.protection import Protection, take_over
from trade_mcp.desk.receipt import Preview, Receipt, conflict, placed, receipt_of, why_not
from trade_mcp.desk.refusal import refuse
from trade_mcp.desk.resolve import check_numbers, ranged
from trade_mcp.desk.send import Sender
from trade_mcp.desk.trading import Trading
from trade_mcp.domain import events as e
from trade_mcp.domain.approvals import Answer, Approval
from trade_mcp.domain.book import Book
from trade_mcp.domain.errors import BadInput, HaltUnwritten, LedgerError, TradeError
from trade_mcp.domain.exit_rules import ExitRules
from trade_mcp.domain.exits import ExitPlan, Levels, check_plan, levels
from trade_mcp.domain.order import EXIT_ROLES, Order, OrderRequest, OrderType, Role, Side, Source, Status
from trade_mcp.ports import Clock
from trade_mcp.risk.assess import refused, to_ask
from trade_mcp.risk.verdict import Verdict
from trade_mcp.store.leases import Lease
from trade_mcp.store.log import Log
from trade_mcp.store.spill import Spill

ALL = Decimal(1)
HALT_WITHIN_S = 2.0  # real time a halt waits for the ledger before it cancels at the venue without it


class Gate:
    """Places, cancels, closes and protects. ``rules`` have the stop of entries that bring none."""

    def __init__(
        self,
        ledger: Log,
        market: Market,
        sender: Sender,
        *,
        exits: Exits,
        spill: Spill | None = None,
        judge: Judge,
        trading: Trading,
        clock: Clock,
        rules: ExitRules,
    ):
        self._trading = trading
        self._log, self._market, self._sender = ledger, market, sender
        self._judge, self._clock = judge, clock
        self._drafts = Drafts(market, rules=rules, clock=clock)
        self.asking = Asking(ledger, judge, clock=clock)
        self.inkless = Inkless(ledger, sender, judge=judge, drafts=self._drafts, spill=spill)
        self._protection = Protection(
            ledger,
            market,
            sender,
            exits=exits,
            judge=judge,
            drafts=self._drafts,
            asking=self.asking,
            inkless=self.inkless,
            clock=clock,
        )

    def submit(
        self,
        request: OrderRequest,
        source: Source,
        *,
        lease: Lease | None = None,
        approval: Approval | None = None,
        propose: bool = True,
    ) -> Receipt:
        """Judge ``request`` and, if every rule agrees, write it down, send it and protect what it bought.

        An entry that a person is to decide becomes a proposal instead (without ``propose``: nothing, "unconfirmed");
        ``approval`` is the person's yes to it. Raises BadInput (what makes no sense), UnknownSymbol, IdConflict (a
        known id with other content), LeaseLost, NotWaiting (the approval came too late).
        """
        if request.side is Side.SELL and request.type is OrderType.MARKET:
            return self._protection.sell(request, source, lease=lease)
        view = self._judge.view(self._log.refresh(), request.symbol)
        with self._log.writing(lease) as ledger:  # one writer, fresh tail, live epoch
            self.asking.expire(ledger)
            if approval is not None:
                view = structs.replace(view, shown=waiting(ledger, approval).price)
            if known := ledger.order(request.order_id):
                return receipt_of(known, request)  # a retry, not a second order; other content is an error
            if approval is None and (asked := self.asking.asked_before(ledger, request)):
                return asked
            order = self._drafts.order(request, source, quote=view.quote)
            proposal, verdicts = self._judge.order(ledger.book, order, view, asked=request.sized_by)
            if refused(verdicts):
                return refuse(ledger, request, order, verdicts)
            if why := to_ask(verdicts):
                if not propose:
                    return Receipt("unconfirmed", why.reason, order, verdicts)
                return self.asking.put(ledger, request, proposal, why=why.reason)
            take_over(ledger, request.symbol, source)
            if approval is not None:
                yes = (Answer.APPROVED, approval.by, self._clock.real())
                ledger.append(e.ProposalDecided(approval.proposal_id, request.order_id, *yes))
            ledger.append(e.OrderPending(order, tuple(verdict.rule for verdict in verdicts)))
        self._sender.send((order,), lease=lease)  # the network, after the ink is dry
        self.protect(request.symbol, lease=lease)
        return placed(self._log, order, verdicts)

    def preview(self, request: OrderRequest, source: Source) -> Preview:
        """What `submit` would say now, with every verdict; nothing is written. Raises like it."""
        book = self._log.refresh()
        view = self._judge.view(book, request.symbol)
        order = self._drafts.order(request, source, quote=view.quote)
        at_market = request.side is Side.SELL and request.type is OrderType.MARKET
        replacing = [leg.order_id for leg in book.exits(request.symbol)] if at_market else []
        proposal, verdicts = self._judge.order(book, order, view, replacing=replacing, asked=request.sized_by)
        fill = order.limit_price or order.trigger_price or (view.quote.ask if view.quote else None)
        at = levels(order.exits, fill) if order.exits is not None and fill is not None else Levels()
        known = proposal.notional is not None and not any(v.rule == "finite" and not v.passed for v in verdicts)
        risk = order.size * (fill - at.stop_price) if known and fill is not None and at.stop_price is not None else None
        return Preview(
            order=order,
            verdicts=verdicts,
            allowed=all(verdict.passed for verdict in verdicts),
            asks=to_ask(verdicts) is not None,
            notional=proposal.notional if known else None,
            fee=proposal.notional * view.instrument.taker_fee if known and proposal.notional is not None else None,
            risk=risk,
            stop=at.stop_price,
            target=at.target,
            equity=proposal.equity,
            exposure_after=proposal.exposure_after if known else None,
            heat_after=proposal.heat_after if known else None,
        )

    def cancel(self, order_id: str, source: Source, *, reason: str, lease: Lease | None = None) -> Receipt:
        """Cancel a live order. A protective order is not cancelled, only replaced (`set_exits`). Raises BadInput."""
        with self._log.writing(lease) as ledger:
            order = ledger.order(order_id)
            if order is None:
                raise BadInput(f"no order {order_id!r}", hint="list_orders shows the ids of open orders")
            if order.role in EXIT_ROLES and order.live:
                raise BadInput(
                    f"{order_id} protects the position in {order.symbol}",
                    hint="set_exits moves it, close_position ends the position",
                )
            if not order.live:
                return Receipt("nothing", f"{order_id} is {order.status} already; nothing was sent", order)
            if order.status is not Status.CANCELLING:
                order = structs.replace(order, status=Status.CANCELLING, note=reason)
                ledger.append(e.OrderCancelling(order))
        self._sender.cancel((order,))
        self.protect(order.symbol, lease=lease)
        now = self._log.order(order_id) or order
        return Receipt("cancelled" if not now.live else "nothing", f"{order_id} is {now.status} now", now)

    def close(
        self,
        symbol: str,
        fraction: Decimal,
        source: Source,
        *,
        reason: str,
        order_id: str,
        lease: Lease | None = None,
    ) -> Receipt:
        """Sell ``fraction`` (0..1] of the position at the market, replacing its exits as one fenced step.

        Raises BadInput for a fraction out of range, too small to be sold, or a flat symbol, and IdConflict.
        """
        if not fraction.is_finite() or not 0 < fraction <= 1:
            raise BadInput(f"a fraction of {fraction} makes no sense", hint="give more than 0 and at most 1, e.g. 0.5")
        instrument = self._market.instrument(symbol)
        book = self._log.refresh()
        known = self._log.order(order_id)
        if known is not None:
            if (known.symbol, known.role) != (symbol, Role.CLOSE):
                raise conflict(known)
            return Receipt("already", f"already asked for at {known.real_at:%H:%M:%S} UTC; nothing was sent", known)
        free = free_size(book, symbol, instrument)
        if free <= 0:
            raise BadInput(
                f"there is nothing to close in {symbol}", hint="get_portfolio shows what is held and what is being sold"
            )
        size = instrument.round_size(free * fraction)
        position = book.position(symbol)
        rest, stop = self._market.bid_or(symbol, position.entry), position.levels.stop_price
        if not instrument.sellable(free - size, rest if stop is None else min(rest, stop)):
            size = free  # what would be left could not be sold, at its stop at the latest: all of it goes
        if size == 0:
            raise BadInput(
                f"{fraction} of {free:f} {instrument.base} is less than a lot of {instrument.lot:f}",
                hint="give a larger fraction; 1 closes all of it",
            )
        request = OrderRequest(order_id=order_id, symbol=symbol, side=Side.SELL, size=size, reason=reason)
        return self._protection.sell(request, source, lease=lease)

    def set_exits(
        self, symbol: str, plan: ExitPlan, source: Source, *, reason: str = "", lease: Lease | None = None
    ) -> Receipt:
        """Set stop, target or trail of a position; what ``plan`` leaves out stays. Distances count from the entry.

        Tightening always passes; loosening is judged like an entry. Raises BadInput (no position, wrong side).
        """
        view = self._judge.view(self._log.refresh(), symbol)
        check_numbers(plan)
        check_plan(plan if plan.has_stop else structs.replace(plan, stop=self._log.book.position(symbol).levels.stop))
        if plan.break_even is not None:
            plan = structs.replace(plan, costs=2 * view.instrument.taker_fee)
        plan = ranged(plan, self._market.average_range(symbol) if plan.needs_range else None, symbol)
        with self._log.writing(lease) as ledger:
            position = ledger.book.positions.get(symbol)
            if position is None or position.dust:
                raise BadInput(f"there is no position in {symbol}", hint="place_order takes stop_loss and take_profit")
            price = view.quote.bid if view.quote is not None else None
            new = changed(position, plan, price, now=view.now)
            if new == position.levels:
                return Receipt(
                    "nothing", f"the exits of {symbol} are so already", legs=tuple(ledger.book.exits(symbol))
                )
            stop, before = new.stop_price, position.levels.stop_price
            lower = stop is not None and (before is None or stop < before)
            if stop is not None and lower and not view.instrument.sellable(position.size, stop):
                raise BadInput(
                    f"{position.size:f} {view.instrument.base} could not be sold at a stop of {stop:f}",
                    hint=f"the venue takes no less than {view.instrument.min_notional:f} {view.instrument.quote}",
                )
            verdicts: tuple[Verdict, ...] = ()
            if loosens(position.levels, new):
                verdicts = self._judge.levels(ledger.book, symbol, new, view)
                if refused(verdicts):
                    return Receipt("refused", why_not(verdicts), verdicts=verdicts)
            take_over(ledger, symbol, source)
            ledger.append(e.ExitsChanged(symbol, new, source, reason))
        self._protection.forget(symbol)
        self.protect(symbol, lease=lease)
        return Receipt(
            "exits_set", f"exits of {symbol} set", verdicts=verdicts, legs=tuple(self._log.book.exits(symbol))
        )

    def halt(self, source: Source, *, reason: str) -> Receipt:
        """Stop all entries at once: the flag first, then the ledger, then every entry that lives.

        While the ledger cannot be written, entries are cancelled at the venue all the same. Raises HaltUnwritten then:
        the flag is up, and whoever watches writes the halt down when it can.
        """
        self._trading.put_up_flag(reason)
        try:
            with self._log.engine.transaction(wait_s=HALT_WITHIN_S):
                pass
        except LedgerError as error:
            raise HaltUnwritten(error.message, *self._sender.cancel_without_ink()) from error
        return self.set_state(e.TradingState.HALTED, source, reason=reason)

    def resume(self, source: Source, *, reason: str) -> Receipt:
        """Let trading go on; the flag goes first, or its watcher halts again. Who may do so is the caller's."""
        self._trading.flag.take_down()
        return self.set_state(e.TradingState.ACTIVE, source, reason=reason)

    def heed_flag(self) -> None:
        """A flag that stands is a halt: write it down, so that it outlives the file."""
        if (why := self._trading.flag.why()) and self._log.refresh().state is not e.TradingState.HALTED:
            self.set_state(e.TradingState.HALTED, Source.OPERATOR, reason=why)

    def set_state(self, state: e.TradingState, source: Source, *, reason: str) -> Receipt:
        """Change the trading state; unless it is active, live entries are cancelled. Who may do so is the caller's."""
        with self._log.writing() as ledger:
            book = ledger.book
            to_release = state is e.TradingState.ACTIVE and any(b.until is None for b in book.brakes.values())
            changes = book.state is not state or book.asked is not state or to_release
            if changes:
                ledger.append(e.StateChanged(state, reason, source))
            now, why = ledger.book.state, ledger.book.state_reason
        self.sweep_entries()
        said = f"trading is {now} ({reason})" if now is state else f"trading stays {now}: {why}"
        return Receipt("state_set" if changes else "nothing", said)

    def sweep_entries(self, lease: Lease | None = None) -> None:
        """Where trading is halted, all of it or a symbol by a break, no entry lives: intents first, then cancels."""
        book = self._log.refresh()
        if not any(self._halted(book, order) for order in book.live()):
            return
        with self._log.writing(lease) as ledger:
            for order in [order for order in ledger.book.live() if order.status is Status.WORKING]:
                if note := self._halted(ledger.book, order):
                    ledger.append(e.OrderCancelling(structs.replace(order, status=Status.CANCELLING, note=note)))
            cancelling = [
                order for order in ledger.book.live() if order.role is Role.ENTRY and order.status is Status.CANCELLING
            ]
        self._sender.cancel(cancelling)

    def _halted(self, book: Book, order: Order) -> str:
        """Why an entry may not stay alive; "" for what may."""
        if order.role is not Role.ENTRY:
            return ""
        if (state := self._trading.now(book)[0]) is not e.TradingState.ACTIVE:
            return f"trading is {state}"
        broken = next((currency for currency in order.symbol.split("/") if currency in book.breaks), "")
        return f"book and venue differ about {broken}" if broken else ""

    def flatten(self, source: Source, *, reason: str, make_id: Callable[[], str]) -> list[Receipt]:
        """Close every position of the desk at the market; protected and external holdings are not the desk's.

        A position that cannot be closed never keeps the others open.
        """
        book, receipts = self._log.refresh(), []
        for symbol, position in book.positions.items():
            if position.dust or free_size(book, symbol, self._market.instrument(symbol)) <= 0:
                continue
            try:
                receipts.append(self.close(symbol, ALL, source, reason=reason, order_id=make_id()))
            except TradeError as error:
                receipts.append(Receipt("nothing", f"{symbol} is still open: {error.message}"))
        return receipts

    def protect(self, symbol: str, *, lease: Lease | None = None) -> Armed:
        """Make the exits of ``symbol`` rest as they should; where they cannot, sell at the market."""
        return self._protection.protect(symbol, lease=lease)
