"""Fold: the book after an event. The only code that changes a Book; replaying all events gives the same one."""

from datetime import timedelta

from msgspec import structs

from trade_mcp.domain import events as e
from trade_mcp.domain.book import Book, Entered
from trade_mcp.domain.exits import joined, levels
from trade_mcp.domain.instrument import ZERO
from trade_mcp.domain.order import Fill, Order, Role, Side, Source
from trade_mcp.domain.position import COST_STEP, Position, apply_fill

REMEMBERED = timedelta(days=1)
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
            if isinstance(event, e.TakenOver):
                _take_over(book, event)
        case e.LedgerOpened():
            book.venue, book.account, book.feed = event.venue, event.account, event.feed
            book.synthetic, book.quote, book.mode = event.synthetic, event.quote, event.mode
            book.cash = book.deposits = book.equity = book.peak_equity = event.capital
            book.external = dict(event.holdings)
        case e.PolicyAdopted():
            book.policy, book.policy_text = event.policy, event.text
        case e.StateChanged():
            book.state, book.state_reason = event.state, event.reason
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
        case e.OwnerChanged(symbol=symbol, owner=owner):
            book.positions[symbol] = structs.replace(book.positions[symbol], owner=owner)
        case e.DustBooked(symbol=symbol):
            book.positions[symbol] = structs.replace(book.positions[symbol], dust=True)
        case e.FlowRecorded(amount=amount):
            book.cash += amount
            book.deposits += amount
            book.peak_equity += event.value  # drawdown is net of flows
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
        case e.OrderRefused() | e.Alarm() | e.Denied():
            pass
        case _:
            raise AssertionError(f"no fold for {type(event).__name__}")
    book.seq = seq


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
        book.entered.append(Entered(order.at, order.symbol, order.side, order.size, order.strategy))


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
