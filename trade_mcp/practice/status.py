"""Status: what is in the books and at work, for the operator; never for a client of the exchange."""

from decimal import Decimal
from typing import Any

from msgspec import structs

from trade_mcp.domain.instrument import ZERO
from trade_mcp.practice import views
from trade_mcp.practice.service import Practice
from trade_mcp.quant.candles import at_ms

type Amounts = dict[str, dict[str, Decimal]]


def status(practice: Practice) -> dict[str, Any]:
    """Accounts with balances and open orders, market time, faults, and whether the money adds up."""
    exchange, books = practice.exchange, practice.exchange.books
    sums, found = books.sums(), audit(practice)
    accounts = {
        name: {
            "uid": uid,
            "balances": {
                asset: {"free": str(free), "locked": str(locked)}
                for asset, (free, locked) in exchange.balances(name).items()
            },
            "open_orders": [views.order(ticket, exchange.listing) for ticket in exchange.open_orders(name)],
            "deposited": {asset: str(amount) for asset, amount in sums["transfers"].get(name, {}).items()},
        }
        for name, uid in practice.context.uids.items()
    }
    time = exchange.time
    market = time.market()
    return {
        "market": {
            "feed": exchange.market.feed.identity,
            "synthetic": exchange.market.feed.synthetic,
            "symbols": list(exchange.listing.pairs),
            "at": market,
            "shown_as": at_ms(time.shown_ms(market)),
            "speed": time.anchor.speed,
            "ended": time.ended,
        },
        "accounts": accounts,
        "orders": sums["orders"],
        "fills": sums["fills"],
        "balanced": not found,
        "differences": {name: {asset: str(off) for asset, off in of.items()} for name, of in found.items()},
        "faults": [
            {"number": rule.number, "met": rule.met, "struck": rule.struck, **structs.asdict(rule.fault)}
            for rule in practice.faults.rules.values()
        ],
    }


def orders_and_fills(practice: Practice, account: str) -> dict[str, Any]:
    """Every order and trade of an account, oldest first, in the words of the REST API."""
    orders, fills = practice.exchange.books.all_of(account)
    listing = practice.exchange.listing
    return {
        "orders": [views.order(ticket, listing) for ticket in orders],
        "trades": [views.trade(fill, listing) for fill in fills],
    }


def audit(practice: Practice) -> Amounts:
    """What an account owns beyond its transfers and trades; nothing, if the books are right."""
    books, instruments = practice.exchange.books, practice.exchange.market.instruments
    off: Amounts = {}
    for name, transfers in books.sums()["transfers"].items():
        expected = dict(transfers)
        for fill in books.all_of(name)[1]:
            pair, sign = instruments[fill.symbol], 1 if fill.buys else -1
            for asset, amount in ((pair.base, sign * fill.size), (pair.quote, -sign * fill.quote)):
                expected[asset] = expected.get(asset, ZERO) + amount
            expected[fill.fee_asset] -= fill.fee
        owned = books.totals.get(name, {})
        wrong = {asset: owned.get(asset, ZERO) - expected.get(asset, ZERO) for asset in owned.keys() | expected.keys()}
        if wrong := {asset: amount for asset, amount in wrong.items() if amount}:
            off[name] = wrong
    return off
