"""ccxt venue: an account at a real exchange, its testnet, or the practice exchange.

Nothing is sent twice: an answer that never came is VenueUnreachable, and `order` finds out by our id. Orders are
checked against the exchange's limits before they are sent, because ccxt cuts amounts in silence. Protective and
reducing orders and cancels go through connections of their own.
"""

import difflib
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import batched
from typing import Any

import ccxt
import structlog
from msgspec import structs

from trade_mcp.domain.errors import BadConfig, NotOurs, OddAnswer, RefusedForTime, VenueError, VenueRejected
from trade_mcp.domain.instrument import ZERO, Instrument
from trade_mcp.domain.order import Fill, Order, OrderType, Report, Role, Status
from trade_mcp.ports import Balance, Clock, Rests, Transfer
from trade_mcp.venues import ccxt_lists, ccxt_orders, ccxt_reports, ccxt_transfers
from trade_mcp.venues.capabilities import DEADLINE_S, Capabilities, capabilities
from trade_mcp.venues.ccxt_changes import Changes
from trade_mcp.venues.ccxt_names import Names
from trade_mcp.venues.exchange import TIMEOUT_S, Exchange
from trade_mcp.venues.exchange_budget import Purpose
from trade_mcp.venues.exchange_key import check_key, need_key
from trade_mcp.venues.exchange_markets import Markets
from trade_mcp.venues.order_checks import check_group, check_in_time

MARGIN_S = 5.0  # real time beyond time-out and receive window before an unknown order counts as never placed
SAME_CLOCK = timedelta(seconds=2)  # market time this close to real time is real time
OLDER_S = 60.0  # an order that is older than ours by more is not ours
ROUNDED = 100  # amounts between two audits that may each be rounded by one of the last digit
SENT_KEPT = 10_000  # ids of orders sent by this process
ENDED = {"fetchClosedOrders": "fetch_closed_orders", "fetchCanceledOrders": "fetch_canceled_orders"}  # by ccxt's has
QUERIED = 19  # trades asked for at once: Kraken tells of 20, and after those ccxt asks for none, which is refused
SEARCHED_BACK_MS = 60_000  # before an order was made: where its lists are looked through
type Row = Mapping[str, Any]

log = structlog.get_logger(__name__)


