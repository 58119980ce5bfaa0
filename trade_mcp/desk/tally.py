"""Tally: book and account side by side: orders, stops, fills, fees, positions, balances. Changes nothing."""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct, structs

from trade_mcp.desk.compare import ours, shown, unlike
from trade_mcp.domain.book import Book
from trade_mcp.domain.instrument import ZERO
from trade_mcp.domain.order import Order, Report, Role, Status
from trade_mcp.ports import Venue
from trade_mcp.store import reads
from trade_mcp.store.log import Log

NONE = "none"


class Verdict(StrEnum):
    AGREES = "agrees"
    DIFFERS = "differs"
    EXTERNAL = "external"  # there, and not the desk's


class Line(Struct, frozen=True):
    """One thing as the book has it and as the venue has it."""

    what: str  # order, stop, fills, fees, position, balance
    name: str
    book: str
    venue: str
    verdict: Verdict
    note: str = ""


def tally(ledger: Log, venue: Venue) -> list[Line]:
    """Everything that can be compared now. Raises VenueUnreachable: what is not known is not called right."""
    resting = {report.order_id: report for report in venue.open_orders()}
    totals = {currency: balance.total for currency, balance in venue.balances().items()}
    book = ledger.refresh()
    return [
        *_orders(book, venue, resting),
        *(_foreign(ref, report) for ref, report in resting.items() if ledger.order(ref) is None),
        *_stops(book, resting, watched=not venue.rests.stops),
        *_fills(ledger, venue),
        *_holdings(book, totals),
    ]


def _line(what: str, name: str, book: str, venue: str, *, same: bool, note: str = "") -> Line:
    return Line(what, name, book, venue, Verdict.AGREES if same else Verdict.DIFFERS, note)


def _orders(book: Book, venue: Venue, resting: Mapping[str, Report]) -> list[Line]:
    lines = []
    for order in book.live():
        report = resting.get(order.order_id) or venue.order(order)
        theirs = NONE if report is None else f"{report.status} {shown(report.filled)}"
        wrong = ["unknown there"] if report is None else unlike(order, report)
        same = report is not None and report.status is Status.WORKING and report.filled == order.filled and not wrong
        lines.append(
            _line(
                "order",
                order.order_id,
                f"{order.status} {shown(order.filled)}",
                theirs,
                same=same,
                note=", ".join(wrong),
            )
        )
    return lines


def _foreign(ref: str, report: Report) -> Line:
    text = f"{report.side or ''} {'' if report.size is None else f'{shown(report.size)}'} {report.symbol}"
    return Line("order", ref, NONE, " ".join(text.split()), Verdict.EXTERNAL, "of another hand; not touched")


def _stops(book: Book, resting: Mapping[str, Report], *, watched: bool) -> list[Line]:
    lines = []
    for symbol, position in sorted(book.positions.items()):
        stop = position.levels.stop_price
        if position.dust or stop is None:
            continue
        there = [order for order in book.live(symbol) if order.role is Role.STOP and order.order_id in resting]
        said = " and ".join(
            f"{shown(order.open_size)} at {shown(order.trigger_price)}" for order in there if order.trigger_price
        )
        note = "watched by the desk" if watched else "" if there else "no stop rests at the venue"
        lines.append(
            _line(
                "stop",
                symbol,
                f"{shown(position.size)} at {shown(stop)}",
                said or NONE,
                same=len(there) == (0 if watched else 1),
                note=note,
            )
        )
    return lines


def _fills(ledger: Log, venue: Venue) -> list[Line]:
    """What the orders of open positions filled, and what that cost: each trade is there once, with its fee."""
    lines = []
    for symbol, position in sorted(ledger.book.positions.items()):
        booked = [one.fill for one in reads.fills_of_trade(ledger.engine, position.entry_id)]
        known = {order_id: ledger.order(order_id) for order_id in dict.fromkeys(fill.order_id for fill in booked)}
        there: dict[str, tuple[Decimal, Decimal, str]] = {}
        asked = {order_id for order_id, order in known.items() if order is not None and order.venue_id}
        for order_id in sorted(asked):
            report = venue.order(_as_new(known[order_id]))
            for fill in report.fills if report is not None else ():
                there[fill.trade_id] = (fill.size, fill.fee, fill.fee_currency)
        here = {fill.trade_id: (fill.size, fill.fee, fill.fee_currency) for fill in booked if fill.order_id in asked}
        sizes = [f"{len(of)} trades, {shown(sum((size for size, _, _ in of.values()), ZERO))}" for of in (here, there)]
        lines.append(
            _line(
                "fills", symbol, *sizes, same={k: v[0] for k, v in here.items()} == {k: v[0] for k, v in there.items()}
            )
        )
        lines.append(_line("fees", symbol, _fees(here), _fees(there), same=here == there))
    return lines


def _as_new(order: Order | None) -> Order:
    """``order`` as it was before its fills, so that the venue tells all of them."""
    assert order is not None
    return structs.replace(order, filled=ZERO, trades=())


def _fees(trades: Mapping[str, tuple[Decimal, Decimal, str]]) -> str:
    paid: dict[str, Decimal] = {}
    for _, fee, currency in trades.values():
        paid[currency] = paid.get(currency, ZERO) + fee
    return ", ".join(f"{shown(fee)} {currency}" for currency, fee in sorted(paid.items())) or NONE


def _holdings(book: Book, totals: Mapping[str, Decimal]) -> list[Line]:
    held = ours(book)
    bases = {symbol.partition("/")[0]: symbol for symbol in book.positions}
    lines = []
    for currency in sorted(held.keys() | totals.keys()):
        here, there = held.get(currency, ZERO), totals.get(currency, ZERO)
        external = book.external.get(currency, ZERO)
        what, name = ("position", bases[currency]) if currency in bases else ("balance", currency)
        note = f"{shown(external)} of it external" if external else ""
        if here == there == external and here:
            lines.append(Line(what, name, f"{shown(here)}", f"{shown(there)}", Verdict.EXTERNAL, "not the desk's"))
        elif here or there:
            lines.append(_line(what, name, f"{shown(here)}", f"{shown(there)}", same=here == there, note=note))
    return lines
