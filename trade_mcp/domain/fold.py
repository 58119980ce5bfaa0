"""Fold: the book after an event. The only code that changes a Book; replaying all events gives the same one."""

from datetime import datetime, timedelta
from decimal import Decimal

from msgspec import structs

from trade_mcp.domain import events as e
from trade_mcp.domain.book import Baseline, Book, Brake, Entered, Mark, Streak, brake_key, trader
from trade_mcp.domain.exits import joined, levels
from trade_mcp.domain.instrument import ZERO
from trade_mcp.domain.order import Fill, Order, Role, Side, Source, Status
from trade_mcp.domain.position import COST_STEP, Position, apply_fill

REMEMBERED = timedelta(days=1)
REJECTIONS = 1_000  # of the venue, remembered
STRICTNESS = (e.TradingState.ACTIVE, e.TradingState.REDUCING, e.TradingState.HALTED)
DRAWDOWNS = frozenset({"soft_drawdown", "hard_drawdown"})
PEOPLE = frozenset({Source.MODEL, Source.OPERATOR})


def fold(book: Book, seq: int, event: e.Event) -> None:
    """Change ``book`` by ``event``, which stands at ``seq`` in the log."""
    match event:
        case e.OrderEvent(order=order):
            _keep(book, order)
            if isinstance(event, e.OrderPending):
                _remember(book, order)
            elif isinstance(event, e.Filled):
                _fill(book, order, event.fill)
            elif isinstance(event, e.OrderEnded) and order.status is Status.REJECTED:
                book.rejected = [*book.rejected[1 - REJECTIONS :], order.real_at]
            if isinstance(event, e.TakenOver):
                _take_over(book, event)
        case e.LedgerOpened():
            book.venue, book.account, book.feed = event.venue, event.account, event.feed
            book.synthetic, book.quote, book.mode = event.synthetic, event.quote, event.mode
            book.ledger_id = event.ledger_id
            book.cash = book.deposits = book.equity = book.peak_equity = book.high_water = event.capital
            book.mark = Mark(None, event.capital)
            book.external = dict(event.holdings)
        case e.PolicyAdopted():
            book.policy, book.policy_text = event.policy, event.text
        case e.StateChanged():
            book.asked, book.asked_reason = event.state, event.reason
            if event.state is e.TradingState.ACTIVE:
                _released_by_a_person(book)
            _set_state(book)
        case e.Armed():
            book.armed_since, book.armed_until = event.since, event.until
        case e.Disarmed():
            book.armed_since = book.armed_until = None
        case e.ProposalMade(proposal=proposal):
            book.proposals[proposal.proposal_id] = proposal
        case e.ProposalDecided():
            book.proposals.pop(event.proposal_id, None)
        case e.ExitsChanged(symbol=symbol, levels=new):
            book.positions[symbol] = structs.replace(book.positions[symbol], levels=new, by_hand=True)
        case e.PeakRaised(symbol=symbol, peak=peak):
            position = book.positions[symbol]
            book.positions[symbol] = structs.replace(position, levels=position.levels.raised(peak))
        case e.StopsWatched(watched=watched):
            book.stops_watched = watched
        case e.OwnerChanged(symbol=symbol, owner=owner):
            book.positions[symbol] = structs.replace(book.positions[symbol], owner=owner)
        case e.DustBooked(symbol=symbol, at=at):
            book.positions[symbol] = structs.replace(book.positions[symbol], dust=True)
            if at is not None:
                _count_trade(book, book.positions[symbol], at)
        case e.FlowRecorded(amount=amount):
            book.cash += amount
            book.deposits += amount
            _net_of(book, event.value)
        case e.ExternalMoved(moves=moves):
            for currency, amount in moves.items():
                book.external[currency] = book.external.get(currency, ZERO) + amount
        case e.ForeignOrderSeen(ref=ref, text=text):
            book.foreign[ref] = text
        case e.ForeignOrderGone(ref=ref):
            book.foreign.pop(ref, None)
        case e.BreakSeen(currency=currency, reason=reason):
            book.breaks[currency] = reason
            book.missing[currency] = max(event.ours - event.venue, ZERO)
        case e.BreakSettled(currency=currency):
            book.breaks.pop(currency, None)
            book.missing.pop(currency, None)
        case e.EquityMarked(equity=equity):
            book.equity = equity
            book.peak_equity = max(book.peak_equity, equity)
            book.high_water = max(book.high_water, min(book.mark.equity, equity))  # one mark alone may be a wick
            book.mark = Mark(event.seen or event.at, equity)
        case e.BaselineSet(period=period, at=at, equity=equity):
            book.periods[period] = Baseline(at, equity)
        case e.BrakeTripped():
            key = brake_key(event.brake, event.scope)
            book.brakes[key] = Brake(
                event.brake, event.effect, event.at, event.reason, until=event.until, scope=event.scope
            )
            _set_state(book)
        case e.BrakeReleased(brake=brake, scope=scope):
            book.brakes.pop(brake_key(brake, scope), None)
            book.streaks.pop(scope, None)
            _set_state(book)
        case e.OrderRefused() | e.Alarm() | e.Denied():
            pass
        case _:
            raise AssertionError(f"no fold for {type(event).__name__}")
    book.seq = seq


