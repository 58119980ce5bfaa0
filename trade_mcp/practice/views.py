"""Views: orders, lists and trades as the REST and WebSocket APIs answer them."""

from collections.abc import Sequence
from typing import Any

from trade_mcp.practice.books import Books
from trade_mcp.practice.events import on_book, said
from trade_mcp.practice.listing import Listing
from trade_mcp.practice.records import Fill, OrderList
from trade_mcp.practice.ticket import Ticket


def order(ticket: Ticket, listing: Listing) -> dict[str, Any]:
    """What GET order answers."""
    shown = _head(ticket, listing) | {
        "icebergQty": said(ticket.spec.iceberg),
        "time": ticket.created_ms,
        "updateTime": ticket.updated_ms,
        "isWorking": on_book(ticket) or ticket.executed > 0,
        "workingTime": ticket.working_ms,
        "origQuoteOrderQty": said(ticket.spec.quote_quantity),
    }
    return {"stopPrice": said(ticket.spec.stop_price)} | shown


def placed(ticket: Ticket, fills: Sequence[Fill], listing: Listing, how: str) -> dict[str, Any]:
    """What POST order answers: ``how`` is ACK, RESULT or FULL."""
    head = {
        "symbol": listing.by_symbol[ticket.spec.symbol].id,
        "orderId": ticket.number,
        "orderListId": ticket.list_id,
        "clientOrderId": ticket.spec.client_id,
        "transactTime": ticket.updated_ms,
    }
    if how == "ACK":
        return head
    shown = head | _head(ticket, listing) | {"workingTime": ticket.working_ms}
    shown["origQuoteOrderQty"] = said(ticket.spec.quote_quantity)
    if how == "FULL":
        shown["fills"] = [
            {
                "price": said(fill.price),
                "qty": said(fill.size),
                "commission": said(fill.fee),
                "commissionAsset": fill.fee_asset,
                "tradeId": fill.number,
            }
            for fill in fills
        ]
    return shown


def cancelled(ticket: Ticket, listing: Listing, cancel_id: str) -> dict[str, Any]:
    """What DELETE order answers: the client id is the cancel's own, the order's is ``origClientOrderId``."""
    shown = _head(ticket, listing) | {
        "origClientOrderId": ticket.spec.client_id,
        "clientOrderId": cancel_id,
        "transactTime": ticket.updated_ms,
        "origQuoteOrderQty": said(ticket.spec.quote_quantity),
    }
    return shown


def trade(fill: Fill, listing: Listing) -> dict[str, Any]:
    """A row of myTrades."""
    return {
        "symbol": listing.by_symbol[fill.symbol].id,
        "id": fill.number,
        "orderId": fill.order_number,
        "orderListId": fill.list_id,
        "price": said(fill.price),
        "qty": said(fill.size),
        "quoteQty": said(fill.quote),
        "commission": said(fill.fee),
        "commissionAsset": fill.fee_asset,
        "time": fill.at_ms,
        "isBuyer": fill.buys,
        "isMaker": fill.maker,
        "isBestMatch": True,
    }


def order_list(found: OrderList, books: Books, listing: Listing, *, reports: str = "") -> dict[str, Any]:
    """A list with its orders; ``reports`` ("ACK", "RESULT", "FULL" or "cancel") adds what became of each."""
    id_ = listing.by_symbol[found.symbol].id
    tickets = [books.by_number(number) for _, number in found.legs]
    shown: dict[str, Any] = {
        "orderListId": found.number,
        "contingencyType": found.contingency,
        "listStatusType": "EXEC_STARTED" if found.live else "ALL_DONE",
        "listOrderStatus": "EXECUTING" if found.live else "ALL_DONE",
        "listClientOrderId": found.client_id,
        "transactionTime": max(ticket.updated_ms for ticket in tickets),
        "symbol": id_,
        "orders": [{"symbol": id_, "orderId": t.number, "clientOrderId": t.spec.client_id} for t in tickets],
    }
    if reports == "cancel":
        shown["orderReports"] = [cancelled(ticket, listing, ticket.spec.client_id) for ticket in tickets]
    elif reports:
        shown["orderReports"] = [placed(t, books.fills_of(t.number), listing, reports) for t in tickets]
    return shown


def _head(ticket: Ticket, listing: Listing) -> dict[str, Any]:
    spec = ticket.spec
    shown: dict[str, Any] = {
        "symbol": listing.by_symbol[spec.symbol].id,
        "orderId": ticket.number,
        "orderListId": ticket.list_id,
        "clientOrderId": spec.client_id,
        "price": said(spec.price),
        "origQty": said(spec.quantity),
        "executedQty": said(ticket.executed),
        "cummulativeQuoteQty": said(ticket.spent),
        "status": ticket.state.value,
        "timeInForce": spec.tif.value if spec.tif else "GTC",
        "type": spec.kind.value,
        "side": spec.side.name,
        "selfTradePreventionMode": spec.stp,
    }
    if spec.stop_price is not None:
        shown["stopPrice"] = said(spec.stop_price)
    if spec.delta is not None:
        shown["trailingDelta"] = spec.delta
    return shown
