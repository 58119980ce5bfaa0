"""Watched: whether the stops that the desk keeps itself do their work: there is a price, and a sale comes about."""

from collections.abc import Callable
from datetime import datetime

from trade_mcp.domain.book import Book
from trade_mcp.domain.errors import FeedError, UnknownSymbol
from trade_mcp.domain.market import Quote
from trade_mcp.domain.order import OrderType, Side

NOBODY = "the desk watches it, and nobody does now"
NO_PRICE = "the desk watches it, and its price is not known"
OLD_PRICE = "the desk watches it, and there is no new price"
REACHED = "the desk watches it, the price is there, and it is not sold yet"
KEPT = "the desk watches it, and a sale that rests keeps its coins from it"


def unwatched(book: Book, quote: Callable[[str], Quote], *, now: datetime, most_s: float) -> dict[str, str]:
    """Of the positions with a stop those that no watcher could sell at it, or has not yet, and why. ``most_s`` is how
    long the next price may be overdue.
    """
    found = {}
    for symbol in book.with_stops:
        if why := trouble(book, symbol, quote, now=now, most_s=most_s):
            found[symbol] = why
    return found


def trouble(book: Book, symbol: str, quote: Callable[[str], Quote], *, now: datetime, most_s: float) -> str:
    """Why the stop of ``symbol`` protects nothing now; "" if it does. `REACHED`: it is to be sold.

    A price that stands still is none: while it did, bars may have raised a trail above it.
    """
    try:
        seen = quote(symbol)
    except (FeedError, UnknownSymbol):
        return NO_PRICE
    if seen.overdue_s(now) > most_s:
        return OLD_PRICE
    stop = book.position(symbol).levels.stop_price
    if stop is not None and seen.bid <= stop:
        return REACHED
    kept = any(order.side is Side.SELL and order.type is OrderType.LIMIT for order in book.live(symbol))
    return KEPT if kept else ""
