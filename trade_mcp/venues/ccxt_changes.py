"""Changes: what happened to the account's orders since a cursor, found by looking, because streams lose things.

The cursor holds, per symbol, the last trade seen and the orders that rested. A look reads trades after that one and the
orders that rest now: an order with new trades, a new one, one that rests no more, and one whose filled size moved are
asked for and reported. Most looks find nothing: the balances are asked for first (every order and every fill moves
them), and only if they moved, or it is a while ago, or this process just did something, is all of it read.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from trade_mcp.domain.errors import HeardInPart, OddAnswer, VenueError, VenueRejected
from trade_mcp.domain.order import Report
from trade_mcp.venues.ccxt_reports import understood

if TYPE_CHECKING:
    from trade_mcp.venues.ccxt import CcxtVenue

WHOLE_EVERY_S = 30.0  # real time between looks that trust no balances
ODD_EVERY_S = 5.0  # the same, while something cannot be read
LAGS_S = 60.0  # so long no look stops at the balances, when an order told of fills that no list showed yet
PAGE = 500  # trades in one answer of Binance
OVERLAP_MS = 60_000  # where trades are asked for by time: how late one may appear
QUIET_MS = 86_400_000  # after so long without a trade the time goes on without one
type Row = Mapping[str, Any]


class Seen(Struct, frozen=True, omit_defaults=True):
    """What is known of one symbol: the last trade, and the filled sizes of the orders that rest, by the venue's id."""

    trade: int = 0  # the last trade's id, where ids are numbers that grow
    at: int = 0  # its time in ms, where they are not
    ids: tuple[str, ...] = ()  # trades near that time
    open: dict[str, str] = {}


