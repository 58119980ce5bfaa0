"""Health: is the desk alive, who does what, and why did it not trade. What `get_status` and `up` show."""

from datetime import datetime

from msgspec import Struct

from trade_mcp.domain.events import TradingState
from trade_mcp.ports import Clock, Feed, Venue
from trade_mcp.store.leases import Heartbeat, Heartbeats, Leases
from trade_mcp.store.log import Log

ROLES = ("watch", "decide")
STALE_S = 10.0  # real seconds without a heartbeat until a program counts as silent


class ProgramHealth(Struct, frozen=True):
    """One program as its heartbeat says."""

    program: str
    pid: int
    code: str
    age_s: float
    alive: bool
    detail: dict[str, object]


class Health(Struct, frozen=True):
    """The desk's state now. ``problems`` are sentences, empty when all is well."""

    mode: str
    feed: str
    synthetic: bool
    venue: str
    account: str
    market_at: datetime
    real_at: datetime
    feed_end: datetime | None
    state: TradingState
    state_reason: str
    policy: str
    seq: int
    programs: tuple[ProgramHealth, ...]
    leases: dict[str, str]
    unprotected: tuple[str, ...]
    breaks: dict[str, str]
    problems: tuple[str, ...]


def health(ledger: Log, feed: Feed, venue: Venue, *, clock: Clock, leases: Leases, heartbeats: Heartbeats) -> Health:
    """Ask everything once."""
    book, market_at = ledger.refresh(), clock.market()
    real = clock.real()
    programs = tuple(_program(beat, (real - beat.at).total_seconds()) for beat in heartbeats.all())
    held = {name: leases.holder(name) for name in ROLES}
    holders = {name: holder.holder for name, holder in held.items() if holder is not None}
    problems = []
    if book.state is not TradingState.ACTIVE:
        problems.append(f"trading is {book.state}: {book.state_reason}")
    if "watch" not in holders:
        problems.append("nobody watches the exits: no entries until `trade-mcp watch` runs")
    if "decide" not in holders:
        problems.append("no loop is running: nothing trades by itself until `trade-mcp loop` runs")
    problems += [f"{symbol} has no live stop" for symbol in book.unprotected()]
    problems += [f"no entries in {currency}: {why}" for currency, why in book.breaks.items()]
    problems += [
        f"{p.program} failed: {p.detail['last_error']}" for p in programs if p.alive and p.detail.get("last_error")
    ]
    if feed.end is not None and market_at >= feed.end:
        problems.append(f"the data ended at {feed.end:%Y-%m-%d %H:%M} UTC: market time stands still")
    return Health(
        mode=venue.name,
        feed=feed.identity,
        synthetic=feed.synthetic,
        venue=venue.name,
        account=venue.account,
        market_at=market_at,
        real_at=real,
        feed_end=feed.end,
        state=book.state,
        state_reason=book.state_reason,
        policy=book.policy,
        seq=book.seq,
        programs=programs,
        leases=holders,
        unprotected=tuple(book.unprotected()),
        breaks=dict(book.breaks),
        problems=tuple(problems),
    )


def _program(beat: Heartbeat, age_s: float) -> ProgramHealth:
    return ProgramHealth(beat.program, beat.pid, beat.code, round(age_s, 1), age_s < STALE_S, beat.detail)
