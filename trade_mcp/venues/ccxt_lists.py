"""Lists: orders and trades of an exchange that gives them in pages with a cursor, whole.

ccxt's own methods give one page, and leave out in silence what stands under another name of the same pair. So these
lists are asked for by their endpoint, page after page, and a row of another market is an answer that makes no sense.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from trade_mcp.domain.errors import OddAnswer
from trade_mcp.venues.capabilities import Listing
from trade_mcp.venues.exchange import Exchange
from trade_mcp.venues.exchange_budget import Purpose

MOST_PAGES = 1000
type Row = Mapping[str, Any]


class Asked(Struct, frozen=True, kw_only=True):
    """Which rows: of one market or of all, from a time (ms), with the list's own parameters."""

    symbol: str | None = None
    since: int | None = None
    given: Mapping[str, Any] = {}


def whole(exchange: Exchange, listing: Listing, asked: Asked, *, purpose: Purpose, doing: str) -> list[Row]:
    """Every row once, oldest first, as ccxt parses it: a row moves on to the next page when a new one comes."""
    found = pages(exchange, listing, asked, purpose=purpose, doing=doing)
    rows = {str(row["id"]): row for page in found for row in page}
    return sorted(rows.values(), key=lambda row: (row.get("timestamp") or 0, str(row["id"])))


def pages(exchange: Exchange, listing: Listing, asked: Asked, *, purpose: Purpose, doing: str) -> Iterator[list[Row]]:
    """Page by page, in the exchange's order. Raises OddAnswer for pages without an end."""
    client = exchange.reads
    params = {**listing.given, **asked.given, "limit": listing.limit}
    if asked.symbol is not None:
        params[listing.symbol] = [client.market(asked.symbol)["id"]]
    if asked.since is not None:
        params[listing.since] = client.iso8601(asked.since)
    parse = getattr(client, listing.parse)
    seen: set[str] = set()
    while len(seen) < MOST_PAGES:
        answer = exchange.call(purpose, listing.endpoint, params, doing=doing)
        page = [parse(row) for row in answer[listing.rows]]
        for row in page:
            if asked.symbol not in (None, row["symbol"]):
                raise OddAnswer(f"{exchange.name} answered with {row['symbol']} when {doing} in {asked.symbol}")
        yield page
        cursor = str(answer.get("cursor") or "")
        if not answer.get("has_next", cursor and page):
            return
        if not cursor or cursor in seen:
            break
        seen.add(cursor)
        params = {**params, "cursor": cursor}
    raise OddAnswer(f"{exchange.name} gave pages without an end when {doing}", hint="it is asked again")