class Changes:
    """Looks for one venue."""

    def __init__(self, venue: "CcxtVenue"):
        self._venue = venue
        self._looked, self._whole_at = -1e9, -1e9
        self._balances: Any = None
        self._cursor = ""
        self._expected = True
        self._lags_until = -1e9

    def expect(self) -> None:
        """Something was just sent: the next look reads everything."""
        self._expected = True

    def lags(self) -> None:
        """An order has fills that are not told yet: whatever the balances say, there is something to read."""
        self._lags_until = self._venue.exchange.clock.boot() + LAGS_S

    def since(self, cursor: str, symbols: Sequence[str]) -> tuple[Sequence[Report], str]:
        """Reports of the orders in ``symbols`` that changed since ``cursor``, and the next cursor.

        "" begins now: it reports what rests. Raises HeardInPart where one symbol or order cannot be read: it keeps its
        place, and all others are reported.
        """
        now = self._venue.exchange.clock.boot()
        quiet = cursor == self._cursor and not self._expected
        if quiet and now - self._looked < self._venue.poll_s:
            return (), cursor
        self._expected = False  # before asking: what is sent from now on may be missed
        self._looked = now
        try:
            balances = self._venue.balances()
            if quiet and balances == self._balances and self._lags_until <= now < self._whole_at:
                return (), cursor
            known = msgspec.json.decode(cursor, type=dict[str, Seen]) if cursor else {}
            asked = _Asked(self._venue, min((each.at for each in known.values()), default=self._now_ms()))
            reports: list[Report] = []
            seen: dict[str, Seen] = {}
            odd: VenueError | None = None
            for symbol in symbols:
                try:
                    with understood(symbol):
                        seen[symbol] = self._look(asked, symbol, known.get(symbol), reports)
                except (VenueRejected, OddAnswer) as failure:  # the line is good
                    if not known:
                        raise
                    odd = odd or failure
                    seen |= {symbol: known[symbol]} if symbol in known else {}
        except BaseException:
            self._expected = True
            raise
        self._balances, self._whole_at = balances, now + (ODD_EVERY_S if odd else WHOLE_EVERY_S)
        self._cursor = msgspec.json.encode(seen, order="sorted").decode()
        if odd is not None:
            raise HeardInPart(odd.message, hint=odd.hint, reports=reports, cursor=self._cursor) from odd
        return reports, self._cursor

    def _look(self, asked: "_Asked", symbol: str, before: Seen | None, reports: list[Report]) -> Seen:
        """Adds to ``reports`` whatever changed; what cannot be read is raised after the rest."""
        # Trades before orders: an order read later is at least as far as its trades.
        trades, seen = self._first(asked, symbol) if before is None else self._trades(asked, symbol, before)
        rows = {str(row["id"]): row for row in asked.open_rows(symbol)}
        resting = {venue_id: str(row.get("filled")) for venue_id, row in rows.items()}
        was = before.open if before is not None else {}
        by_order: dict[str, list[Row]] = {}
        for trade in trades:
            by_order.setdefault(str(trade["order"]), []).append(trade)
        moved = {venue_id for venue_id, filled in resting.items() if was.get(venue_id) != filled}
        changed = dict.fromkeys((*by_order, *sorted(moved), *(venue_id for venue_id in was if venue_id not in rows)))
        odd: VenueError | None = None
        for venue_id in changed:
            try:
                row, fresh = rows.get(venue_id) or self._venue.row(venue_id, symbol), by_order.get(venue_id, ())
                if row is not None:
                    reports.append(self._venue.listed(row, trades=fresh))
                elif fresh:  # else it ended without a fill, too long ago for the exchange to know it
                    reports.append(self._venue.told_by_trades(venue_id, symbol, fresh))
            except (VenueRejected, OddAnswer) as failure:
                odd = odd or failure
        if odd is not None:
            raise odd
        return msgspec.structs.replace(seen, open=resting)

    def _first(self, asked: "_Asked", symbol: str) -> tuple[list[Row], Seen]:
        """Begin now: after the last trade there is."""
        if self._venue.can.dialect.trade_ids:
            last = self._venue.trades(symbol, limit=1)
            return [], Seen(trade=max((int(row["id"]) for row in last), default=0))
        now = self._now_ms()
        last = asked.trades(symbol, since=now - 2 * OVERLAP_MS)
        return [], Seen(at=now, ids=tuple(str(row["id"]) for row in last))

    def _trades(self, asked: "_Asked", symbol: str, seen: Seen) -> tuple[list[Row], Seen]:
        if not self._venue.can.dialect.trade_ids:
            now, rows = self._now_ms(), asked.trades(symbol, since=seen.at - OVERLAP_MS)
            fresh = [row for row in rows if str(row["id"]) not in seen.ids and row["timestamp"] >= seen.at - OVERLAP_MS]
            at = max([seen.at, asked.newest, *(row["timestamp"] for row in rows)])
            if now - at > QUIET_MS:
                at = now - OVERLAP_MS
            near = tuple(str(row["id"]) for row in rows if row["timestamp"] >= at - 2 * OVERLAP_MS)
            return fresh, Seen(at=at, ids=near)
        found: list[Row] = []
        last = seen.trade
        while True:
            page = self._venue.trades(symbol, fromId=last + 1, limit=PAGE)
            page = [row for row in page if int(row["id"]) > last]
            found += page
            last = max([last, *(int(row["id"]) for row in page)])
            if len(page) < PAGE:
                return found, Seen(trade=last)

    def _now_ms(self) -> int:
        return self._venue.exchange.now_ms()


class _Asked:
    """What one look asks for: symbol by symbol, or once for all where the exchange's lists are of the whole account.

    ``at`` is the time (ms) of the oldest trade seen last of a symbol.
    """

    def __init__(self, venue: "CcxtVenue", at: int):
        self._venue, self._at = venue, at
        self._trades: list[Row] | None = None
        self._open: list[Row] | None = None

    def trades(self, symbol: str, *, since: int) -> list[Row]:
        if not self._venue.can.dialect.by_account:
            return self._venue.trades(symbol, since=since)
        if self._trades is None:
            self._trades = self._venue.trades(None, since=self._at - 2 * OVERLAP_MS)
        return [row for row in self._trades if row["symbol"] == symbol and row["timestamp"] >= since]

    @property
    def newest(self) -> int:
        """The time (ms) of the newest trade read of the whole account: a quiet symbol goes on with the others."""
        return max((row["timestamp"] for row in self._trades or ()), default=0)

    def open_rows(self, symbol: str) -> list[Row]:
        if not self._venue.can.dialect.by_account:
            return self._venue.open_rows(symbol)
        if self._open is None:
            self._open = self._venue.open_rows(None)
        return [row for row in self._open if row["symbol"] == symbol]
