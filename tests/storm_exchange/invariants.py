"""The invariants I1 to I8, asked of a desk and of the exchange it trades on.

`always` holds at every moment, whatever is in flight; `at_rest` once nothing is lost any more and every grace is over.
"""

from collections import Counter
from decimal import Decimal as D
from typing import Any

from trade_mcp import __version__
from trade_mcp.app import App
from trade_mcp.desk.exits import free_size
from trade_mcp.desk.reconcile import differences
from trade_mcp.domain.events import Alarm, OrderPending, OrderRefused
from trade_mcp.domain.order import Role, Source
from trade_mcp.store import history, reads
from trade_mcp.store.verify import verify
from trade_mcp.venues.ccxt import CcxtVenue

BY_HAND = "hand-"  # ids of orders that somebody else placed on the account


def always(app: App, books: dict[str, Any]) -> None:
    """What is true now. ``books`` are the exchange's own orders and trades of the account."""
    book = app.log.refresh()
    journaled = _journaled(app)
    theirs = [order["clientOrderId"] for order in books["orders"] if not order["clientOrderId"].startswith(BY_HAND)]
    doubled = [name for name, count in Counter(theirs).items() if count > 1]
    assert doubled == [], f"I1: {doubled}"
    assert set(theirs) <= journaled, f"I5: {set(theirs) - journaled} reached the exchange unjudged"
    booked = reads.fills(app.engine)
    assert len({(each.fill.symbol, each.fill.trade_id) for each in booked}) == len(booked), "I2"
    traded = {(trade["symbol"], str(trade["id"])): trade for trade in books["trades"]}
    for each in booked:
        fill = each.fill
        if fill.order_id.startswith("by-hand-"):
            continue
        trade = traded[fill.symbol.replace("/", ""), fill.trade_id]
        there = D(trade["qty"]), D(trade["price"]), D(trade["commission"])
        assert (fill.size, fill.price, fill.fee) == there, "I2"
    alarms = [event for event in history.events(app.engine, (Alarm,)) if isinstance(event, Alarm)]
    late = {alarm.symbol for alarm in alarms if "after all" in alarm.text}
    for symbol, position in book.positions.items():
        # Sold by an order that the exchange had called cancelled, when it was sold already: told, and nobody's to undo.
        assert position.size > 0 or symbol in late, f"I3: {symbol} {position}"
        groups = {order.group for order in book.live(symbol) if order.role is Role.STOP}
        assert len(groups) <= (1 if app.venue.rests.stops else 0), f"I4: {groups}"
    cost = sum((position.cost for position in book.positions.values()), D(0))
    assert book.cash + cost + book.fees == book.deposits + book.realised, "I8"
    refused = [event for event in history.events(app.engine, (OrderRefused,)) if isinstance(event, OrderRefused)]
    held_back = [event.rules for event in refused if event.source is Source.EXIT]
    assert held_back == [], f"I7: {held_back}"


def at_rest(app: App, books: dict[str, Any]) -> None:
    """What is true when the storm is over."""
    always(app, books)
    book = app.log.refresh()
    assert differences(book, app.venue) == [], "I3"
    assert not book.breaks, f"I3: {book.breaks}"
    waiting = [order.order_id for order in book.live() if order.status in ("pending", "cancelling")]
    assert waiting == [], f"never settled: {waiting}"
    every = [trade for trade in books["trades"] if not _hand(trade, books)]
    assert len(every) == len([f for f in reads.fills(app.engine) if not f.fill.order_id.startswith("by-hand-")]), "I2"
    _protected(app, books)
    found = verify(app.engine, code=__version__)
    assert found.sound, ("I6", found.broken, [str(each) for each in found.differences][:5])


def _protected(app: App, books: dict[str, Any]) -> None:
    """I4: what may be sold rests on one stop, at the exchange too; nothing rests for what is not held. Where the desk
    watches the stops, no price is at the stop of what is still held.
    """
    book = app.log.refresh()
    venue = app.venue
    assert isinstance(venue, CcxtVenue)
    resting = {o["clientOrderId"]: o for o in books["orders"] if o["status"] in ("NEW", "PARTIALLY_FILLED")}
    ours = {name for name in resting if not name.startswith(BY_HAND)}
    assert ours == {venue.names.out(order.order_id) for order in book.live()}, "the book and the exchange's open orders"
    assert beyond(app) == {}, "I4"
    for symbol, position in book.positions.items():
        instrument = app.market.instrument(symbol)
        unsold = free_size(book, symbol, instrument)
        stops = [order for order in book.live(symbol) if order.role is Role.STOP]
        price = position.levels.stop_price or position.entry
        if unsold and venue.rests.stops and not position.dust and instrument.sellable(unsold, price):
            assert [order.open_size for order in stops] == [unsold], f"I4: {symbol} {position.levels} {stops}"
            there = resting[venue.names.out(stops[0].order_id)]
            left = D(there["origQty"]) - D(there["executedQty"])
            assert (left, D(there["stopPrice"])) == (unsold, stops[0].trigger_price), "I4"
        else:
            assert stops == [], f"I4: {symbol} {stops}"


def beyond(app: App) -> dict[str, str]:
    """Positions that the desk watches, whose price is at their stop, and that nobody sells."""
    book, found = app.log.refresh(), {}
    for symbol in book.with_stops if book.stops_watched else ():
        instrument, level = app.market.instrument(symbol), book.positions[symbol].levels.stop_price
        unsold, bid = free_size(book, symbol, instrument), app.market.quote(symbol).bid
        if level is not None and bid <= level and instrument.sellable(unsold, bid):
            found[symbol] = f"{unsold:f} at {bid}, its stop is {level}"
    return found


def _journaled(app: App) -> set[str]:
    """Every id that passed the rules and was written down, as the exchange would call it."""
    venue = app.venue
    assert isinstance(venue, CcxtVenue)
    events = [event for event in history.events(app.engine, (OrderPending,)) if isinstance(event, OrderPending)]
    assert all(event.passed for event in events), "I5: an order was written that no rule had passed"
    return {venue.names.out(event.order.order_id) for event in events}


def _hand(trade: dict[str, Any], books: dict[str, Any]) -> bool:
    of = {order["orderId"]: order["clientOrderId"] for order in books["orders"]}
    return of[trade["orderId"]].startswith(BY_HAND)
