"""Transfers: deposits and withdrawals of the account since a cursor, so that they are no break and no profit.

A transfer is dated when it was asked for and counts when it is done, which may be days later: each look goes back so
far, and the cursor holds what was told already.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct

from trade_mcp.domain.errors import OddAnswer
from trade_mcp.domain.instrument import ZERO
from trade_mcp.ports import Transfer
from trade_mcp.venues import ccxt_lists
from trade_mcp.venues.capabilities import Listing
from trade_mcp.venues.ccxt_reports import exact, moment
from trade_mcp.venues.exchange import Exchange
from trade_mcp.venues.exchange_budget import Purpose

BACK_MS = 7 * 86_400_000  # the longest that a transfer takes
SIGNS: Mapping[str, int] = {"fetch_deposits": 1, "fetch_withdrawals": -1}
DOING = "asking for transfers"
BILLS = Listing(  # of OKX
    endpoint="private_get_account_bills",
    rows="data",
    parse="parse_ledger_entry",
    since="begin",
    millis=True,
    limit=100,
    turn="after",
    after="billId",
    given={"type": "1"},  # transfers
)
MOST_PAGES = 100
KRAKENS = 25  # deposits, or withdrawals, in one answer of Kraken
BYBITS_LOG = Listing(
    endpoint="private_get_v5_account_transaction_log",
    rows="result.list",
    parse="parse_ledger_entry",
    since="startTime",
    millis=True,
    span_ms=BACK_MS,
    limit=50,
    cursor="result.nextPageCursor",
    given={"accountType": "UNIFIED"},
)


class Told(Struct, frozen=True):
    """Which transfers of the last days were told."""

    ids: tuple[str, ...]


def tells(exchange: Exchange) -> bool:
    """Whether the exchange can be asked. Testnets cannot: there is no money to move."""
    has = exchange.reads.has
    return bool(has.get("fetchDeposits") and has.get("fetchWithdrawals")) and not exchange.sandbox


def since(exchange: Exchange, cursor: str, symbols: Sequence[str]) -> tuple[Sequence[Transfer], str]:
    """The transfers done since ``cursor`` ("": none, from now on) and the next cursor. ``symbols`` are the desk's: what
    an exchange tells by currency is asked for theirs.
    """
    told = msgspec.json.decode(cursor, type=Told).ids if cursor else None
    currencies = {currency for symbol in symbols for currency in symbol.split("/")}
    found = list(ROADS.get(exchange.name, _unified)(exchange, exchange.now_ms() - BACK_MS, currencies))
    after = msgspec.json.encode(Told(tuple(sorted(each.transfer_id for each in found)))).decode()
    return [each for each in found if told is not None and each.transfer_id not in told], after


def _unified(exchange: Exchange, begin: int, _: set[str]) -> Iterator[Transfer]:
    for method, sign in SIGNS.items():
        rows = exchange.call(Purpose.ACCOUNT, method, None, begin, doing=DOING)
        yield from (_transfer(row, sign) for row in rows if row.get("status") == "ok")


def _transfer(row: Mapping[str, Any], sign: int) -> Transfer:
    amount = exact(row["amount"]) or ZERO
    fee = row.get("fee") or {}
    if sign < 0 and fee.get("currency") == row["currency"]:
        amount += exact(fee.get("cost")) or Decimal(0)
    at = moment(row.get("timestamp"))
    assert at is not None, "ccxt dates every transfer"
    kind = "in" if sign > 0 else "out"
    return Transfer(f"{kind}-{row.get('id') or row.get('txid')}", row["currency"], sign * amount, at)


def _coinbase(exchange: Exchange, begin: int, currencies: set[str]) -> Iterator[Transfer]:
    """Whatever moved a wallet and was no trade, with the fees in the amounts. What ccxt asks for as deposits are those
    of banks alone.
    """
    wallets = exchange.call(Purpose.ACCOUNT, "fetch_balance", doing=DOING)["info"]["accounts"]
    for wallet in wallets:
        if wallet["currency"] in currencies:
            for row in _moves(exchange, wallet["uuid"], begin):
                if row["status"] == "completed" and row["type"] != "advanced_trade_fill":
                    at = moment(exchange.reads.parse8601(row["created_at"]))
                    assert at is not None, "every move has its time"
                    amount = exact(row["amount"]["amount"]) or ZERO
                    yield Transfer(row["id"], row["amount"]["currency"], amount, at)


def _moves(exchange: Exchange, wallet: str, begin: int) -> Iterator[Mapping[str, Any]]:
    """Everything that moved a wallet since ``begin`` (ms), newest first, page by page."""
    params = {"account_id": wallet, "limit": 100}
    for _ in range(MOST_PAGES):
        answer = exchange.call(Purpose.ACCOUNT, "v2_private_get_accounts_account_id_transactions", params, doing=DOING)
        for row in answer["data"]:
            if exchange.reads.parse8601(row["created_at"]) < begin:
                return
            yield row
        after = (answer.get("pagination") or {}).get("next_starting_after")
        if not after:
            return
        params = params | {"starting_after": after}
    raise OddAnswer(f"{exchange.name} gave pages without an end when {DOING}", hint="it is asked again")


def _bybit(exchange: Exchange, begin: int, _: set[str]) -> Iterator[Transfer]:
    """What moved into the unified wallet and out of it. Deposits reach another one first, and may stay there."""
    for kind in ("TRANSFER_IN", "TRANSFER_OUT"):
        asked = ccxt_lists.Asked(since=begin, given={"type": kind})
        for row in ccxt_lists.whole(exchange, BYBITS_LOG, asked, purpose=Purpose.ACCOUNT, doing=DOING):
            said = row["info"]
            at = moment(said["transactionTime"])
            assert at is not None, "every row of the log has its time"
            yield Transfer(str(said["id"]), said["currency"], exact(said["change"]) or ZERO, at)


def _kraken(exchange: Exchange, begin: int, _: set[str]) -> Iterator[Transfer]:
    """The newest of a time, of which older ones are asked for while an answer is as long as they get."""
    for method, sign in SIGNS.items():
        told: dict[str, Mapping[str, Any]] = {}
        until: dict[str, Any] = {}
        while True:
            rows = exchange.call(Purpose.ACCOUNT, method, None, begin, None, until, doing=DOING)
            fresh = [row for row in rows if row["id"] not in told]
            told |= {row["id"]: row for row in fresh}
            if len(rows) < KRAKENS:
                break
            if not fresh:
                raise OddAnswer(f"{exchange.name} has more {method[6:]} of one moment than it tells")
            until = {"until": min(row["timestamp"] for row in rows)}
        yield from (_transfer(row, sign) for row in told.values() if row.get("status") == "ok")


def _okx(exchange: Exchange, begin: int, _: set[str]) -> Iterator[Transfer]:
    """What moved between the account that trades and its owner's others. Deposits arrive in one of those."""
    for row in ccxt_lists.whole(exchange, BILLS, ccxt_lists.Asked(since=begin), purpose=Purpose.ACCOUNT, doing=DOING):
        at = moment(row["timestamp"])
        assert at is not None, "every bill has its time"
        yield Transfer(f"bill-{row['id']}", row["currency"], exact(row["info"]["balChg"]) or ZERO, at)


ROADS: Mapping[str, Callable[[Exchange, int, set[str]], Iterator[Transfer]]] = {
    "bybit": _bybit,
    "coinbase": _coinbase,
    "kraken": _kraken,
    "okx": _okx,
}