def _set_state(book: Book) -> None:
    """The strictest of what was asked for and what the brakes force, with every reason for it."""
    holding = [brake for brake in book.brakes.values() if brake.effect is not e.TradingState.ACTIVE]
    book.state = max((book.asked, *(brake.effect for brake in holding)), key=STRICTNESS.index)
    reasons = [book.asked_reason] if book.asked is not e.TradingState.ACTIVE or not holding else []
    book.state_reason = "; ".join((*reasons, *(brake.reason for brake in holding)))


def _released_by_a_person(book: Book) -> None:
    """What only a person releases holds no more, and counts anew from here."""
    held = [brake for brake in book.brakes.values() if brake.until is None]
    for brake in held:
        del book.brakes[brake_key(brake.name, brake.scope)]
    if any(brake.name in DRAWDOWNS for brake in held):
        book.high_water = book.mark.equity
    book.rejected = []


def _net_of(book: Book, flow: Decimal) -> None:
    """Money that came or went is no profit and no loss: whatever equity is held against moves with it."""
    book.peak_equity += flow
    book.high_water += flow
    book.mark = Mark(book.mark.seen, book.mark.equity + flow)
    book.periods = {period: Baseline(base.at, base.equity + flow) for period, base in book.periods.items()}


def _keep(book: Book, order: Order) -> None:
    if order.live:
        book.orders[order.order_id] = order
    else:
        book.orders.pop(order.order_id, None)


def _remember(book: Book, order: Order) -> None:
    if order.role is Role.ENTRY:
        horizon = order.at - REMEMBERED
        while book.entered and book.entered[0].at <= horizon:
            book.entered.pop(0)
        by = trader(order.source, order.strategy)
        book.entered.append(Entered(order.at, order.symbol, order.side, order.size, by))


def _fill(book: Book, order: Order, fill: Fill) -> None:
    """Move the money of one fill: cash, position, fee, realised profit, exit levels."""
    base = fill.symbol.partition("/")[0]
    before = book.position(fill.symbol)
    if before.size == 0 or (before.dust and fill.side is Side.BUY):  # dust left from before joins the new position
        before = Position(
            size=before.size,
            cost=before.cost,
            owner=order.source,
            strategy=order.strategy,
            entry_id=order.parent or order.order_id,
            opened_at=fill.at,
        )
    if fill.side is Side.BUY:
        # A fee in the base coin costs size, not cash: cost covers only what was kept (I8).
        kept = fill.size - fill.fee if fill.fee_currency == base else fill.size
        after = apply_fill(before, kept, fill.price)
        book.cash -= fill.size * fill.price
    else:
        # A fee in the base coin leaves the position too: as if it were sold at this price, and the money paid as a fee.
        gone = fill.size + fill.fee if fill.fee_currency == base else fill.size
        after = apply_fill(before, -gone, fill.price)
        book.cash += fill.size * fill.price
    book.realised += after.realised - before.realised
    if fill.fee_currency == book.quote:
        book.cash -= fill.fee
    elif fill.fee_currency != base:
        # A third coin is not the desk's: using it is a contribution from outside, and a fee.
        book.deposits += fill.fee_quote
        book.external[fill.fee_currency] = book.external.get(fill.fee_currency, ZERO) - fill.fee
    book.fees += fill.fee_quote
    after = structs.replace(after, fees=before.fees + fill.fee_quote, dust=after.dust and fill.side is Side.SELL)
    if order.role is Role.ENTRY and order.exits is not None:
        after = _with_levels(after, order, fill)
    if fill.side is Side.BUY and after.owner is Source.LOOP and order.source in PEOPLE:
        after = structs.replace(after, owner=order.source)  # both were in flight: what the chat adds to is the chat's
    if after.size == 0:
        if not after.dust:  # its trade was counted when it became dust
            _count_trade(book, after, fill.at)
        book.positions.pop(fill.symbol, None)
    else:
        book.positions[fill.symbol] = after


def _take_over(book: Book, event: e.TakenOver) -> None:
    fill = event.fill
    base = fill.symbol.partition("/")[0]
    book.external[base] = book.external.get(base, ZERO) - fill.size
    position = book.positions[fill.symbol]
    both = position.size > fill.size  # it joined one that was there
    new = joined(position.levels, event.levels, at=fill.at) if both else event.levels
    book.positions[fill.symbol] = structs.replace(position, levels=new, by_hand=True)


def _count_trade(book: Book, closed: Position, at: datetime) -> None:
    """A trade ended: one more loss in a row of whoever made it, or none any more."""
    by = trader(closed.owner, closed.strategy)
    if closed.realised - closed.fees < 0:
        before = book.streaks.get(by)
        book.streaks[by] = Streak(before.losses + 1 if before else 1, at)
    else:
        book.streaks.pop(by, None)


def _with_levels(position: Position, order: Order, fill: Fill) -> Position:
    assert order.exits is not None
    fresh = levels(order.exits, (order.cost / order.filled).quantize(COST_STEP), at=position.opened_at)
    if position.entry_id != order.order_id:
        # From here on the levels are of both entries: the first one's later fills must not take the tighter stop back.
        return structs.replace(position, levels=joined(position.levels, fresh, at=fill.at), by_hand=True)
    if position.by_hand:
        return position
    # Later fills of the same entry price its exits anew; a peak stays.
    peak = max(filter(None, (position.levels.peak, fresh.peak)), default=None)
    return structs.replace(position, levels=structs.replace(fresh, peak=peak))
