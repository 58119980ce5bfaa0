"""External: what another hand did in the account, as events. Never ours to correct, only to record and to tell.

What somebody sells or takes away comes out of what is external first, then out of the desk's own. The desk's share of a
sale is a close by the operator with its proceeds; coins that left count as sold at the market and the money as gone.
So no flow ever looks like profit.
"""

from datetime import datetime
from decimal import Decimal

from msgspec import structs

from trade_mcp.domain.book import Book
from trade_mcp.domain.events import Alarm, Event, ExternalMoved, Filled, FlowRecorded
from trade_mcp.domain.instrument import ZERO
from trade_mcp.domain.order import Fill, Order, OrderType, Role, Side, Source, Status
from trade_mcp.domain.position import COST_STEP


def trade_ref(fill: Fill) -> str:
    """What a trade of another hand is recorded under."""
    return f"trade:{fill.symbol}:{fill.trade_id}"


def of_trade(book: Book, fill: Fill) -> list[Event]:
    """What a trade of another hand changes in ``book``."""
    base, _, quote = fill.symbol.partition("/")
    did = "bought" if fill.side is Side.BUY else "sold"
    text = f"another hand {did} {fill.size:f} {base} at {fill.price:f} (trade {fill.trade_id})"
    events: list[Event] = []
    if fill.side is Side.SELL and (ours := _desk_share(book, fill.symbol, fill.size)):
        share, fill = _parted(fill, ours)
        events.append(_closed(book, share, text))
        text += f"; {ours:f} of it were the desk's: a close by hand"
    sign = fill.side.sign
    moves = {base: fill.size * sign, quote: -fill.size * fill.price * sign}
    moves[fill.fee_currency] = moves.get(fill.fee_currency, ZERO) - fill.fee
    return events + _recorded(book, moves, ref=trade_ref(fill), text=text, symbol=fill.symbol)


def of_transfer(
    book: Book, currency: str, amount: Decimal, *, ref: str, text: str, price: Decimal | None, at: datetime
) -> list[Event]:
    """What ``amount`` that came (+) or went (-) without a trade changes. ``price`` is the market's, if it is known."""
    symbol = f"{currency}/{book.quote}"
    events: list[Event] = []
    if amount < 0 and (ours := _desk_share(book, symbol, -amount)):
        sold = Fill(
            trade_id=ref,
            order_id="",
            symbol=symbol,
            side=Side.SELL,
            size=ours,
            price=price or book.position(symbol).entry,
            fee=ZERO,
            fee_currency=book.quote,
            fee_quote=ZERO,
            at=at,
        )
        events += [_closed(book, sold, text), FlowRecorded(-ours * sold.price, text)]
        amount += ours
        text += f"; {ours:f} of it were the desk's"
    return events + _recorded(book, {currency: amount}, ref=ref, text=text, symbol=symbol)


def _desk_share(book: Book, symbol: str, size: Decimal) -> Decimal:
    """How much of the ``size`` that left was the desk's: what external holdings do not cover."""
    base = symbol.partition("/")[0]
    uncovered = size - max(book.external.get(base, ZERO), ZERO)
    return max(min(uncovered, book.position(symbol).size), ZERO)


def _parted(fill: Fill, ours: Decimal) -> tuple[Fill, Fill]:
    """The desk's share of ``fill``, and the rest; the fee in proportion."""
    if ours == fill.size:
        return fill, structs.replace(fill, size=ZERO, fee=ZERO, fee_quote=ZERO)
    fee, fee_quote = ((part * ours / fill.size).quantize(COST_STEP) for part in (fill.fee, fill.fee_quote))
    rest = structs.replace(fill, size=fill.size - ours, fee=fill.fee - fee, fee_quote=fill.fee_quote - fee_quote)
    return structs.replace(fill, size=ours, fee=fee, fee_quote=fee_quote), rest


def _closed(book: Book, fill: Fill, reason: str) -> Filled:
    """The desk's position sold by hand: an order of the operator that is filled already."""
    position = book.position(fill.symbol)
    order_id = f"by-hand-{fill.trade_id}"
    order = Order(
        order_id=order_id,
        symbol=fill.symbol,
        side=Side.SELL,
        type=OrderType.MARKET,
        size=fill.size,
        role=Role.CLOSE,
        source=Source.OPERATOR,
        at=fill.at,
        real_at=fill.at,
        send_by=fill.at,
        status=Status.FILLED,
        strategy=position.strategy,
        reason=reason,
        parent=position.entry_id,
        filled=fill.size,
        cost=fill.size * fill.price,
        trades=(fill.trade_id,),
    )
    return Filled(order, structs.replace(fill, order_id=order_id))


def _recorded(book: Book, moves: dict[str, Decimal], *, ref: str, text: str, symbol: str) -> list[Event]:
    """``moves`` of what is external; quote currency beyond it was the desk's cash, and has flowed."""
    events: list[Event] = []
    there = book.external.get(book.quote, ZERO)
    flow = min(there + moves.get(book.quote, ZERO), ZERO) - min(there, ZERO)
    if flow < 0:
        moves = moves | {book.quote: moves[book.quote] - flow}
        events.append(FlowRecorded(flow, text))
        text += f"; {-flow:f} {book.quote} of it were the desk's cash"
    moves = {currency: amount for currency, amount in moves.items() if amount}
    return [*events, ExternalMoved(ref, moves, text), Alarm(f"{text}; recorded, not touched", symbol=symbol)]
