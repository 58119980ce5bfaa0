"""Compare: where the book and the venue say different things. Pure; who acts on it is elsewhere."""

from collections.abc import Mapping
from decimal import Decimal

from trade_mcp.domain.book import Book
from trade_mcp.domain.instrument import ZERO
from trade_mcp.domain.order import Order, Report, Status
from trade_mcp.ports import Balance

Difference = tuple[str, Decimal, Decimal]  # currency, ours, the venue's
UNKNOWN = frozenset({Status.PENDING, Status.CANCELLING})  # what the venue made of it is not known yet


def shown(amount: Decimal) -> str:
    """An amount without its padding.

    >>> shown(Decimal("0.25000")), shown(Decimal("1E+3"))
    ('0.25', '1000')
    """
    return f"{amount.normalize():f}"


def ours(book: Book) -> dict[str, Decimal]:
    """What the account should hold by currency: the desk's bucket and what is external, together."""
    held: dict[str, Decimal] = dict(book.external)
    held[book.quote] = held.get(book.quote, ZERO) + book.cash
    for symbol, position in book.positions.items():
        base = symbol.partition("/")[0]
        held[base] = held.get(base, ZERO) + position.size
    return held


def differing(book: Book, balances: Mapping[str, Balance]) -> list[Difference]:
    """Currencies in which the book and the account's ``balances`` differ."""
    held = ours(book)
    theirs = {currency: balance.total for currency, balance in balances.items()}
    return [
        (currency, held.get(currency, ZERO), theirs.get(currency, ZERO))
        for currency in sorted(held.keys() | theirs.keys())
        if held.get(currency, ZERO) != theirs.get(currency, ZERO)
    ]


def unsettled(book: Book) -> set[str]:
    """Currencies that an order may have moved whose answer is still missing."""
    return {currency for order in book.live() if order.status in UNKNOWN for currency in order.symbol.split("/")}


def unlike(order: Order, report: Report) -> list[str]:
    """In what ``report`` is another order than ours: type, side, size, trigger, limit; what it leaves out is not."""
    asked = {
        "type": order.type,
        "side": order.side,
        "size": order.size,
        "trigger": order.trigger_price,
        "limit": order.limit_price,
    }
    theirs = {
        "type": report.type,
        "side": report.side,
        "size": report.size,
        "trigger": report.trigger_price,
        "limit": report.limit_price,
    }
    wrong = {name: theirs[name] for name, value in asked.items() if theirs[name] not in (None, value)}
    return [f"{name} {value} instead of {asked[name]}" for name, value in wrong.items()]
