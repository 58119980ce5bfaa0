"""Lists: orders and trades of an exchange that gives them in pages, whole.

ccxt's own methods give one page, and leave out in silence what stands under another name of the same pair. So these
lists are asked for by their endpoint, page after page, as the exchange's `Listing` says.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct, structs

from trade_mcp.domain.errors import OddAnswer
from trade_mcp.venues.capabilities import Listing
from trade_mcp.venues.ccxt_reports import understood
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
    rows = {_key(row): row for page in found for row in page}
    return sorted(rows.values(), key=lambda row: (row.get("timestamp") or 0, str(row["id"])))


def pages(exchange: Exchange, listing: Listing, asked: Asked, *, purpose: Purpose, doing: str) -> Iterator[list[Row]]:
    """Page by page, in the exchange's order; where it tells of a span at a time, one span after the other. Raises
    OddAnswer for pages without an end.
    """
    spans: Iterable[int | None] = (asked.since,)
    if asked.since is not None and listing.span_ms:
        spans = range(asked.since, max(exchange.now_ms(), asked.since + 1), listing.span_ms)
    for since in spans:
        yield from _pages(exchange, listing, structs.replace(asked, since=since), purpose=purpose, doing=doing)


def _pages(exchange: Exchange, listing: Listing, asked: Asked, *, purpose: Purpose, doing: str) -> Iterator[list[Row]]:
    client = exchange.reads
    params = {**listing.given, **asked.given}
    if listing.limit:
        params["limit"] = listing.limit
    if asked.symbol is not None and (listing.symbols or listing.symbol):
        if asked.symbol not in (client.markets or ()):
            raise OddAnswer(f"{exchange.name} has no market {asked.symbol} in its list any more")
        market = client.market(asked.symbol)["id"]
        params |= {listing.symbol: market} if listing.symbol else {listing.symbols: [market]}
    if asked.since is not None and listing.since:
        params[listing.since] = _moment(asked.since, listing, client)
    seen: set[str] = set()
    passed = 0
    while len(seen) < MOST_PAGES:
        answer = exchange.call(purpose, listing.endpoint, params, doing=doing)
        with understood(doing):
            raw = _rows(answer, listing)
            page = _of_market([getattr(client, listing.parse)(row) for row in raw], listing, asked.symbol)
            passed += len(raw)
            following = _following(answer, listing, passed, raw=raw)
        yield page
        if following is None:
            return
        if following in seen:
            break
        seen.add(following)
        params = {**params, listing.turn: following}
    raise OddAnswer(f"{exchange.name} gave pages without an end when {doing}", hint="it is asked again")


def _key(row: Row) -> tuple[str, str]:
    """A correction of a trade has the trade's id, and an entry of its own."""
    return str(row["id"]), str((row.get("info") or {}).get("entry_id"))


def _moment(ms: int, listing: Listing, client: Any) -> Any:
    if listing.millis:
        return ms
    return ms // 1000 if listing.seconds else client.iso8601(ms)


def _rows(answer: Any, listing: Listing) -> list[Any]:
    rows = _at(answer, listing.rows.split("."))
    return [{**row, "id": name} for name, row in rows.items()] if isinstance(rows, Mapping) else list(rows)


def _of_market(rows: list[Row], listing: Listing, symbol: str | None) -> list[Row]:
    """Those of ``symbol``: a list that was asked for one market's rows has no others."""
    if symbol is None:
        return rows
    found = [row for row in rows if row["symbol"] == symbol]
    if (listing.symbols or listing.symbol) and len(found) < len(rows):
        raise ValueError(f"it has rows that are not of {symbol}")
    return found


def _following(answer: Any, listing: Listing, passed: int, *, raw: Sequence[Any]) -> str | None:
    """What asks for the next page; None after the last. Raises ValueError where there should be more than there is."""
    if listing.after:
        return str(raw[-1][listing.after]) if len(raw) >= listing.limit else None
    if listing.count:
        total = int(_at(answer, listing.count.split(".")))
        more = passed < total
        if more and not raw:
            raise ValueError(f"it ends after {passed} of {total}")
        return str(passed) if more else None
    if not listing.cursor:
        return None
    *place, name = listing.cursor.split(".")
    cursor = str(_at(answer, place).get(name) or "")
    more = answer.get("has_next", cursor and raw)
    if more and not cursor:
        raise ValueError("it has more, and does not say how to ask for it")
    return cursor if more else None


def _at(answer: Any, place: Sequence[str]) -> Any:
    for name in place:
        answer = answer[name]
    return answer
