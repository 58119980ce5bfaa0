"""Book: whose money and coins an order touches, whether there is enough, and how many things are open."""

from decimal import Decimal

from trade_mcp.domain.instrument import ZERO
from trade_mcp.domain.order import Order, OrderType, Role, Side, Source
from trade_mcp.risk.policy import Policy
from trade_mcp.risk.proposal import Kind, Proposal
from trade_mcp.risk.verdict import Verdict


def owner(proposal: Proposal, policy: Policy) -> Verdict:
    """Protected coins are never sold, and the loop never touches a position of the chat."""
    against = _chat(proposal) or (_protected(proposal, policy) if policy.protected else ())
    return Verdict("owner", not against, None, None, against or ("ours", proposal.symbol))


def _chat(proposal: Proposal) -> tuple[str, ...]:
    order, book = proposal.order, proposal.book
    if order is None or order.source is not Source.LOOP:
        return ()
    held = book.positions.get(order.symbol)
    if held is not None and not held.dust and held.owner is not Source.LOOP:
        return "position", order.symbol, held.owner.value
    for other in book.orders.values() if proposal.kind is Kind.ENTRY else ():
        # The first fill sets the owner, so an entry in flight counts as a position already.
        if other.symbol == order.symbol and other.role is Role.ENTRY and other.source is not Source.LOOP:
            return "order", order.symbol, other.source.value
    return ()


def _protected(proposal: Proposal, policy: Policy) -> tuple[object, ...]:
    instrument, external = proposal.view.instrument, proposal.book.external
    for name in (proposal.symbol, instrument.base):
        if name not in policy.protected:
            continue
        least = policy.protected[name]
        if least is None:
            return "all", name
        held = proposal.held + external.get(instrument.base, ZERO)
        if proposal.kind is Kind.ENTRY and held < least:
            return "first", name, held, least  # what is bought would be protected, and its exits refused
        if proposal.kind is Kind.REDUCE and proposal.order is not None:
            left = proposal.free + external.get(instrument.base, ZERO) - proposal.order.size
            if left < least:
                return "least", name, left, least
    if proposal.kind is Kind.ENTRY and instrument.quote in policy.protected:
        return _protected_cash(proposal, instrument.quote, policy.protected[instrument.quote])
    return ()


def _protected_cash(proposal: Proposal, currency: str, least: Decimal | None) -> tuple[object, ...]:
    free, needed = _free(proposal), proposal.spends
    if least is None:
        return "all", currency
    if free is None or needed is None:
        return ()
    left = free - needed + proposal.book.external.get(currency, ZERO)
    return ("least", currency, left, least) if left < least else ()


def cash(proposal: Proposal, policy: Policy) -> Verdict | None:
    """A buy, its slippage and its taker fee are paid by cash that nothing in flight, with fees, may still spend."""
    needed, free = proposal.spends, _free(proposal)
    if needed is None or free is None:  # a sell costs none; without a price fresh_quote refuses
        return None
    return Verdict("cash", needed <= free, needed, free, (proposal.view.instrument.quote,))


def _free(proposal: Proposal) -> Decimal | None:
    if proposal.now is None:
        return None
    return proposal.book.cash - proposal.now.reserved * (1 + proposal.view.instrument.taker_fee)


def holdings(proposal: Proposal, policy: Policy) -> Verdict | None:
    """A sell is no larger than what the desk holds and is not selling already; what others hold is never sold."""
    order = proposal.order
    if order is None or order.side is not Side.SELL:
        return None
    base = proposal.view.instrument.base
    others = proposal.book.external.get(base, ZERO)
    return Verdict("holdings", order.size <= proposal.free, order.size, proposal.free, (base, proposal.held, others))


def open_positions(proposal: Proposal, policy: Policy) -> Verdict:
    """Symbols that hold a slot, entries in flight included, with this one."""
    slots = proposal.now.slots if proposal.now is not None else proposal.book.open_positions
    after = len(slots) + (proposal.symbol not in slots)
    return Verdict("open_positions", after <= policy.max_open_positions, after, policy.max_open_positions)


def open_orders(proposal: Proposal, policy: Policy) -> Verdict | None:
    """Live orders with this one; the legs of one exit group count once."""
    if proposal.now is None:
        return None
    after = proposal.now.orders + 1
    return Verdict("open_orders", after <= policy.max_open_orders, after, policy.max_open_orders)


def self_trade(proposal: Proposal, policy: Policy) -> Verdict | None:
    """The order meets no opposite one of our own that rests in its way; what it takes the place of is no such one.

    The watcher's own exits are never held up by it: whoever is at a stop has to get out.
    """
    order = proposal.order
    if order is None or (proposal.kind is Kind.REDUCE and order.source is Source.EXIT):
        return None
    price = _reaches(order, proposal)
    if price is not None:
        buys = order.side is Side.BUY
        for other in proposal.book.orders.values():
            rests = other.limit_price
            if rests is None or other.side is order.side or other.symbol != order.symbol:
                continue
            if other.type is OrderType.STOP_LIMIT or other.order_id in proposal.replacing:
                continue
            if rests <= price if buys else rests >= price:
                return Verdict("self_trade", False, price, rests, (other.order_id, order.side))
    return Verdict("self_trade", True, None, None, ("", order.side))


def _reaches(order: Order, proposal: Proposal) -> Decimal | None:
    """The price up to which a buy (down to which a sell) would trade; None for what only waits for its trigger."""
    if order.trigger_price is not None:
        return None
    if order.limit_price is not None:
        return order.limit_price
    if proposal.quote is None:
        return None
    return proposal.quote.ask if order.side is Side.BUY else proposal.quote.bid
