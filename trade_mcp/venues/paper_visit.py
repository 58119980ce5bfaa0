"""A visit to the paper account: everything that happens to it inside one transaction.

Opening a visit matches what rests up to now; then orders are placed or cancelled; `save` writes what changed.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from msgspec import Struct, structs

from trade_mcp.domain.errors import FeedError, VenueRejected
from trade_mcp.domain.instrument import ZERO, Instrument
from trade_mcp.domain.market import Bar, Quote, timeframe_delta
from trade_mcp.domain.matching import LIMITED, Execution, Friction, Match, Now, Resting, try_fill_oco
from trade_mcp.domain.order import Fill, Order, Side, Status, TimeInForce
from trade_mcp.ports import Feed
from trade_mcp.venues import paper_rows as rows
from trade_mcp.venues.order_checks import check_group, check_in_time, check_order, notional_price
from trade_mcp.venues.paper_fees import Charge, Fees, in_coin
from trade_mcp.venues.paper_rows import Held

LOCK_SLACK = Decimal("0.01")  # a buy without a limit locks this much more than its reference price
LOST_LEG = "the other leg of its group came alive"
BY_REQUEST = "cancelled on request"
CANNOT_PAY = "the account cannot pay for the rest"
EXPIRED = {
    TimeInForce.IOC: "IOC: the rest could not be filled at once",
    TimeInForce.FOK: "FOK: not all of it could be filled at once",
    TimeInForce.DAY: "DAY: its day is over",
}


class Rules(Struct, frozen=True):
    """How this account trades."""

    instruments: Mapping[str, Instrument]
    friction: Friction
    fees: Fees


class Visit:
    """The account inside one transaction: what rests, what it owns, and what changed."""

    def __init__(self, db: sqlite3.Connection, feed: Feed, rules: Rules, *, now: datetime):
        until, change = rows.progress(db)
        self._db, self._feed, self._rules = db, feed, rules
        self._now = now
        self._until = until
        self._change = change
        self._resting = {row.number: row for row in rows.working(db)}
        self._totals = rows.totals(db)
        self._moved: set[str] = set()
        self._changed: dict[int, Held] = {}
        bars, known = new_bars(feed, list(self._resting.values()), after=until, now=now)
        for bar in bars:
            self._match(bar)
        # Another process may have seen a later moment already: what it matched is not matched again.
        self._until = max(known, until)
        for row in [row for row in self._resting.values() if over(row, self._until)]:
            self._keep(structs.replace(row, status=Status.EXPIRED, reason=EXPIRED[row.order.time_in_force]))

    def place(self, orders: tuple[Order, ...], *, real: datetime) -> list[Held]:
        """Take orders and match them against the quote of now. Checks everything before it writes anything."""
        check_group(orders)
        for order in orders:
            check_in_time(order, real)
            if rows.held(self._db, order.order_id) is not None:
                raise VenueRejected(f"{order.order_id} is known here already")
        symbol = orders[0].symbol
        instrument = self._rules.instruments.get(symbol)
        if instrument is None:
            raise VenueRejected(f"{symbol} does not trade here")
        quote, slot, volume = self._market(symbol)
        for order in orders:
            check_order(order, instrument, quote=quote)
        prices = [_lock_price(order, quote) for order in orders]
        legs = tuple(Resting(order, max(self._now, self._until), order.size) for order in orders)
        matches: tuple[Match | None, ...] = (None,) * len(legs)
        if quote is not None:
            seen, taken = Now(quote, volume), rows.taken(self._db, symbol, slot)
            matches = try_fill_oco(legs, seen, self._rules.friction, instrument=instrument, taken=taken)
        self._check_funds(legs, matches, prices, instrument=instrument)
        placed = [rows.add_order(self._db, leg, price) for leg, price in zip(legs, prices, strict=True)]
        for row in placed:
            self._keep(row)
        self._apply(placed, matches, at=self._now, slot=slot)
        return [self._changed[row.number] for row in placed]

    def cancel(self, order_id: str) -> None:
        """Cancel a resting order and the other leg of its group; nothing if it does not rest."""
        group = next((row.group for row in self._resting.values() if row.order.order_id == order_id), None)
        for row in [row for row in self._resting.values() if row.group == group]:
            self._keep(structs.replace(row, status=Status.CANCELLED, reason=BY_REQUEST))

    def save(self) -> None:
        """Write what changed, under one change number."""
        if self._changed:
            self._change += 1
        for row in self._changed.values():
            rows.save_order(self._db, row, self._change)
        for currency in self._moved:
            rows.save_total(self._db, currency, self._totals[currency])
        rows.save_progress(self._db, self._until, self._change)

    def _market(self, symbol: str) -> tuple[Quote | None, datetime, Decimal]:
        """The quote of now, the bar it trades in (named by the close of the one before), how much trades in a bar."""
        slot, volume = self._now, ZERO
        try:
            after = self._now - 2 * timeframe_delta(self._feed.timeframe)
            if recent := self._feed.bars(symbol, after=after, until=self._now):
                slot, volume = recent[-1].close_at, recent[-1].volume
            return self._feed.quote(symbol, now=self._now), slot, volume
        except FeedError:
            return None, slot, volume  # nothing is made up: what can rest, rests

    def _match(self, bar: Bar) -> None:
        """Match every order of the bar's symbol, in the order they were placed."""
        groups: dict[str, list[Held]] = {}
        for row in self._resting.values():
            if row.order.symbol == bar.symbol:
                groups.setdefault(row.group, []).append(row)
        for legs in groups.values():
            matches = try_fill_oco(
                tuple(leg.resting for leg in legs),
                bar,
                self._rules.friction,
                instrument=self._rules.instruments[bar.symbol],
                taken=rows.taken(self._db, bar.symbol, bar.open_at),
            )
            self._apply(legs, matches, at=bar.close_at, slot=bar.open_at)

    def _apply(self, legs: Sequence[Held], matches: Sequence[Match | None], *, at: datetime, slot: datetime) -> None:
        for row, match in zip(legs, matches, strict=True):
            if match is not None:
                self._keep(self._after(row, match, at=at, slot=slot))

    def _after(self, row: Held, match: Match, *, at: datetime, slot: datetime) -> Held:
        """The order after ``match``; books its trade, cut to what the account can pay."""
        order, status, rest = row.order, match.ended or Status.WORKING, match.resting
        if status is Status.CANCELLED:
            return structs.replace(row, status=status, reason=LOST_LEG)
        reason = EXPIRED[order.time_in_force] if status is Status.EXPIRED else ""
        if (trade := match.execution) is not None:
            size = self._payable(row, trade)
            if size < trade.size:  # a gap beyond what was locked
                rest = structs.replace(rest, remaining=rest.remaining + trade.size - size)
                status, reason = Status.EXPIRED, CANNOT_PAY
            if size > 0:
                self._book(order, structs.replace(trade, size=size), at=at, slot=slot)
        return structs.replace(row, resting=rest, status=status, reason=reason)

    def _payable(self, row: Held, trade: Execution) -> Decimal:
        if row.order.side is Side.SELL:
            return trade.size
        instrument, fees = self._rules.instruments[row.order.symbol], self._rules.fees
        purse = self._free(instrument.quote, besides=row.group)
        if fees.outlay(trade.size, trade.price, instrument) <= purse:
            return trade.size
        size = instrument.round_size(max(purse, ZERO) / fees.outlay(Decimal(1), trade.price, instrument))
        while size > 0 and fees.outlay(size, trade.price, instrument) > purse:  # fees are rounded up
            size -= instrument.lot
        return size

    def _book(self, order: Order, trade: Execution, *, at: datetime, slot: datetime) -> None:
        instrument = self._rules.instruments[order.symbol]
        self._move(instrument.base, order.side.sign * trade.size)
        self._move(instrument.quote, -order.side.sign * trade.size * trade.price)
        charge = self._charge(order, trade, instrument, at=at)
        self._move(charge.currency, -charge.fee)
        fill = Fill(
            trade_id="",
            order_id=order.order_id,
            symbol=order.symbol,
            side=order.side,
            size=trade.size,
            price=trade.price,
            fee=charge.fee,
            fee_currency=charge.currency,
            fee_quote=charge.fee_quote,
            at=at,
            maker=trade.maker,
        )
        rows.add_fill(self._db, fill, slot)

    def _charge(self, order: Order, trade: Execution, instrument: Instrument, *, at: datetime) -> Charge:
        charge, coin = self._rules.fees.in_pair(trade, order.side, instrument), self._rules.fees.coin_for(instrument)
        if coin is None or not self._totals.get(coin):
            return charge
        price = self._rules.fees.coin_price
        if price is None:
            try:
                price = self._feed.quote(f"{coin}/{instrument.quote}", now=at).mid
            except FeedError:
                return charge
        return in_coin(charge, coin, price=price, free=self._free(coin))

    def _check_funds(
        self,
        legs: Sequence[Resting],
        matches: Sequence[Match | None],
        prices: Sequence[Decimal],
        *,
        instrument: Instrument,
    ) -> None:
        currency, needed = instrument.base, max(leg.remaining for leg in legs)
        if legs[0].order.side is Side.BUY:
            currency = instrument.quote
            needed = max(self._needed(*each, instrument=instrument) for each in zip(legs, matches, prices, strict=True))
        free = self._free(currency)
        if needed > free:
            raise VenueRejected(f"insufficient balance: {needed:f} {currency} needed, {free:f} free")

    def _needed(self, leg: Resting, match: Match | None, price: Decimal, *, instrument: Instrument) -> Decimal:
        """Quote currency a buy takes: what it trades now, and what it locks while the rest waits."""
        fees = self._rules.fees
        if match is None:
            return fees.outlay(leg.remaining, price, instrument)
        waits = ZERO if match.ended is not None else fees.outlay(match.resting.remaining, price, instrument)
        if match.execution is None:
            return waits
        return waits + fees.outlay(match.execution.size, match.execution.price, instrument)

    def _free(self, currency: str, *, besides: str = "") -> Decimal:
        """What may be spent of a currency: everything that no order locks, other than the group ``besides``."""
        resting = [row for row in self._resting.values() if row.group != besides]
        return self._totals.get(currency, ZERO) - locked(resting, self._rules).get(currency, ZERO)

    def _move(self, currency: str, amount: Decimal) -> None:
        self._totals[currency] = self._totals.get(currency, ZERO) + amount
        self._moved.add(currency)

    def _keep(self, row: Held) -> None:
        self._changed[row.number] = row
        if row.status is Status.WORKING:
            self._resting[row.number] = row
        else:
            self._resting.pop(row.number, None)


