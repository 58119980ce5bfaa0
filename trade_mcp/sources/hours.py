"""Hours: when symbols trade. Stocks in the sessions of their exchange, half-days and holidays included, crypto always.

The tables of exchange-calendars are read here and handed on as spans of UTC. The library is heavy: it is loaded only
where stocks trade.
"""

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from trade_mcp.domain.calendar import DAY, Days, Span, merged, session_days, utc_days
from trade_mcp.domain.errors import BadConfig

AROUND = timedelta(days=45)  # of sessions on either side of the month looked at

type Table = tuple[tuple[Span, ...], tuple[Span, ...]]  # what is open, and whole sessions with their pause at noon


class TradingHours:
    """``symbols`` are what the desk trades, ``stocks`` those that trade in the sessions of ``exchange`` ("XNYS")."""

    def __init__(self, symbols: Collection[str], *, stocks: Collection[str] = (), exchange: str = "XNYS"):
        self._stocks, self._exchange = frozenset(stocks), exchange
        self._in_sessions = bool(symbols) and self._stocks.issuperset(symbols)
        self._month = lru_cache(maxsize=4)(self._read)
        self._quiet = lru_cache(maxsize=8)(_quiet)

    def check(self, quiet_hours: tuple[str, ...], now: datetime) -> None:
        """Raises BadConfig for an exchange or a zone that nobody knows."""
        self.quiet(quiet_hours, now)
        if self._stocks:
            self._sessions(now)

    def sessions(self, symbol: str, now: datetime) -> tuple[Span, ...] | None:
        """The sessions around ``now`` in which ``symbol`` trades; None: it always does."""
        return self._sessions(now) if symbol in self._stocks else None

    def quiet(self, hours: tuple[str, ...], now: datetime) -> tuple[Span, ...]:
        """``hours`` ("22:00-06:00 Europe/Berlin") around ``now``, by the clocks of their zones."""
        return self._quiet(hours, now.date()) if hours else ()

    def days(self, now: datetime) -> Days:
        """Day and week that losses are counted over: of the session if all symbols trade in one, else of UTC."""
        return session_days(self._table(now)[1], now) if self._in_sessions else utc_days(now)

    def _sessions(self, now: datetime) -> tuple[Span, ...]:
        return self._table(now)[0]

    def _table(self, now: datetime) -> Table:
        return self._month(now.date().replace(day=1))

    def _read(self, month: date) -> Table:
        import exchange_calendars
        from exchange_calendars.errors import InvalidCalendarName

        try:
            table = exchange_calendars.get_calendar(self._exchange, start=month - AROUND, end=month + 2 * AROUND)
        except InvalidCalendarName:
            known = exchange_calendars.get_calendar_names()
            near = get_close_matches(self._exchange, known, n=3)
            raise BadConfig(
                f"calendar.exchange = {self._exchange!r} is no calendar that exchange-calendars has",
                hint=f"did you mean {', '.join(near)}?" if near else "XNYS is New York, XLON London, XETR Frankfurt",
            ) from None
        spans, whole = [], []
        for opens, closes, noon, after in zip(
            table.opens, table.closes, table.break_starts, table.break_ends, strict=True
        ):
            whole.append(Span(_utc(opens), _utc(closes)))
            if noon == noon:  # not NaT: it closes at noon for a while
                spans += [Span(_utc(opens), _utc(noon)), Span(_utc(after), _utc(closes))]
            else:
                spans.append(whole[-1])
        return tuple(spans), tuple(whole)


def _quiet(hours: tuple[str, ...], today: date) -> tuple[Span, ...]:
    found = []
    for said in hours:
        span, _, name = said.partition(" ")
        start, _, end = span.partition("-")
        begins, ends = time.fromisoformat(start), time.fromisoformat(end)
        try:
            zone = ZoneInfo(name or "UTC")
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise BadConfig(
                f"[limits] quiet_hours names the zone {name!r}, which is none", hint="for example Europe/Berlin"
            ) from None
        for number in range(-2, 9):
            day = today + number * DAY
            later = day + DAY if ends <= begins else day
            found.append(Span(_utc(datetime.combine(day, begins, zone)), _utc(datetime.combine(later, ends, zone))))
    return merged([span for span in found if span.start < span.end])


def _utc(at: datetime) -> datetime:
    """A plain UTC datetime, of a pandas Timestamp too."""
    return datetime.fromtimestamp(at.timestamp(), UTC)
