"""Transactions: every fill as a row of CSV, safe to open in a spreadsheet."""

import csv
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, TextIO

from trade_mcp.office.plain import moment, number
from trade_mcp.quant.performance import MONEY, Booked, replay
from trade_mcp.store import history
from trade_mcp.store.log import Log

COLUMNS = (
    "time",
    "order_id",
    "trade_id",
    "symbol",
    "side",
    "size",
    "price",
    "fee",
    "fee_currency",
    "fee_quote",
    "source",
    "strategy",
    "role",
    "realised",
)


def transactions(ledger: Log) -> list[Booked]:
    """Every fill of the ledger with what it realised, oldest first."""
    book = ledger.refresh()
    _, fills = replay(history.events(ledger.engine, MONEY, until=book.seq), book.quote)
    return fills


def trades_csv(fills: Iterable[Booked], out: TextIO) -> int:
    """Write a header and one row for each of ``fills`` to ``out``; how many rows.

    Open ``out`` with ``newline=""``. Times are UTC, numbers exact; ``realised`` is before fees, in the quote currency.
    Text that a spreadsheet would take for a formula is preceded by an apostrophe.
    """
    rows = csv.writer(out)
    rows.writerow(COLUMNS)
    count = 0
    for booked in fills:
        fill, order = booked.fill, booked.order
        row = (
            fill.at,
            fill.order_id,
            fill.trade_id,
            fill.symbol,
            fill.side.value,
            fill.size,
            fill.price,
            fill.fee,
            fill.fee_currency,
            fill.fee_quote,
            order.source.value,
            order.strategy,
            order.role.value,
            booked.realised,
        )
        rows.writerow([cell(value) for value in row])
        count += 1
    return count


def cell(value: Any) -> str:
    """One cell as text. Only text can be a formula: a negative number stays a number.

    >>> cell("=1+1"), cell(Decimal("-1.50"))
    ("'=1+1", '-1.5')
    """
    if isinstance(value, Decimal):
        return number(value)
    if isinstance(value, datetime):
        return moment(value)
    text = str(value)
    return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@")) or text.startswith(("\t", "\r", "\n")) else text
