"""Events: what a user stream says, in Binance's letters (User Data Stream, spot)."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from trade_mcp.domain.instrument import ZERO
from trade_mcp.practice.listing import Listing
from trade_mcp.practice.records import Fill, OrderList
from trade_mcp.practice.ticket import Stage, State, Ticket


def said(number: Decimal | None) -> str:
    """A number as Binance writes it: eight decimals.

    >>> said(Decimal("0.5"))
    '0.50000000'
    """
    return f"{number or ZERO:.8f}"


def execution(
    ticket: Ticket, id_: str, what: str, at_ms: int, *, fill: Fill | None = None, cancel_id: str = ""
) -> dict[str, Any]:
    """executionReport: ``what`` is NEW, TRADE, CANCELED or EXPIRED."""
    spec = ticket.spec
    event = {
        "e": "executionReport",
        "E": at_ms,
        "s": id_,
        "c": cancel_id or spec.client_id,
        "S": spec.side.name,
        "o": spec.kind.value,
        "f": (spec.tif.value if spec.tif else "GTC"),
        "q": said(spec.quantity),
        "p": said(spec.price),
        "P": said(spec.stop_price),
        "F": said(spec.iceberg),
        "g": ticket.list_id,
        "C": spec.client_id if cancel_id else "",
        "x": what,
        "X": ticket.state.value,
        "r": "NONE",
        "i": ticket.number,
        "l": said(fill.size if fill else None),
        "z": said(ticket.executed),
        "L": said(fill.price if fill else None),
        "n": said(fill.fee) if fill else "0",
        "N": fill.fee_asset if fill else None,
        "T": ticket.updated_ms,
        "t": fill.number if fill else -1,
        "I": 2 * ticket.number + (fill.number if fill else 0),
        "w": on_book(ticket),
        "m": fill.maker if fill else False,
        "M": fill is not None,
        "O": ticket.created_ms,
        "Z": said(ticket.spent),
        "Y": said(fill.quote if fill else None),
        "Q": said(spec.quote_quantity),
        "V": spec.stp,
    }
    if ticket.working_ms >= 0:
        event["W"] = ticket.working_ms
    if spec.delta is not None:
        event["d"] = spec.delta
    return event


def on_book(ticket: Ticket) -> bool:
    """Whether it works: not waiting for a trigger or for another order, nor ended."""
    return ticket.open and ticket.state is not State.PENDING_NEW and (ticket.stage is Stage.WORK or ticket.activated)


def position(balances: Mapping[str, tuple[Decimal, Decimal]], at_ms: int) -> dict[str, Any]:
    """outboundAccountPosition of the assets that may have changed."""
    assets = [{"a": asset, "f": said(free), "l": said(locked)} for asset, (free, locked) in balances.items()]
    return {"e": "outboundAccountPosition", "E": at_ms, "u": at_ms, "B": assets}


def balance_update(asset: str, amount: Decimal, at_ms: int) -> dict[str, Any]:
    """balanceUpdate: money came or went without a trade."""
    return {"e": "balanceUpdate", "E": at_ms, "a": asset, "d": said(amount), "T": at_ms}


def list_status(order_list: OrderList, tickets: Sequence[Ticket], listing: Listing, at_ms: int) -> dict[str, Any]:
    id_ = listing.by_symbol[order_list.symbol].id
    return {
        "e": "listStatus",
        "E": at_ms,
        "s": id_,
        "g": order_list.number,
        "c": order_list.contingency,
        "l": "EXEC_STARTED" if order_list.live else "ALL_DONE",
        "L": "EXECUTING" if order_list.live else "ALL_DONE",
        "r": "NONE",
        "C": order_list.client_id,
        "T": at_ms,
        "O": [{"s": id_, "i": ticket.number, "c": ticket.spec.client_id} for ticket in tickets],
    }