class CcxtVenue:
    """One account. Implements ports.Venue; safe to share between threads."""

    def __init__(self, exchange: Exchange, clock: Clock, *, account: str, symbols: Sequence[str]):
        self.name, self.account = exchange.name, account
        self.exchange, self._clock, self._symbols = exchange, clock, tuple(symbols)
        features = exchange.reads.features.get("spot") or {}
        self.can: Capabilities = capabilities(exchange.name, exchange.reads.has, features)
        self.rests = Rests(stops=self.can.stops, trailing=False, pairs=self.can.pairs)
        self.cancel_timer = self.can.dialect.cancel_timer
        self.grace_s = TIMEOUT_S + self.can.dialect.late_s + MARGIN_S
        self.names = Names(self.can.dialect)
        self._sent: dict[str, None] = {}
        self._unseen: dict[str, float] = {}  # orders that were acknowledged and are in no list, and since when
        self._sending = threading.Lock()
        self._markets: Markets | None = None  # what the next two are made of
        self._instruments: Mapping[str, Instrument] = {}
        self._closed: Mapping[str, str] = {}  # symbols that take no entries, and why
        self.poll_s = self.can.dialect.poll_s  # real seconds between looks at the account that nothing called for
        self._changes = Changes(self)

    def close(self) -> None:
        self.exchange.close()

    def state(self) -> dict[str, Any]:
        """What a person may want to know of the exchange: what the desk watches for it, ages, budget, clock."""
        age = self.exchange.clock.real() - self.exchange.markets().at
        return {
            "name": self.exchange.name,
            "no_entries": {symbol: self._closed[symbol] for symbol in self._symbols if symbol in self._closed} or None,
            "watched_by_the_desk": self.can.watched,
            "list_age_s": round(age.total_seconds()),
            "budget_used": round(self.exchange.budget.share, 2),  # of a minute's requests
            "asked_to_wait_s": round(self.exchange.budget.waiting_s) or None,
            "clock_offset_ms": self.exchange.offset_ms,
        }

    def instruments(self) -> Mapping[str, Instrument]:
        markets = self.exchange.markets()
        if markets is not self._markets:
            fees, mode = self.exchange.fees(self._symbols), self.exchange.reads.precisionMode
            with ccxt_reports.understood("what trades there"):
                self._closed = ccxt_reports.closed(markets.spot, stops=self.can.stops, pairs=self.can.pairs)
                self._instruments = ccxt_reports.instruments(markets.spot, mode, fees)
            self._markets = markets
        return self._instruments

    def rounding(self, currency: str) -> Decimal:
        decimals = self.can.dialect.decimals
        return Decimal(ROUNDED).scaleb(-decimals.get(currency, decimals[""])) if decimals else Decimal(0)

    def submit(self, orders: tuple[Order, ...]) -> tuple[Report, ...]:
        check_group(orders)
        self.exchange.patience_s = 0.0
        for order in orders:
            instrument = self._instrument(order)
            ccxt_orders.check(order, instrument, self.can, closed=self._closed.get(order.symbol, ""))
        if len(orders) > 1 and not self.can.pairs:
            raise VenueRejected(f"{self.name} has no OCO", hint="the desk watches the target; place the stop alone")
        self._claim(orders)
        purpose = Purpose.ENTRY if orders[0].role is Role.ENTRY else Purpose.EXIT
        try:
            answers = self._send(orders, purpose)
        except RefusedForTime:  # the one refusal after which the same order may come again
            self._release(orders)
            raise
        finally:
            self._changes.expect()
        return tuple(self._placed(order, answer) for order, answer in zip(orders, answers, strict=True))

    def cancel(self, order: Order) -> Report:
        given = self._by_name(order) | self._apart(order.type)
        venue_id, doing = self._their_id(order), f"cancelling {order.order_id}"
        refused: VenueRejected | None = None
        try:
            row: Row = self.exchange.call(Purpose.EXIT, "cancel_order", venue_id, order.symbol, given, doing=doing)
            with ccxt_reports.understood(doing):
                if row.get("status") == "canceled" and ccxt_reports.exact(row.get("filled")) == order.filled:
                    return ccxt_reports.report(row, (), order_id=order.order_id)
        except VenueRejected as no:
            refused = no
        finally:
            self._changes.expect()
        report = self.order(order)  # gone before we came, or filled in part
        lives = report is None or report.status is Status.WORKING
        if refused is not None and lives and not isinstance(refused.__cause__, ccxt.OrderNotFound):
            raise refused
        if report is None:
            raise VenueRejected(f"{order.order_id} is not known here")
        return report

    def order(self, order: Order) -> Report | None:
        found = self._found(order)
        if found is None:
            return None
        if not order.venue_id:
            self._need_ours(found, order)
        return self.report(found, known=order)

    def open_orders(self) -> Sequence[Report]:
        reports = []
        for row in self.open_rows(None):
            try:
                reports.append(self.listed(row))
            except OddAnswer as odd:  # ours: as it is not in the list, it is asked for by itself
                log.warning("an order that rests cannot be read", error=odd.message)
        return reports

    def reports_since(self, cursor: str) -> tuple[Sequence[Report], str]:
        if cursor:
            self.exchange.patience_s = 0.0
        with ccxt_reports.understood("what changed"):
            return self._changes.since(cursor, self._symbols)

    def cancel_all_after(self, seconds: float) -> None:
        self.exchange.call(
            Purpose.EXIT, "cancel_all_orders_after", int(seconds * 1000), doing="setting the cancel timer"
        )

    def transfers_since(self, cursor: str) -> tuple[Sequence[Transfer], str]:
        if not ccxt_transfers.tells(self.exchange):
            return (), ""
        try:
            with ccxt_reports.understood("transfers"):
                return ccxt_transfers.since(self.exchange, cursor, self._symbols)
        except VenueRejected as no:  # the key may not ask: what moves shows as a break, and a person says what it was
            log.warning("transfers are not told", error=no.message)
            return (), cursor

    def balances(self) -> Mapping[str, Balance]:
        given = {"omitZeroBalances": True} if self.name == "binance" else {}
        answer = self.exchange.call(Purpose.ACCOUNT, "fetch_balance", given, doing="asking for balances")
        with ccxt_reports.understood("balances"):
            return ccxt_reports.balances(answer)

    # What the parts of this venue ask

    def open_rows(self, symbol: str | None) -> list[Row]:
        """Orders that rest, as ccxt tells them; those with a trigger are asked for apart where they are kept apart."""
        if listing := self.can.dialect.lists.get("open"):
            asked_of = ccxt_lists.Asked(symbol=symbol)
            return ccxt_lists.whole(
                self.exchange, listing, asked_of, purpose=Purpose.ACCOUNT, doing="asking for open orders"
            )
        asked: list[dict[str, Any]] = [{}, {"trigger": True}] if self.can.triggers_apart else [{}]
        rows: list[Row] = []
        for given in asked:
            rows += self.exchange.call(
                Purpose.ACCOUNT, "fetch_open_orders", symbol, None, None, given, doing="asking for open orders"
            )
        return rows

    def row(self, venue_id: str, symbol: str) -> Row | None:
        """One order by the exchange's own id; None where it is asked for in lists, and has gone from all of them."""
        if self.can.dialect.singly:
            return self._listed_one(venue_id, symbol, None, purpose=Purpose.ACCOUNT)
        return self._fetched(venue_id, symbol, Purpose.ACCOUNT)

    def _fetched(self, venue_id: str, symbol: str, purpose: Purpose) -> Row:
        found: Row = self.exchange.call(
            purpose,
            "fetch_order",
            venue_id,
            symbol,
            self.can.dialect.fetched_with,
            doing=f"asking for order {venue_id}",
        )
        return found

    def trades(
        self, symbol: str | None, *, since: int | None = None, purpose: Purpose = Purpose.ACCOUNT, **given: Any
    ) -> list[Row]:
        """The account's trades in ``symbol``, or in all, oldest first."""
        doing = f"asking for trades in {symbol or 'all symbols'}"
        if listing := self.can.dialect.lists.get("trades"):
            asked = ccxt_lists.Asked(symbol=symbol, since=since, given=given)
            return ccxt_lists.whole(self.exchange, listing, asked, purpose=purpose, doing=doing)
        rows: list[Row] = self.exchange.call(purpose, "fetch_my_trades", symbol, since, None, given, doing=doing)
        return rows

    def report(self, row: Row, *, trades: Iterable[Row] | None = None, known: Order | None = None) -> Report:
        """What an order is now, with every fill the exchange tells of, unless those of ``known`` are all booked."""
        with ccxt_reports.understood("an order"):
            theirs = row.get("clientOrderId") or str(row["id"])
            order_id = known.order_id if known is not None else self.names.back(theirs)
            bare = ccxt_reports.report(row, (), order_id=order_id)
            if bare.filled == 0 or (known is not None and known.filled == bare.filled and trades is None):
                return bare
            rows = list(row.get("trades") or ()) if trades is None else list(trades)
            if _size_of(rows) < bare.filled:
                rows = self._trades_of(row, Purpose.ACCOUNT if known is None else _purpose(known))
                if _size_of(rows) < bare.filled:
                    self._changes.lags()
            return structs.replace(bare, fills=tuple(self._fill(each, row, order_id) for each in rows))

    def listed(self, row: Row, *, trades: Iterable[Row] | None = None) -> Report:
        """`report` of a row out of a list. Of another hand's order that cannot be read: that it is there."""
        try:
            return self.report(row, trades=trades)
        except OddAnswer:
            with ccxt_reports.understood("an order"):
                order_id = self.names.back(row.get("clientOrderId") or str(row["id"]))
                if order_id in self.names.book():
                    raise
                return self._as_filled(row, order_id, trades or ())

    def told_by_trades(self, venue_id: str, symbol: str, trades: Sequence[Row]) -> Report:
        """An order that no list shows, not yet or not any more, as its ``trades`` tell of it: whether it ended is asked
        for later.
        """
        with ccxt_reports.understood(f"the trades of {venue_id}"):
            name = next(filter(None, _our_ids(trades[0]["info"])), venue_id)
            return self._as_filled({"id": venue_id, "symbol": symbol}, self.names.back(name), trades)

    def _as_filled(self, row: Row, order_id: str, trades: Iterable[Row]) -> Report:
        fills = tuple(self._fill(each, row, order_id) for each in trades)
        return Report(
            order_id=order_id,
            venue_id=str(row["id"]),
            status=Status.WORKING,
            filled=sum((fill.size for fill in fills), Decimal(0)),
            fills=fills,
            symbol=row.get("symbol") or "",
        )

    # Placing

    def _instrument(self, order: Order) -> Instrument:
        instrument = self.instruments().get(order.symbol)
        if instrument is None:
            raise VenueRejected(
                f"{order.symbol} does not trade at {self.name}, or not on spot", hint="find_instruments shows what does"
            )
        return instrument

    def _claim(self, orders: tuple[Order, ...]) -> None:
        """An exchange takes an id again once its order has ended: what this process sent, it never sends again."""
        with self._sending:
            for order in orders:
                check_in_time(order, self._clock.real())
                if order.order_id in self._sent:
                    raise VenueRejected(f"{order.order_id} is known here: it was sent before")
            self._sent.update(dict.fromkeys(order.order_id for order in orders))
            while len(self._sent) > SENT_KEPT:
                del self._sent[next(iter(self._sent))]

    def _release(self, orders: tuple[Order, ...]) -> None:
        with self._sending:
            for order in orders:
                self._sent.pop(order.order_id, None)

    def _send(self, orders: tuple[Order, ...], purpose: Purpose) -> list[Row]:
        instruments = [self._instrument(order) for order in orders]
        names = {order.order_id: self.names.out(order.order_id) for order in orders}
        if len(orders) == 1:
            (order,) = orders
            asked = ccxt_orders.asked(order, instruments[0], self.can, client_id=names[order.order_id])
            if until := self.can.dialect.deadline:
                asked.params[until] = _rfc3339(self.exchange.now_ms() + int(DEADLINE_S * 1000))
            doing = f"placing {order.order_id}"
            return [self.exchange.call(purpose, "create_order", *asked, doing=doing, once=True)]
        client = self.exchange.reads
        params = ccxt_orders.pair(
            orders,
            pair_id=self.names.out(orders[0].group),
            names=names,
            market=client.market(orders[0].symbol)["id"],
        )
        doing = f"placing {' and '.join(names)}"
        answer = self.exchange.call(purpose, "private_post_orderlist_oco", params, doing=doing, once=True)
        with ccxt_reports.understood(doing):
            rows = {row["clientOrderId"]: client.parse_order(row) for row in answer["orderReports"]}
            return [rows[names[order.order_id]] for order in orders]

    def _placed(self, order: Order, answer: Row) -> Report:
        """What became of an order that the exchange took. It lives there: not knowing more is no reason to fail."""
        try:
            if answer.get("status") is not None:
                return self.report(answer, known=order)
            found = self._found(structs.replace(order, venue_id=str(answer.get("id") or "")))
            if found is not None:  # many exchanges answer an id alone
                self._need_ours(found, order)
                return self.report(found, known=order)
        except NotOurs:  # by its id alone nobody could tell
            raise
        except VenueError as failure:
            log.warning("order placed, its fills not yet seen", order=order.order_id, error=failure.message)
        with ccxt_reports.understood(f"placing {order.order_id}"):
            if not answer.get("id"):
                raise ValueError("an order without an id")
            filled = ccxt_reports.exact(answer.get("filled")) or Decimal(0)
            return Report(order_id=order.order_id, venue_id=str(answer["id"]), status=Status.WORKING, filled=filled)

    # Finding

    def _by_name(self, order: Order) -> dict[str, Any]:
        """How the exchange is asked for an order: by our id where it can be."""
        return {"clientOrderId": self.names.out(order.order_id)} if self.can.dialect.finds_ours else {}

    def _their_id(self, order: Order) -> str:
        """The exchange's own id of an order; "" where it is asked for by ours and theirs is not known yet."""
        if order.venue_id or self.can.dialect.finds_ours:
            return order.venue_id
        if (found := self._searched(order)) is None:
            raise VenueRejected(f"{order.order_id} is not known here")
        return str(found["id"])

    def _apart(self, kind: OrderType) -> dict[str, Any]:
        return {"trigger": True} if self.can.triggers_apart and kind in ccxt_orders.TRIGGERS else {}

    def _found(self, order: Order) -> Row | None:
        """The order as the exchange has it; None only where the exchange itself says that it has none of that id."""
        if order.symbol not in self.instruments() and not order.venue_id:
            return None  # nothing is ever sent for a symbol that is not in the list
        if not self.can.dialect.finds_ours and not order.venue_id:
            return self._searched(order)
        given = {**self._by_name(order), **self._apart(order.type), **self.can.dialect.fetched_with}
        try:
            if self.can.dialect.singly:
                return self._seen_or_gone(order)
            row: Row = self.exchange.call(
                _purpose(order),
                "fetch_order",
                order.venue_id,
                order.symbol,
                given,
                doing=f"asking for {order.order_id}",
            )
        except VenueRejected as no:
            if isinstance(no.__cause__, ccxt.OrderNotFound):
                return self._forgotten(order)
            raise OddAnswer(no.message, hint=no.hint) from no  # refused to tell: nobody knows
        return row

    def _seen_or_gone(self, order: Order) -> Row | None:
        """An order that the exchange acknowledged, by its id. What it takes it does later, and its lists lag: an order
        that they do not show is gone only if that stays so.
        """
        found = self._listed_one(order.venue_id, order.symbol, self._made_ms(order), purpose=_purpose(order))
        now = self.exchange.clock.boot()
        if found is not None:
            self._unseen.pop(order.venue_id, None)
            return found
        if now - self._unseen.setdefault(order.venue_id, now) < self.can.dialect.late_s:
            raise OddAnswer(f"{self.name} has acknowledged {order.order_id}, and shows it in no list yet")
        return self._forgotten(order)

    def _forgotten(self, order: Order) -> Row | None:
        """What its fills say of an order that ended so long ago that the exchange does not know it any more."""
        if (self._clock.real() - order.real_at).total_seconds() < self.can.dialect.forgets_s:
            return None
        name, since = self.names.out(order.order_id), self._made_ms(order)
        resting = self.open_rows(order.symbol)
        if (row := next((row for row in resting if row.get("clientOrderId") == name), None)) is not None:
            return row
        with ccxt_reports.understood(f"the fills of {order.order_id}"):
            rows = self.trades(order.symbol, since=since, purpose=_purpose(order))
            rows = [row for row in rows if order.venue_id == row["order"] or name in _our_ids(row["info"])]
            filled = _size_of(rows)
        if not rows and not order.venue_id:
            return None
        if filled < order.filled:
            raise OddAnswer(f"{self.name} knows neither {order.order_id} nor all of its fills any more")
        return {
            "id": order.venue_id or rows[0]["order"],
            "symbol": order.symbol,
            "side": order.side.value,
            "amount": ccxt_orders.text(order.size),
            "filled": ccxt_orders.text(filled),
            "status": "closed" if filled >= order.size else "canceled",
            "timestamp": since + SEARCHED_BACK_MS,
            "trades": rows,
        }

    def _need_ours(self, row: Row, order: Order) -> None:
        """Raises NotOurs where ``row`` is not what we sent as ``order``."""
        if other := self._other(row, order):
            raise NotOurs(
                f"{self.name} has another order by the id of {order.order_id}: {other}",
                hint="it is not taken for ours; does another desk, or another ledger, trade on this account?",
            )

    def _other(self, row: Row, order: Order) -> str:
        """Why ``row`` is not what we sent as ``order``; "" if it may be. Times are compared as ages: clocks differ."""
        with ccxt_reports.understood(f"order {order.order_id}"):
            ours = {"symbol": order.symbol, "side": order.side.value, "size": order.size}
            size = ccxt_reports.exact(row.get("amount"))
            theirs = {"symbol": row.get("symbol"), "side": row.get("side"), "size": size}
            wrong = [f"{name} {theirs[name]}" for name, value in ours.items() if theirs[name] not in (None, value)]
            age_s = (self._clock.real() - order.real_at).total_seconds()
            theirs_s = (self.exchange.now_ms() - (row.get("timestamp") or self.exchange.now_ms())) / 1000
            if theirs_s > age_s + OLDER_S:
                wrong.append(f"{theirs_s - age_s:.0f} s older")
            return ", ".join(wrong)

    def _searched(self, order: Order) -> Row | None:
        """The order by our id in the lists of an exchange that cannot be asked for it: open ones, then ended ones."""
        name = self.names.out(order.order_id)
        since = self._made_ms(order)
        if self.can.dialect.lists:
            return next((row for row in self._listed_since(order, since) if row.get("clientOrderId") == name), None)
        has = self.exchange.reads.has
        ended = {"fetchOrders": "fetch_orders"} if has.get("fetchOrders") else ENDED
        for method in ("fetch_open_orders", *(method for name, method in ended.items() if has.get(name))):
            rows = self.exchange.call(
                _purpose(order), method, order.symbol, since, doing=f"looking for {order.order_id}"
            )
            if found := next((row for row in rows if row.get("clientOrderId") == name), None):
                return found  # type: ignore[no-any-return]
        return None

    def _listed_since(self, order: Order, since: int) -> Iterator[Row]:
        """The order, if it is there, and perhaps others of its market: the lists of orders, one after the other."""
        doing = f"looking for {order.order_id}"
        for kind, listing in self.can.dialect.lists.items():
            if kind != "trades":
                ours = {listing.ours: self.names.out(order.order_id)} if listing.ours else {}
                asked = ccxt_lists.Asked(symbol=order.symbol, since=since, given=ours)
                for page in ccxt_lists.pages(self.exchange, listing, asked, purpose=_purpose(order), doing=doing):
                    yield from page

    def _listed_one(self, venue_id: str, symbol: str, since: int | None, *, purpose: Purpose) -> Row | None:
        """The order by the exchange's own id, in the lists of orders."""
        doing = f"asking for order {venue_id}"
        for kind, listing in self.can.dialect.lists.items():
            if kind != "trades":
                asked = ccxt_lists.Asked(symbol=symbol, since=since, given={listing.theirs: venue_id})
                for page in ccxt_lists.pages(self.exchange, listing, asked, purpose=purpose, doing=doing):
                    if found := next((row for row in page if str(row["id"]) == venue_id), None):
                        return found
        return None

    def _made_ms(self, order: Order) -> int:
        """A moment before ``order`` was made, by the exchange's clock."""
        return int(order.real_at.timestamp() * 1000) - self.exchange.offset_ms - SEARCHED_BACK_MS

    # Fills

    def _trades_of(self, row: Row, purpose: Purpose) -> list[Row]:
        symbol, venue_id = row["symbol"], str(row["id"])
        if self.can.dialect.trade_ids:
            return self.trades(symbol, purpose=purpose, orderId=venue_id)
        if self.can.dialect.lists_trades:
            return self._named_trades(row, purpose)
        made = row.get("timestamp")
        if by := self.can.dialect.trades_of:
            listing = self.can.dialect.lists.get("trades")
            several = listing is not None and listing.symbols
            since = made - SEARCHED_BACK_MS if made else None  # without a time, some tell of the last days alone
            return self.trades(symbol, since=since, purpose=purpose, **{by: [venue_id] if several else venue_id})
        since = (made or 0) - SEARCHED_BACK_MS
        rows = self.trades(symbol, since=since, purpose=purpose)
        return [each for each in rows if str(each.get("order")) == venue_id]

    def _named_trades(self, row: Row, purpose: Purpose) -> list[Row]:
        """The trades that an order names. Rows of lists name none: then it is asked for by itself."""
        named = row if row.get("trades") else self._fetched(str(row["id"]), row["symbol"], purpose)
        ids = [each["id"] for each in named["trades"]]
        doing = f"asking for the trades of {row['id']}"
        found: list[Row] = []
        for some in batched(ids, QUERIED):
            found += self.exchange.call(
                purpose, "fetch_order_trades", row["id"], row["symbol"], None, None, {"trades": list(some)}, doing=doing
            )
        return sorted(found, key=lambda each: (each["timestamp"], each["id"]))

    def _fill(self, trade: Row, row: Row, order_id: str) -> Fill:
        at = ccxt_reports.moment(trade.get("timestamp") or row.get("lastUpdateTimestamp") or row.get("timestamp"))
        return ccxt_reports.fill(
            {**trade, "side": row.get("side") or trade["side"]},
            order_id=order_id,
            symbol=row["symbol"],
            at=self._market_time(at),
            worth=lambda currency, fee, notional: self._worth(row["symbol"], currency, fee, notional),
        )

    def _market_time(self, at: datetime | None) -> datetime:
        """The market time of a moment of the account. They differ only where a practice market runs by itself."""
        market, real = self._clock.market(), self._clock.real()
        if at is None:
            return market
        return at if abs(market - real) < SAME_CLOCK else market - max(real - at, timedelta(0))

    def _worth(self, symbol: str, currency: str, fee: Decimal, notional: Decimal) -> Decimal:
        """A fee in a third coin, in the quote currency of ``symbol``, at the price of now.

        Without a price it counts as what the pair's own fee would have been: a fill is booked all the same, and the
        coin itself is exact.
        """
        instrument = self.instruments()[symbol]
        try:
            ticker = self.exchange.call(Purpose.ACCOUNT, "fetch_ticker", f"{currency}/{instrument.quote}")
            if price := ccxt_reports.exact(ticker.get("last")):
                return fee * price
        except VenueError as failure:
            log.warning("no price for a fee", currency=currency, error=failure.message)
        return notional * instrument.taker_fee


