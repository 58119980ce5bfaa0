"""Reads: what the tables say of orders, fills and equity. One query each, of the engine or of one moment of it."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from trade_mcp.domain.errors import BadInput
from trade_mcp.domain.events import OrderRefused, decode
from trade_mcp.domain.order import LIVE, Fill, Order, Role, Side, Source, Status
from trade_mcp.quant.performance import Traded
from trade_mcp.store.engine import Reader
from trade_mcp.store.text import when

STATUSES = {
    **{status.value: frozenset({status}) for status in Status},
    "open": LIVE,
    "closed": frozenset(Status) - LIVE,
}

FILL = (
    "seq, trade_id, order_id, symbol, side, size, price, fee, fee_currency, fee_quote, at, maker,"
    " source, role, strategy, entry_id, realised"
)

_order = msgspec.json.Decoder(Order).decode


def order(reader: Reader, order_id: str) -> Order | None:
    """The order with this id."""
    found = reader.row("SELECT payload FROM orders WHERE order_id = ?", (order_id,))
    return None if found is None else _order(found[0])


def orders(
    reader: Reader, *, status: str | None = None, symbol: str | None = None, cursor: str = "", limit: int = 50
) -> tuple[list[Order], str]:
    """Orders, newest first, and the cursor of the next page ("" when there is none).

    ``status`` is one of Status, "open" or "closed"; None for all. Raises BadInput for an unknown status or cursor.
    """
    where, values = ["1"], list[Any]()
    if status is not None:
        if status not in STATUSES:
            raise BadInput(f"unknown order status {status!r}", hint=f"one of {', '.join(STATUSES)}")
        where.append(f"status IN ({_marks(STATUSES[status])})")
        values += sorted(STATUSES[status])
    if symbol is not None:
        where.append("symbol = ?")
        values.append(symbol)
    if cursor:
        where.append("placed < ?")
        values.append(_place(cursor))
    sql = f"SELECT placed, payload FROM orders WHERE {' AND '.join(where)} ORDER BY placed DESC LIMIT ?"
    rows = reader.rows(sql, (*values, limit + 1))
    page = [_order(payload) for _, payload in rows[:limit]]
    return page, str(rows[limit - 1][0]) if len(rows) > limit else ""


def refusals(
    reader: Reader, *, symbol: str | None = None, cursor: str = "", limit: int = 50
) -> tuple[list[OrderRefused], str]:
    """What the gate refused, newest first, and the cursor of the next page. Raises BadInput for an unknown cursor."""
    sql = (
        "SELECT seq, payload FROM events WHERE kind = 'order_refused' AND (? IS NULL OR seq < ?)"
        " AND (? IS NULL OR json_extract(payload, '$.request.symbol') = ?) ORDER BY seq DESC LIMIT ?"
    )
    before = _place(cursor) if cursor else None
    rows = reader.rows(sql, (before, before, symbol, symbol, limit + 1))
    page = [event for _, payload in rows[:limit] if isinstance(event := decode(payload), OrderRefused)]
    return page, str(rows[limit - 1][0]) if len(rows) > limit else ""


def order_ids(reader: Reader, *, limit: int = 5000) -> list[str]:
    """The ids of all live orders, however old, and of the newest others, whatever became of them."""
    sql = (
        f"SELECT order_id FROM orders WHERE status IN ({_marks(LIVE)})"
        " UNION SELECT order_id FROM (SELECT order_id FROM orders ORDER BY seq DESC LIMIT ?)"
    )
    return [order_id for (order_id,) in reader.rows(sql, (*sorted(LIVE), limit))]


def exits_of(reader: Reader, entry_id: str) -> list[Order]:
    """Every exit order an entry ever had, newest revision first."""
    sql = "SELECT payload FROM orders WHERE parent = ? ORDER BY revision DESC, placed"
    return [_order(payload) for (payload,) in reader.rows(sql, (entry_id,))]


def fills(reader: Reader, *, since: datetime | None = None, until: int | None = None) -> list[Traded]:
    """Fills in the order they were booked: from market time ``since`` on, up to event ``until``."""
    sql = f"SELECT {FILL} FROM fills WHERE (? IS NULL OR at >= ?) AND (? IS NULL OR seq <= ?) ORDER BY seq"
    start = None if since is None else when(since)
    return [_traded(*row) for row in reader.rows(sql, (start, start, until, until))]


def fills_of_trade(reader: Reader, order_id: str) -> list[Traded]:
    """Every fill of the trade that an order, or an exit of that order, filled in; [] while neither filled."""
    sql = (
        f"SELECT {FILL} FROM fills WHERE entry_id = (SELECT entry_id FROM fills JOIN orders USING (order_id)"
        " WHERE orders.order_id = ? OR orders.parent = ? ORDER BY fills.seq LIMIT 1) ORDER BY seq"
    )
    return [_traded(*row) for row in reader.rows(sql, (order_id, order_id))]


def fills_of_trades(reader: Reader, *, since: datetime, until: int, held: Iterable[str]) -> list[Traded]:
    """Every fill, up to event ``until``, of the trades that filled from market time ``since`` on, and of ``held``.

    ``held`` are ids of entries. Fills come in the order they were booked.
    """
    entries = tuple(held)
    sql = (
        f"SELECT {FILL} FROM fills WHERE seq <= ? AND (entry_id IN (SELECT entry_id FROM fills WHERE at >= ?)"
        f" OR entry_id IN ({_marks(entries)})) ORDER BY seq"
    )
    return [_traded(*row) for row in reader.rows(sql, (until, when(since), *entries))]


def _traded(
    seq: int,
    trade_id: str,
    order_id: str,
    symbol: str,
    side: str,
    size: str,
    price: str,
    fee: str,
    fee_currency: str,
    fee_quote: str,
    at: str,
    maker: int,
    source: str,
    role: str,
    strategy: str,
    entry_id: str,
    realised: str,
) -> Traded:
    fill = Fill(
        trade_id=trade_id,
        order_id=order_id,
        symbol=symbol,
        side=Side(side),
        size=Decimal(size),
        price=Decimal(price),
        fee=Decimal(fee),
        fee_currency=fee_currency,
        fee_quote=Decimal(fee_quote),
        at=datetime.fromisoformat(at),
        maker=bool(maker),
    )
    return Traded(seq, fill, Source(source), Role(role), strategy, entry_id, Decimal(realised))


def _place(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdigit()) or len(cursor) > 18:
        raise BadInput(f"{cursor!r} is not a cursor", hint="pass the cursor of the page before, or none")
    return int(cursor)


def _marks(values: Iterable[object]) -> str:
    return ", ".join("?" for _ in values)
