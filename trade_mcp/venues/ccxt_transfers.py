"""Transfers: deposits and withdrawals of the account since a cursor, so that they are no break and no profit.

A transfer is dated when it was asked for and counts when it is done, which may be days later: each look goes back so
far, and the cursor holds what was told already.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct

from trade_mcp.domain.instrument import ZERO
from trade_mcp.ports import Transfer
from trade_mcp.venues.ccxt_reports import exact, moment
from trade_mcp.venues.exchange import Exchange
from trade_mcp.venues.exchange_budget import Purpose

BACK_MS = 7 * 86_400_000  # the longest that a transfer takes
SIGNS: Mapping[str, int] = {"fetch_deposits": 1, "fetch_withdrawals": -1}


class Told(Struct, frozen=True):
    """Which transfers of the last days were told."""

    ids: tuple[str, ...]


def tells(exchange: Exchange) -> bool:
    """Whether the exchange can be asked. Testnets cannot: there is no money to move."""
    has = exchange.reads.has
    return bool(has.get("fetchDeposits") and has.get("fetchWithdrawals")) and not exchange.sandbox


def since(exchange: Exchange, cursor: str) -> tuple[Sequence[Transfer], str]:
    """The transfers done since ``cursor`` ("": none, from now on) and the next cursor."""
    told = msgspec.json.decode(cursor, type=Told).ids if cursor else None
    begin = exchange.now_ms() - BACK_MS
    found: list[Transfer] = []
    for method, sign in SIGNS.items():
        rows = exchange.call(Purpose.ACCOUNT, method, None, begin, doing="asking for transfers")
        found += [_transfer(row, sign) for row in rows if row.get("status") == "ok"]
    after = msgspec.json.encode(Told(tuple(sorted(each.transfer_id for each in found)))).decode()
    return [each for each in found if told is not None and each.transfer_id not in told], after


def _transfer(row: Mapping[str, Any], sign: int) -> Transfer:
    amount = exact(row["amount"]) or ZERO
    fee = row.get("fee") or {}
    if sign < 0 and fee.get("currency") == row["currency"]:
        amount += exact(fee.get("cost")) or Decimal(0)
    at = moment(row.get("timestamp"))
    assert at is not None, "ccxt dates every transfer"
    kind = "in" if sign > 0 else "out"
    return Transfer(f"{kind}-{row.get('id') or row.get('txid')}", row["currency"], sign * amount, at)
