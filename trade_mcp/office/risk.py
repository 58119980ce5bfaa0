"""Risk: every limit with its use, the brakes that hold, what moves together, and what stands in the way of entries."""

from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from trade_mcp.desk.judge import Judge
from trade_mcp.desk.market import Market, held
from trade_mcp.desk.trading import Trading
from trade_mcp.domain.calendar import next_start, within
from trade_mcp.domain.events import Period, TradingState
from trade_mcp.ports import Clock, Hours
from trade_mcp.risk.brakes import RELEASES
from trade_mcp.risk.standing import standing
from trade_mcp.risk.uses import Use, clusters, uses
from trade_mcp.store.leases import Heartbeats
from trade_mcp.store.log import Log


class Held(Struct, frozen=True, kw_only=True):
    """One brake that holds."""

    brake: str
    scope: str  # the strategy (and symbol) that rests; "": all
    effect: TradingState  # what it forces on all trading
    since: datetime
    until: datetime | None
    reason: str
    cleared_by: str


class Closed(Struct, frozen=True):
    """A symbol that cannot be entered now because of the hour, and when it can again."""

    symbol: str
    why: str  # "closed" or "quiet"
    opens_at: datetime | None


class Cluster(Struct, frozen=True):
    """Symbols that move together, and their share of equity."""

    symbols: tuple[str, ...]
    share: Decimal | None


class Risk(Struct, frozen=True, kw_only=True):
    """The desk's risk at market time ``as_of``."""

    as_of: datetime
    state: TradingState
    state_reason: str
    cleared_by: str  # "" while trading is active
    brakes: tuple[Held, ...]
    breaks: dict[str, str]
    closed: tuple[Closed, ...]
    clusters: tuple[Cluster, ...]
    correlations_of: str  # the day they are of, or "unknown"
    began: dict[str, Decimal]  # equity when the day and the week began
    high_water: Decimal
    equity: Decimal | None
    limits: tuple[Use, ...]

    @property
    def over(self) -> tuple[str, ...]:
        """Limits that prices moved past since they were kept."""
        return tuple(use.key for use in self.limits if use.headroom is not None and use.headroom < 0)


def risk(
    ledger: Log,
    market: Market,
    *,
    judge: Judge,
    trading: Trading,
    hours: Hours,
    clock: Clock,
    heartbeats: Heartbeats,
) -> Risk:
    """Where the desk stands against everything in force, with what other processes committed."""
    book, now = ledger.refresh(), clock.market()
    policy, known = judge.policy(book), judge.correlations(now)
    state, state_reason = trading.now(book)
    marks = market.marks(held(book))
    stands = standing(book, marks)
    return Risk(
        as_of=now,
        state=state,
        state_reason=state_reason,
        cleared_by=trading.cleared_by(book),
        brakes=tuple(
            Held(
                brake=one.name,
                scope=one.scope,
                effect=one.effect,
                since=one.since,
                until=one.until,
                reason=one.reason,
                cleared_by=RELEASES[one.name],
            )
            for one in book.brakes.values()
        ),
        breaks=dict(book.breaks),
        closed=tuple(_closed(market.symbols, hours, policy.quiet_hours, now)),
        clusters=tuple(
            Cluster(symbols, notional / stands.equity if stands.equity else None)
            for notional, symbols in clusters(stands, policy, known)
        ),
        correlations_of="unknown" if known is None else known.day.isoformat(),
        began={period.value: book.periods[period].equity for period in Period if period in book.periods},
        high_water=book.high_water,
        equity=stands.equity,
        limits=uses(
            book,
            policy,
            marks=marks,
            now=now,
            real=clock.real(),
            correlations=known,
            watcher_silence_s=heartbeats.silence_s("watch"),
        ),
    )


def _closed(symbols: tuple[str, ...], hours: Hours, quiet_hours: tuple[str, ...], now: datetime) -> list[Closed]:
    found = []
    quiet = within(hours.quiet(quiet_hours, now), now)
    for symbol in symbols:
        sessions = hours.sessions(symbol, now)
        if sessions is not None and within(sessions, now) is None:
            found.append(Closed(symbol, "closed", next_start(sessions, now)))
        elif quiet is not None:
            found.append(Closed(symbol, "quiet", quiet.end))
    return found
