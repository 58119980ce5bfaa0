"""Transactions: every fill as a row of CSV, safe to open in a spreadsheet."""

import csv
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, TextIO

from trade_mcp.office.plain import moment, number
from trade_mcp.store.log import Log
from trade_mcp.store.reads import Traded, fills

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
FORMULA = "=+-@"
CONTROL = frozenset(map(chr, range(32)))
BLANK = " " + "".join(sorted(CONTROL))


def transactions(ledger: Log) -> list[Traded]:
    """Every fill of ``ledger`` with what it was for and what it realised, oldest first."""
    return fills(ledger.engine, until=ledger.refresh().seq)


def trades_csv(traded: Iterable[Traded], out: TextIO) -> int:
    """Write a header and one row for each of ``traded`` to ``out``; how many rows.

    Open ``out`` with ``newline=""``. Times are UTC, numbers exact; ``realised`` is before fees, in the quote currency.
    Text that a spreadsheet would take for a formula is preceded by an apostrophe.
    """
    rows = csv.writer(out)
    rows.writerow(COLUMNS)
    count = 0
    for one in traded:
        fill = one.fill
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
            one.source.value,
            one.strategy,
            one.role.value,
            one.realised,
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
    begins = text.lstrip(BLANK)[:1]
    return f"'{text}" if text[:1] in CONTROL or (begins and begins in FORMULA) else text
