"""Market: what may be traded, in which steps, at which prices."""

from collections.abc import Sequence
from decimal import Context, Decimal, InvalidOperation

from trade_mcp.domain.calendar import next_start, within
from trade_mcp.domain.instrument import ZERO, Instrument
from trade_mcp.domain.order import Order, OrderType
from trade_mcp.risk.policy import Policy
from trade_mcp.risk.proposal import Kind, Proposal
from trade_mcp.risk.standing import sound
from trade_mcp.risk.verdict import Verdict

RECENT = 5  # closes whose median a quote is held against: one wick among them moves nothing
_WIDE = Context(prec=80)  # a remainder of any two sound numbers fits


def symbol_lists(proposal: Proposal, policy: Policy) -> Verdict:
    """The symbol is in ``policy.allow`` and not in ``policy.deny``."""
    symbol = proposal.symbol
    case = "denied" if symbol in policy.deny else "allowed" if symbol in policy.allow else "absent"
    return Verdict("symbol_lists", case == "allowed", None, None, (case, symbol, policy.allow))


def venue_limits(proposal: Proposal, policy: Policy) -> Verdict | None:
    """The venue takes the order: lot, tick, size and notional; and an entry could be sold again after fees."""
    order, instrument = proposal.order, proposal.view.instrument
    if order is None:
        return None
    fault = _steps(order, instrument) or _worth(proposal, order, instrument)
    if fault is None and proposal.kind is Kind.ENTRY:
        fault = _dust(proposal, order, instrument)
    if fault is None:
        return Verdict("venue_limits", True)
    case, measured, limit = fault
    return Verdict("venue_limits", False, measured, limit, (case, instrument.base, instrument.quote, proposal.kind))


type _Fault = tuple[str, Decimal | None, Decimal]


def _steps(order: Order, instrument: Instrument) -> _Fault | None:
    size = order.size
    if size > instrument.max_size:
        return "max_size", size, instrument.max_size
    if size < instrument.min_size:
        return "min_size", size, instrument.min_size
    if _WIDE.remainder(size, instrument.lot):
        return "lot", size, instrument.lot
    for price in (order.limit_price, order.trigger_price):
        if price is not None and _WIDE.remainder(price, instrument.tick):
            return "tick", price, instrument.tick
    return None


def _worth(proposal: Proposal, order: Order, instrument: Instrument) -> _Fault | None:
    price = order.limit_price or order.trigger_price or (proposal.quote.bid if proposal.quote is not None else None)
    if price is None:  # an exit goes without a quote
        return None
    least, most = order.size * price, proposal.notional or order.size * (proposal.price or price)
    if least < instrument.min_notional:
        return "min_notional", least, instrument.min_notional
    if most > instrument.max_notional:
        return "max_notional", most, instrument.max_notional
    return None


def _dust(proposal: Proposal, order: Order, instrument: Instrument) -> _Fault | None:
    """What is left after a fee in the base coin, at the price it would be sold for at worst: the stop, else the bid."""
    price = proposal.stop or (proposal.quote.bid if proposal.quote is not None else None)
    if price is None or price <= ZERO:
        return None
    kept = order.size * (1 - instrument.taker_fee)
    if proposal.held > ZERO:
        kept += proposal.held
    if instrument.sellable(kept, price):
        return None
    return "dust", instrument.round_size(kept) * price, instrument.min_notional


def fresh_quote(proposal: Proposal, policy: Policy) -> Verdict:
    """There is a price, it is one, and the next is overdue by no more than ``policy.max_quote_age_s``."""
    view, limit = proposal.view, policy.max_quote_age_s
    quote = view.quote
    if quote is None:
        return Verdict("fresh_quote", False, None, limit, ("missing", proposal.symbol, view.quote_problem))
    overdue = quote.overdue_s(view.now)
    if proposal.quote is None and not (sound(quote.bid) and sound(quote.ask) and quote.bid <= quote.ask):
        return Verdict("fresh_quote", False, overdue, limit, ("unsound", proposal.symbol, f"{quote.bid}/{quote.ask}"))
    return Verdict("fresh_quote", overdue <= limit, overdue, limit, ("age", proposal.symbol))


def price_band(proposal: Proposal, policy: Policy) -> Verdict | None:
    """Limit and trigger are near the independent quote, and the quote is near the last trades."""
    order, quote = proposal.order, proposal.quote
    if order is None or quote is None:  # fresh_quote refuses
        return None
    most = policy.max_limit_distance
    for price in (order.limit_price, order.trigger_price):
        if price is not None and abs(price - quote.ask) > most * quote.ask:
            return Verdict("price_band", False, abs(price - quote.ask) / quote.ask, most, ("limit", price, quote.ask))
    closes = _sorted((proposal.view.recent or ())[-RECENT:])
    if not closes:
        return Verdict("price_band", False, None, policy.max_jump, ("history", proposal.symbol))
    usual, mid = closes[len(closes) // 2], quote.mid
    jump = abs(mid - usual)
    return Verdict("price_band", jump <= policy.max_jump * usual, jump / usual, policy.max_jump, ("jump", mid, usual))


def _sorted(closes: Sequence[Decimal]) -> list[Decimal]:
    """Those of ``closes`` that are prices, the lowest first. Almost always all are: then the ends of them tell."""
    try:
        found = sorted(closes)
        if not found or (sound(found[0]) and sound(found[-1])):
            return found
    except InvalidOperation:  # a NaN is in no order
        pass
    return sorted(close for close in closes if sound(close))


def spread(proposal: Proposal, policy: Policy) -> Verdict | None:
    """Bid and ask are no further apart than ``policy.max_spread`` of the price between them."""
    quote = proposal.quote
    if quote is None:  # fresh_quote refuses
        return None
    apart, mid = quote.ask - quote.bid, quote.mid
    return Verdict("spread", apart <= policy.max_spread * mid, apart / mid, policy.max_spread, (proposal.symbol,))


def session(proposal: Proposal, policy: Policy) -> Verdict:
    """The venue is open; and, for an entry, it is no quiet hour. What only rests there may be placed at any time."""
    view, order, name = proposal.view, proposal.order, proposal.symbol
    entry = proposal.kind is Kind.ENTRY
    if view.sessions is not None and (entry or (order is not None and order.type is OrderType.MARKET)):
        now = within(view.sessions, view.now)
        if now is None:
            return Verdict("session", False, None, None, ("closed", name, next_start(view.sessions, view.now)))
    if entry and view.quiet and (quiet := within(view.quiet, view.now)) is not None:
        return Verdict("session", False, None, None, ("quiet", name, quiet.end))
    return Verdict("session", True, None, None, ("open", name, None))
