"""Paper venue: an exchange in one SQLite file. Whoever touches it first matches every resting order up to market time.

There is no matching program: `submit`, `cancel`, `order`, `open_orders`, `reports_since` and `balances` each bring the
account up to now, in one transaction, oldest bar first across all symbols, before they do or say anything.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

from msgspec import structs

from trade_mcp.domain.errors import BadConfig, FeedError, UnknownSymbol, VenueRejected
from trade_mcp.domain.instrument import ZERO, Instrument
from trade_mcp.domain.matching import Friction
from trade_mcp.domain.order import Order, Report
from trade_mcp.ports import Balance, Clock, Feed, Rests, Transfer
from trade_mcp.venues import paper_rows as rows
from trade_mcp.venues.metadata import load_instruments, read_exchange_info, typical_prices
from trade_mcp.venues.paper_fees import QUOTE, RECEIVED, Fees
from trade_mcp.venues.paper_file import PaperFile
from trade_mcp.venues.paper_visit import Rules, Visit, locked, new_bars, over

DEFAULT = Friction()


class PaperVenue:
    """One paper account. Implements ports.Venue; safe to share between threads and between processes."""

    name = "paper"
    rests = Rests()
    cancel_timer = False
    grace_s = 2.0  # the file is local: an order is in it, or it never will be

    def __init__(self, file: PaperFile, feed: Feed, clock: Clock, *, rules: Rules):
        self._file, self._feed, self._clock, self._rules = file, feed, clock, rules
        self.account = file.account

    def close(self) -> None:
        self._file.close()

    def rounding(self, currency: str) -> Decimal:
        return Decimal(0)

    def instruments(self) -> Mapping[str, Instrument]:
        return self._rules.instruments

    def submit(self, orders: tuple[Order, ...]) -> tuple[Report, ...]:
        refused: VenueRejected | None = None
        reports: tuple[Report, ...] = ()
        self._look(orders[0].symbol)
        with self._file.writing() as db:
            visit = Visit(db, self._feed, self._rules, now=self._clock.market())
            try:
                placed = visit.place(orders, real=self._clock.real())
            except VenueRejected as no:  # nothing of these orders is written; what was matched before them stays
                refused = no
            visit.save()
            if refused is None:
                reports = tuple(rows.report(db, row) for row in placed)
        if refused is not None:
            raise refused
        return reports

    def cancel(self, order: Order) -> Report:
        with self._file.writing() as db:
            visit = Visit(db, self._feed, self._rules, now=self._clock.market())
            visit.cancel(order.order_id)
            visit.save()
            row = rows.held(db, order.order_id)
            report = None if row is None else rows.report(db, row)
        if report is None:
            raise VenueRejected(f"{order.order_id} is not known here")
        return report

    def order(self, order: Order) -> Report | None:
        self._touch()
        with self._file.reading() as db:
            row = rows.held(db, order.order_id)
            return None if row is None else rows.report(db, row)

    def open_orders(self) -> Sequence[Report]:
        self._touch()
        with self._file.reading() as db:
            return [rows.report(db, row) for row in rows.working(db)]

    def reports_since(self, cursor: str) -> tuple[Sequence[Report], str]:
        self._touch()
        with self._file.reading() as db:
            since = int(cursor or 0)
            _, change = rows.progress(db)
            found = rows.changed_since(db, since) if change > since else []
            return [rows.report(db, row) for row in found], str(change)

    def cancel_all_after(self, seconds: float) -> None:
        raise VenueRejected("a paper account has no timer")

    def transfers_since(self, cursor: str) -> tuple[Sequence[Transfer], str]:
        return (), ""  # nobody brings money to a paper account

    def balances(self) -> Mapping[str, Balance]:
        self._touch()
        with self._file.reading() as db:
            totals, rests = rows.totals(db), locked(rows.working(db), self._rules)
        return {
            currency: Balance(free=total - rests.get(currency, ZERO), locked=rests.get(currency, ZERO))
            for currency, total in totals.items()
            if total
        }

    def _look(self, symbol: str) -> None:
        """Ask for prices before the file is locked: an exchange may take its time, and remembers its answer then."""
        with suppress(FeedError, UnknownSymbol):
            self._feed.quote(symbol, now=self._clock.market())
            self._feed.known_until(symbol, self._feed.timeframe, now=self._clock.market())

    def _touch(self) -> None:
        """Match what rests, if anything can have happened to it since the last time."""
        now = self._clock.market()
        with self._file.reading() as db:
            resting = rows.working(db)
            until, _ = rows.progress(db)
        bars, known = new_bars(self._feed, resting, after=until, now=now)
        if bars or any(over(row, known) for row in resting):
            with self._file.writing() as db:
                Visit(db, self._feed, self._rules, now=now).save()


def open_paper(
    path: Path,
    feed: Feed,
    clock: Clock,
    *,
    quote: str,
    cash: Decimal,
    holdings: Mapping[str, Decimal] | None = None,
    metadata: Path | None = None,
    instruments: Mapping[str, Instrument] | None = None,
    maker_fee: Decimal | None = None,
    taker_fee: Decimal | None = None,
    fee_currency: str = QUOTE,
    fee_coin_price: Decimal | None = None,
    spread: Decimal = DEFAULT.spread,
    slippage: Decimal = DEFAULT.slippage,
    participation: Decimal = DEFAULT.participation,
    new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
) -> PaperVenue:
    """The paper account in the file ``path``; on first use it gets ``cash`` (``quote`` currency) and ``holdings``.

    ``metadata`` is a file of exchange metadata; else ``instruments`` are what trades, else sane ones.
    Fees are fractions of the notional and replace the instruments' own;
    ``fee_currency`` is "quote", "received" or a coin, whose price is ``fee_coin_price`` or its pair in the feed.
    ``new_id`` names a new account instance. Raises BadConfig, ForeignDatabase, ForeignLedger (the account trades
    another feed), SchemaNewer.
    """
    own = {"maker_fee": maker_fee, "taker_fee": taker_fee}
    fees = {name: fee for name, fee in own.items() if fee is not None}
    if not instruments:
        known = load_instruments(feed.symbols, path=metadata, prices=typical_prices(feed))
    else:
        told = read_exchange_info(metadata, feed.symbols) if metadata is not None else {}
        known = {symbol: each for symbol, each in {**instruments, **told}.items() if symbol in feed.symbols}
    rules = Rules(
        instruments={symbol: structs.replace(instrument, **fees) for symbol, instrument in known.items()},
        friction=Friction(spread=spread, slippage=slippage, participation=participation),
        fees=_fees(fee_currency, fee_coin_price, feed, quote=quote),
    )
    deposit = {currency: amount for currency, amount in (holdings or {}).items() if amount}
    deposit[quote] = deposit.get(quote, ZERO) + cash
    file = PaperFile(path, feed=feed.identity, deposit=deposit, at=clock.market(), new_id=new_id)
    return PaperVenue(file, feed, clock, rules=rules)


def _fees(currency: str, price: Decimal | None, feed: Feed, *, quote: str) -> Fees:
    pair = f"{currency}/{quote}"
    if currency not in (QUOTE, RECEIVED) and price is None and pair not in feed.symbols:
        raise BadConfig(
            f"fees in {currency} need its price, and the feed has no {pair}",
            hint="set paper.fee_coin_price (quote currency per coin)",
        )
    return Fees(currency, price)