def _size_of(trades: Iterable[Row]) -> Decimal:
    return sum((ccxt_reports.exact(each["amount"]) or ZERO for each in trades), ZERO)


def _our_ids(trade: Row) -> tuple[Any, ...]:
    """What a trade says, in the exchange's own words, of the client id of its order: ccxt does not read it."""
    return trade.get("clOrdId"), trade.get("orderLinkId")


def _rfc3339(ms: int) -> str:
    """A moment in whole seconds, not later."""
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _purpose(order: Order) -> Purpose:
    """Why ``order`` is looked up: an exit may wait for what became of another one, or of what is being cancelled."""
    looks = order.role is Role.ENTRY and order.status is not Status.CANCELLING
    return Purpose.ACCOUNT if looks else Purpose.EXIT


def open_ccxt(
    exchange: Exchange, clock: Clock, *, account: str, symbols: Sequence[str], check: bool = True
) -> CcxtVenue:
    """The account ``account`` at ``exchange``; ``check`` asks it what the key may do.

    Raises BadConfig where the desk cannot trade there, for a key that cannot be used, and for ``symbols`` that are no
    spot markets; VenueUnreachable.
    """
    venue = CcxtVenue(exchange, clock, account=account, symbols=symbols)
    if venue.can.missing:
        raise BadConfig(
            f"the desk does not trade on {exchange.name}: {'; '.join(venue.can.missing)}",
            hint='it can be used for its prices: desk.venue = "paper" and feed.name = "ccxt"',
        )
    need_key(exchange)
    known = venue.instruments()
    if missing := [symbol for symbol in symbols if symbol not in known]:
        nearest = difflib.get_close_matches(missing[0], known, n=3, cutoff=0.5)
        raise BadConfig(
            f"{exchange.name} has no spot market {', '.join(missing)}",
            hint=f"did you mean {', '.join(nearest)}?" if nearest else "set desk.symbols to markets that it has",
        )
    if check:
        check_key(exchange)
    return venue
