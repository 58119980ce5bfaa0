"""Projections: the rows an event changes in the tables people query, written in the event's own transaction."""

import sqlite3
from decimal import Decimal

from trade_mcp.domain import events as e
from trade_mcp.domain.approvals import OrderProposal
from trade_mcp.domain.book import Book
from trade_mcp.domain.order import Order
from trade_mcp.domain.position import Position
from trade_mcp.store.text import as_json, exact, when, whenever

# Tables that `rebuild` makes anew, each with the key of its rows.
PROJECTIONS = {
    "orders": "order_id",
    "fills": "seq",
    "positions": "symbol",
    "equity": "seq",
    "proposals": "proposal_id",
}

ORDER = (
    "order_id, placed, seq, at, symbol, side, type, role, source, strategy, status, size, filled, cost, limit_price,"
    " trigger_price, parent, revision, reason, note, payload"
)
CHANGING = "seq, status, size, filled, cost, limit_price, trigger_price, note, payload"
FILL = (
    "seq, account, symbol, trade_id, order_id, entry_id, at, side, size, price, fee, fee_currency, fee_quote, maker,"
    " realised, source, role, strategy"
)
POSITION = "symbol, seq, size, entry, cost, realised, fees, owner, strategy, entry_id, opened_at, stop, target, dust"
EQUITY = "seq, at, equity, cash, exposure, heat, marks"
PROPOSAL = (
    "proposal_id, placed, seq, order_id, at, symbol, source, strategy, size, price, notional, status, expires_at,"
    " decided_at, decided_by, note, payload"
)
WAITING = "waiting"


def insert(table: str, columns: str) -> str:
    """An INSERT of positional values.

    >>> insert("equity", "seq, at")
    'INSERT INTO equity (seq, at) VALUES (?, ?)'
    """
    return f"INSERT INTO {table} ({columns}) VALUES ({', '.join('?' * len(columns.split(',')))})"


def upsert(table: str, columns: str, *, key: str, changing: str) -> str:
    """An INSERT that changes the columns ``changing`` of a row that is there."""
    sets = ", ".join(f"{name} = excluded.{name}" for name in changing.split(", "))
    return f"{insert(table, columns)} ON CONFLICT ({key}) DO UPDATE SET {sets}"


KEEP_ORDER = upsert("orders", ORDER, key="order_id", changing=CHANGING)
ADD_FILL = insert("fills", FILL)
KEEP_POSITION = upsert("positions", POSITION, key="symbol", changing=POSITION.removeprefix("symbol, "))
DROP_POSITION = "DELETE FROM positions WHERE symbol = ?"
ADD_EQUITY = insert("equity", EQUITY)
ADD_PROPOSAL = insert("proposals", PROPOSAL)
DECIDE_PROPOSAL = (
    "UPDATE proposals SET seq = ?, status = ?, decided_at = ?, decided_by = ?, note = ? WHERE proposal_id = ?"
)


class Before:
    """What a fill's row needs of the book before it."""

    __slots__ = ("entry_id", "realised")

    def __init__(self, book: Book, event: e.Event):
        self.realised = book.realised
        self.entry_id = book.position(event.fill.symbol).entry_id if isinstance(event, e.Filled) else ""


def project(cursor: sqlite3.Cursor, seq: int, event: e.Event, *, before: Before, book: Book) -> None:
    """Write the rows that ``event`` at ``seq`` changes; ``book`` is folded already."""
    match event:
        case e.Filled(order=order, fill=fill):
            _order(cursor, seq, order)
            position = book.positions.get(fill.symbol)
            entry_id = position.entry_id if position is not None else before.entry_id
            _fill(cursor, seq, event, book.account, entry_id, book.realised - before.realised)
            _position(cursor, seq, fill.symbol, position)
        case e.OrderEvent(order=order):
            _order(cursor, seq, order)
        case (
            e.ExitsChanged(symbol=symbol)
            | e.PeakRaised(symbol=symbol)
            | e.OwnerChanged(symbol=symbol)
            | e.DustBooked(symbol=symbol)
        ):
            _position(cursor, seq, symbol, book.positions.get(symbol))
        case e.EquityMarked():
            marks = as_json(event.marks)
            money = (event.equity, event.cash, event.exposure, event.heat)
            cursor.execute(ADD_EQUITY, (seq, when(event.at), *map(str, money), marks))
        case e.ProposalMade(proposal=proposal):
            _proposal(cursor, seq, proposal)
        case e.ProposalDecided():
            decided = (event.answer, when(event.real_at), event.by, event.reason)
            cursor.execute(DECIDE_PROPOSAL, (seq, *decided, event.proposal_id))


def _order(cursor: sqlite3.Cursor, seq: int, order: Order) -> None:
    cursor.execute(
        KEEP_ORDER,
        (
            order.order_id,
            seq,
            seq,
            when(order.at),
            order.symbol,
            order.side,
            order.type,
            order.role,
            order.source,
            order.strategy,
            order.status,
            str(order.size),
            str(order.filled),
            str(order.cost),
            exact(order.limit_price),
            exact(order.trigger_price),
            order.parent,
            order.revision,
            order.reason,
            order.note,
            as_json(order),
        ),
    )


def _fill(cursor: sqlite3.Cursor, seq: int, event: e.Filled, account: str, entry_id: str, realised: Decimal) -> None:
    order, fill = event.order, event.fill
    cursor.execute(
        ADD_FILL,
        (
            seq,
            account,
            fill.symbol,
            fill.trade_id,
            fill.order_id,
            entry_id,
            when(fill.at),
            fill.side,
            str(fill.size),
            str(fill.price),
            str(fill.fee),
            fill.fee_currency,
            str(fill.fee_quote),
            fill.maker,
            str(realised),
            order.source,
            order.role,
            order.strategy,
        ),
    )


def _proposal(cursor: sqlite3.Cursor, seq: int, proposal: OrderProposal) -> None:
    request = proposal.request
    money = (str(proposal.size), str(proposal.price), str(proposal.notional))
    cursor.execute(
        ADD_PROPOSAL,
        (
            proposal.proposal_id,
            seq,
            seq,
            request.order_id,
            when(proposal.at),
            request.symbol,
            proposal.source,
            request.strategy,
            *money,
            WAITING,
            when(proposal.expires_at),
            None,
            "",
            "",
            as_json(proposal),
        ),
    )


def _position(cursor: sqlite3.Cursor, seq: int, symbol: str, position: Position | None) -> None:
    if position is None:
        cursor.execute(DROP_POSITION, (symbol,))
        return
    cursor.execute(
        KEEP_POSITION,
        (
            symbol,
            seq,
            str(position.size),
            str(position.entry),
            str(position.cost),
            str(position.realised),
            str(position.fees),
            position.owner,
            position.strategy,
            position.entry_id,
            whenever(position.opened_at),
            exact(position.levels.stop_price),
            exact(position.levels.target),
            position.dust,
        ),
    )
