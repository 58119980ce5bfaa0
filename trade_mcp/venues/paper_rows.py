"""Rows of a paper account: orders, fills and totals in and out of one transaction.

What a transaction changed in orders gets one change number, which grows with the commits.
"""

import sqlite3
from datetime import datetime
from decimal import Decimal

import msgspec
from msgspec import Struct

from trade_mcp.domain.instrument import ZERO
from trade_mcp.domain.matching import Resting
from trade_mcp.domain.order import Fill, Order, Report, Side, Status

ROW = "number, content, placed_at, lock_price, status, remaining, activated, peak, reason"
FILL = "number, order_id, symbol, side, size, price, fee, fee_currency, fee_quote, at, maker"

_encode = msgspec.json.Encoder(decimal_format="string").encode
_decode = msgspec.json.Decoder(Order).decode


class Held(Struct, frozen=True, gc=False):
    """One order as the account holds it. ``lock_price``: what each base unit of a buy locks of the quote currency."""

    number: int
    resting: Resting
    lock_price: Decimal
    status: Status = Status.WORKING
    reason: str = ""

    @property
    def order(self) -> Order:
        return self.resting.order

    @property
    def group(self) -> str:
        return self.order.group or self.order.order_id


def working(db: sqlite3.Connection) -> list[Held]:
    """Every order at rest, in the order they were placed."""
    return [_held(row) for row in db.execute(f"SELECT {ROW} FROM orders WHERE status = 'working' ORDER BY number")]


def held(db: sqlite3.Connection, order_id: str) -> Held | None:
    row = db.execute(f"SELECT {ROW} FROM orders WHERE order_id = ?", (order_id,)).fetchone()
    return _held(row) if row else None


def changed_since(db: sqlite3.Connection, change: int) -> list[Held]:
    return [_held(row) for row in db.execute(f"SELECT {ROW} FROM orders WHERE changed > ? ORDER BY number", (change,))]


def progress(db: sqlite3.Connection) -> tuple[datetime, int]:
    """Market time up to which every bar was matched, and the number of the last change."""
    until, changes = db.execute("SELECT matched_until, changes FROM account").fetchone()
    return datetime.fromisoformat(until), changes


def totals(db: sqlite3.Connection) -> dict[str, Decimal]:
    """What the account owns, by currency, locked or not."""
    return {currency: Decimal(total) for currency, total in db.execute("SELECT currency, total FROM balances")}


def taken(db: sqlite3.Connection, symbol: str, slot: datetime) -> Decimal:
    """Base units filled in the bar that opened at ``slot``."""
    rows = db.execute("SELECT size FROM fills WHERE symbol = ? AND slot = ?", (symbol, slot.isoformat()))
    return sum((Decimal(size) for (size,) in rows), ZERO)


def report(db: sqlite3.Connection, row: Held) -> Report:
    """The order as the world sees it, with every fill."""
    order = row.order
    fills = db.execute(f"SELECT {FILL} FROM fills WHERE order_id = ? ORDER BY number", (order.order_id,))
    return Report(
        order_id=order.order_id,
        venue_id=str(row.number),
        status=row.status,
        filled=order.size - row.resting.remaining,
        fills=tuple(_fill(fill) for fill in fills),
        reason=row.reason,
        symbol=order.symbol,
        side=order.side,
        type=order.type,
        size=order.size,
        trigger_price=order.trigger_price,
        limit_price=order.limit_price,
    )


def add_order(db: sqlite3.Connection, resting: Resting, lock_price: Decimal) -> Held:
    order = resting.order
    cursor = db.execute(
        "INSERT INTO orders"
        " (order_id, symbol, content, placed_at, lock_price, status, remaining, activated, reason, changed)"
        " VALUES (?, ?, ?, ?, ?, 'working', ?, 0, '', 0)",
        (
            order.order_id,
            order.symbol,
            _encode(order).decode(),
            resting.placed_at.isoformat(),
            str(lock_price),
            str(resting.remaining),
        ),
    )
    assert cursor.lastrowid is not None
    return Held(cursor.lastrowid, resting, lock_price)


def save_order(db: sqlite3.Connection, row: Held, change: int) -> None:
    resting = row.resting
    peak = None if resting.peak is None else str(resting.peak)
    db.execute(
        "UPDATE orders SET status = ?, remaining = ?, activated = ?, peak = ?, reason = ?, changed = ?"
        " WHERE number = ?",
        (row.status, str(resting.remaining), resting.activated, peak, row.reason, change, row.number),
    )


def save_progress(db: sqlite3.Connection, matched_until: datetime, changes: int) -> None:
    db.execute("UPDATE account SET matched_until = ?, changes = ?", (matched_until.isoformat(), changes))


def save_total(db: sqlite3.Connection, currency: str, total: Decimal) -> None:
    db.execute(
        "INSERT INTO balances VALUES (?, ?) ON CONFLICT (currency) DO UPDATE SET total = excluded.total",
        (currency, str(total)),
    )


def add_fill(db: sqlite3.Connection, fill: Fill, slot: datetime) -> None:
    """Write a fill; the account gives it its trade id."""
    db.execute(
        "INSERT INTO fills (order_id, symbol, side, size, price, fee, fee_currency, fee_quote, at, maker, slot)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            fill.order_id,
            fill.symbol,
            fill.side,
            str(fill.size),
            str(fill.price),
            str(fill.fee),
            fill.fee_currency,
            str(fill.fee_quote),
            fill.at.isoformat(),
            fill.maker,
            slot.isoformat(),
        ),
    )


def _held(row: tuple) -> Held:
    number, content, placed_at, lock_price, status, remaining, activated, peak, reason = row
    resting = Resting(
        order=_decode(content),
        placed_at=datetime.fromisoformat(placed_at),
        remaining=Decimal(remaining),
        activated=bool(activated),
        peak=None if peak is None else Decimal(peak),
    )
    return Held(number, resting, Decimal(lock_price), Status(status), reason)


def _fill(row: tuple) -> Fill:
    number, order_id, symbol, side, size, price, fee, fee_currency, fee_quote, at, maker = row
    return Fill(
        trade_id=str(number),
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
