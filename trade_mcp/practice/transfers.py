"""Transfers: the endpoints that tell of money that came into an account and left it."""

from decimal import Decimal
from typing import Any

from trade_mcp.practice.context import Call
from trade_mcp.quant.candles import at_ms

CREDITED, COMPLETED = 1, 6  # the status of a deposit, of a withdrawal


def deposits(call: Call) -> list[dict[str, Any]]:
    found = [row for row in _asked(call) if row[2] > 0]
    return [_row(*row) | {"status": CREDITED, "insertTime": row[3]} for row in found]


def withdrawals(call: Call) -> list[dict[str, Any]]:
    found = [row for row in _asked(call) if row[2] < 0]
    return [
        _row(*row) | {"status": COMPLETED, "applyTime": f"{at_ms(row[3]):%Y-%m-%d %H:%M:%S}", "transactionFee": "0"}
        for row in found
    ]


def _asked(call: Call) -> list[tuple[int, str, Decimal, int]]:
    """The transfers in the span that was asked for, newest first."""
    coin, offset = call.params.text("coin"), call.params.integer("offset") or 0
    limit = call.params.count("limit", 1000, 1000)
    start, end = call.params.integer("startTime"), call.params.integer("endTime")
    call.params.end()
    found = call.exchange.books.transfers(call.account, start=start, end=end)
    return [row for row in found if coin in (None, row[1])][offset : offset + limit]


def _row(number: int, asset: str, amount: Decimal, _: int) -> dict[str, Any]:
    return {
        "id": str(number),
        "amount": f"{abs(amount):f}",
        "coin": asset,
        "network": asset,
        "address": "practice",
        "addressTag": "",
        "txId": f"practice-{number}",
        "transferType": 0,
    }