def new_bars(feed: Feed, resting: Sequence[Held], *, after: datetime, now: datetime) -> tuple[list[Bar], datetime]:
    """Bars of the resting orders' symbols, oldest close first across them all, and until when all of them are known.

    An exchange shows its bars late, or not at all for a while: what is not known yet is matched when it is.
    """
    symbols = {row.order.symbol for row in resting}
    try:
        known = min((feed.known_until(symbol, feed.timeframe, now=now) for symbol in symbols), default=now)
        bars = [bar for symbol in symbols for bar in feed.bars(symbol, after=after, until=known)]
    except FeedError:
        return [], after
    return sorted(bars, key=lambda bar: (bar.close_at, bar.symbol)), known


def over(row: Held, now: datetime) -> bool:
    """Whether a DAY order's day has ended."""
    end = row.resting.expires_at
    return end is not None and now >= end


def locked(resting: Sequence[Held], rules: Rules) -> dict[str, Decimal]:
    """What resting orders lock, by currency; an OCO locks once."""
    groups: dict[str, tuple[str, Decimal]] = {}
    for row in resting:
        instrument, amount = rules.instruments[row.order.symbol], row.resting.remaining
        currency = instrument.base
        if row.order.side is Side.BUY:
            currency, amount = instrument.quote, rules.fees.outlay(amount, row.lock_price, instrument)
        groups[row.group] = currency, max(amount, groups.get(row.group, (currency, ZERO))[1])
    by_currency: dict[str, Decimal] = {}
    for currency, amount in groups.values():
        by_currency[currency] = by_currency.get(currency, ZERO) + amount
    return by_currency


def _lock_price(order: Order, quote: Quote | None) -> Decimal:
    """What each base unit of a buy locks of the quote currency; 0 for a sell, which locks what it sells."""
    if order.side is Side.SELL:
        return ZERO
    if order.type in LIMITED:
        assert order.limit_price is not None
        return order.limit_price
    price = notional_price(order, quote)
    if price is None:
        raise VenueRejected(f"{order.symbol} has no price now, so nothing says what {order.order_id} may cost")
    return price * (1 + LOCK_SLACK)
