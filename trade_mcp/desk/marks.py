"""Marks: what the desk is worth, bar by bar, and the brakes that trip when it is worth too little (or enough).

The second of two fresh marks that both reach a limit trips its brake. Both are in the ledger, so a restart between
them changes nothing, and neither do missed midnights: the equity a day began with is computed even if nobody ran then.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from trade_mcp.desk.gate import Gate
from trade_mcp.desk.judge import Judge
from trade_mcp.desk.market import Market, held
from trade_mcp.domain import events as e
from trade_mcp.domain.book import Book
from trade_mcp.domain.calendar import Days
from trade_mcp.domain.instrument import ZERO
from trade_mcp.domain.market import Quote, timeframe_delta
from trade_mcp.domain.order import Side, Source
from trade_mcp.ports import Clock, Hours
from trade_mcp.risk import brakes
from trade_mcp.risk.policy import Policy
from trade_mcp.risk.standing import Standing, standing
from trade_mcp.store.leases import Lease
from trade_mcp.store.log import Log
from trade_mcp.store.reads import fills

LONGEST_PAUSE_S = 600.0  # real time between two tries to flatten


class Marks:
    """The watcher's last step: marks, baselines, brakes."""

    def __init__(
        self,
        ledger: Log,
        market: Market,
        gate: Gate,
        *,
        judge: Judge,
        hours: Hours,
        clock: Clock,
        make_id: Callable[[], str],
    ):
        self._log, self._market, self._gate, self._judge = ledger, market, gate, judge
        self._hours, self._clock, self._make_id = hours, clock, make_id
        self._marked: datetime | None = None
        self._flattened, self._again_at = 0, 0.0  # tries so far, and when (boot time) the next one is due

    def step(self, lease: Lease | None = None) -> None:
        """Release what is over, begin a new day, mark what the desk is worth, trip what is reached, flatten."""
        now = self._clock.market()
        days = self._hours.days(now)
        self._begin_periods(days, lease)
        book = self._log.refresh()
        policy = self._judge.policy(book)
        if timed := self._by_the_clock(book, policy, now):
            self._write(book, timed, lease)
        self._mark(days, now, lease)
        self._flatten(policy)

    def _begin_periods(self, days: Days, lease: Lease | None) -> None:
        """The baseline of each period that began since the last look; a clock that was set back begins none."""
        book = self._log.refresh()
        begun = [(e.Period.DAY, days.day), (e.Period.WEEK, days.week)]
        fresh = [(period, at) for period, at in begun if period not in book.periods or book.periods[period].at < at]
        if fresh:
            found = {at: self._equity_at(book, at) for _, at in fresh}
            self._write(book, [e.BaselineSet(period, at, found[at]) for period, at in fresh], lease)

    def _equity_at(self, book: Book, at: datetime) -> Decimal:
        """What the desk was worth at ``at``: without the fills since, at the last prices before.

        Where a price is not known any more, the last mark stands in.
        """
        cash, sizes = book.cash, {symbol: position.size for symbol, position in book.positions.items()}
        for one in fills(self._log.engine, since=at):
            fill = one.fill
            base = fill.symbol.partition("/")[0]
            sign = 1 if fill.side is Side.BUY else -1
            in_base = fill.fee if fill.fee_currency == base else ZERO
            cash += sign * fill.size * fill.price + (fill.fee if fill.fee_currency == book.quote else ZERO)
            sizes[fill.symbol] = sizes.get(fill.symbol, ZERO) - sign * fill.size + in_base
        worth = cash
        for symbol, size in sizes.items():
            if size:
                price = self._market.last_close(symbol, at)
                if price is None:
                    return book.mark.equity
                worth += size * price
        return worth

    def _by_the_clock(self, book: Book, policy: Policy, now: datetime) -> list[e.Event]:
        """Brakes whose time is over, and those that need no price: strategies that rest, a venue that says no."""
        found: list[e.Event] = [
            e.BrakeReleased(brake.name, brakes.RELEASES[brake.name], scope=brake.scope)
            for brake in book.brakes.values()
            if brake.until is not None and now >= brake.until
        ]
        found += brakes.resting(book, policy, now=now)
        if (no := brakes.too_many_rejections(book, policy, now=now, real=self._clock.real())) is not None:
            found.append(no)
        return found

    def _mark(self, days: Days, now: datetime, lease: Lease | None) -> None:
        """Mark once for each bar if the equity may have moved; between bars, when a limit is reached or left again."""
        bar = floor_to(now, timeframe_delta(self._market.timeframe))
        book = self._log.refresh()
        policy = self._judge.policy(book)
        quotes = self._market.quotes(held(book))
        stands = standing(book, {symbol: quote.bid for symbol, quote in quotes.items()})
        equity = stands.equity
        if equity is None:
            return  # unknown is unknown: no equity with a made-up price
        due = self._marked != bar and (equity != book.equity or bool(book.positions))
        self._marked = bar
        held_at = [quotes[symbol] for symbol in book.positions]
        new = brakes.fresh(book, held_at, now=now, most_s=policy.max_quote_age_s)
        seen = max((quote.at for quote in held_at), default=bar)
        reaches, reached = brakes.reached(book, policy, equity), brakes.reached(book, policy, book.mark.equity)
        trips = brakes.tripping(book, policy, equity, now=now, days=days) if new else []
        turned = bool(reached) and not reaches  # it was a wick: two new ones are needed from here
        if due or trips or turned or (reaches and new):
            at = bar if due else now
            if not self._write(book, [_marked(at, equity, book, stands, quotes, seen), *trips], lease):
                self._marked = None  # the book moved on: the next round marks it

    def _flatten(self, policy: Policy) -> None:
        """Sell everything at the hard drawdown, if the policy says so; what fails is tried less and less often."""
        brake = self._log.refresh().brakes.get("hard_drawdown")
        if brake is None or not policy.flatten_on_hard_drawdown:
            self._flattened, self._again_at = 0, 0.0
        elif self._clock.boot() >= self._again_at:
            self._again_at = self._clock.boot() + min(5.0 * 2**self._flattened, LONGEST_PAUSE_S)
            self._flattened = min(self._flattened + 1, 10)
            self._gate.flatten(Source.EXIT, reason=brake.reason, make_id=self._make_id)

    def _write(self, book: Book, events: Sequence[e.Event], lease: Lease | None) -> bool:
        """Append ``events`` unless somebody changed ``book`` meanwhile; whether they are in the ledger."""
        with self._log.writing(lease) as ledger:
            if ledger.book.seq != book.seq:
                return False
            for event in events:
                ledger.append(event)
        return True


def _marked(
    at: datetime, equity: Decimal, book: Book, stands: Standing, quotes: dict[str, Quote], seen: datetime
) -> e.EquityMarked:
    return e.EquityMarked(
        at,
        equity,
        book.cash,
        share(stands.exposure, equity),
        share(stands.heat, equity),
        {symbol: quote.bid for symbol, quote in quotes.items()},
        seen,
    )


def share(part: Decimal, equity: Decimal) -> Decimal:
    """``part`` of ``equity`` as a fraction, to six places; 1 when there is no equity left to divide by."""
    return (part / equity).quantize(Decimal("1e-6")) if equity > 0 else Decimal(1)


def floor_to(at: datetime, step: timedelta) -> datetime:
    """The newest boundary of ``step`` at or before ``at`` (UTC)."""
    since = at - datetime(1970, 1, 1, tzinfo=at.tzinfo)
    return at - since % step
