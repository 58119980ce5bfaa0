"""Health: is the desk alive, who does what, and why did it not trade. What `get_status`, `up` and /healthz show.

All of it is found out now, from events, heartbeats, leases and prices that moved; what is only configured proves
nothing. A sentence about a problem has no number in it that runs: the same problem is the same sentence.
"""

import shutil
import socket
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from math import inf

from msgspec import Struct

from trade_mcp.desk.trading import Trading
from trade_mcp.desk.watched import NOBODY, unwatched
from trade_mcp.domain.book import Book
from trade_mcp.domain.errors import FeedError, LedgerBusy, LedgerError
from trade_mcp.domain.events import TradingState
from trade_mcp.office.installed import installed_code
from trade_mcp.office.ticks import Ticks, ticks
from trade_mcp.ports import Clock, Feed, Venue
from trade_mcp.risk.policy import parse_policy
from trade_mcp.store.engine import MEMORY, Engine
from trade_mcp.store.leases import Heartbeat, Heartbeats, Leases, dead
from trade_mcp.store.log import Log

ROLES = ("watch", "decide")
STALE_S = 10.0  # real seconds without a heartbeat until a program counts as silent
FORGOTTEN_S = 3600.0  # a program that hangs for longer than this is told of no more
CLOCK_S = 2.0  # so far may the real clock be set, or two machines differ
WRITE_WITHIN_S = 1.0
HASTY_S = 2.0  # where bars are shorter than this in real time, missed ones are counted and are no problem
LEAST_FREE = 100_000_000  # bytes on the disk of the ledger


class Expected(Struct, frozen=True):
    """What this desk is set to do: what is found is held against it, never taken from it."""

    symbols: tuple[str, ...]
    step: timedelta  # of the bars the loop decides at
    loop: bool  # it is to decide
    bar_s: float = inf  # real seconds a bar lasts: a replay may be faster than any loop


class ProgramHealth(Struct, frozen=True):
    """One program as its heartbeat says."""

    program: str
    pid: int
    code: str
    age_s: float
    up_s: float
    alive: bool
    detail: dict[str, object]


class Problem(Struct, frozen=True):
    """What is wrong. ``failing``: the desk does not do its work; else somebody should look.

    ``why`` may hold amounts, and what others wrote: it is for those who are let in, ``text`` for whoever asks.
    """

    text: str
    failing: bool = True
    why: str = ""

    def __str__(self) -> str:
        return f"{self.text}: {self.why}" if self.why else self.text


class Health(Struct, frozen=True):
    """The desk's state now."""

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
    ticks: Ticks
    unprotected: tuple[str, ...]
    breaks: dict[str, str]
    found: tuple[Problem, ...]

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong, in sentences; none when all is well."""
        return tuple(map(str, self.found))

    @property
    def failing(self) -> tuple[str, ...]:
        """Of the problems those that keep the desk from its work."""
        return tuple(str(problem) for problem in self.found if problem.failing)


def health(
    ledger: Log,
    feed: Feed,
    venue: Venue,
    *,
    trading: Trading,
    clock: Clock,
    leases: Leases,
    heartbeats: Heartbeats,
    expected: Expected,
) -> Health:
    """Ask everything once. Raises LedgerError when even the ledger cannot be read."""
    book, market_at = ledger.refresh(), clock.market()
    state, reason = trading.now(book)
    beats = heartbeats.all()
    held = {holder.name: holder.holder for holder in leases.held() if holder.name in ROLES}
    done = ticks(ledger.engine, expected.step, now=market_at)
    bare = unprotected(book, feed, beats, now=market_at)
    found = [
        *ledger_problems(ledger.engine),
        *watcher_problems(held, beats),
        *loop_problems(held, beats, done, expected),
        *price_problems(feed, book, expected.symbols, now=market_at),
        *book_problems(book, state, reason),
        *stop_problems(bare),
        *waiting_problems(book, now=clock.real()),
        *program_problems(beats, installed=installed_code(clock.boot())),
        *clock_problems(beats),
    ]
    return Health(
        mode=book.mode,
        feed=feed.identity,
        synthetic=feed.synthetic,
        venue=venue.name,
        account=venue.account,
        market_at=market_at,
        real_at=clock.real(),
        feed_end=feed.end,
        state=state,
        state_reason=reason,
        policy=book.policy,
        seq=book.seq,
        programs=tuple(_program(beat) for beat in beats),
        leases=held,
        ticks=done,
        unprotected=tuple(bare),
        breaks=dict(book.breaks),
        found=tuple(found),
    )


def ledger_problems(engine: Engine) -> Iterator[Problem]:
    """Whether a line could be written now: tried, and taken back."""
    try:
        with engine.transaction(wait_s=WRITE_WITHIN_S):
            pass
    except LedgerBusy:
        yield Problem("the ledger is busy: another program holds it, and nothing can be written")
    except LedgerError as error:
        yield Problem("the ledger cannot be written", why=error.message)
    if engine.path != MEMORY and shutil.disk_usage(engine.path.parent).free < LEAST_FREE:
        yield Problem(f"the disk of the ledger is nearly full: less than {LEAST_FREE // 1_000_000} MB are free")


def watcher_problems(held: dict[str, str], beats: list[Heartbeat]) -> Iterator[Problem]:
    """A watcher has the role, and finishes its rounds."""
    if "watch" not in held:
        yield Problem("nobody watches the exits: no entries until `trade-mcp watch` runs")
    elif not beating("watch", beats):
        yield _no_round("watcher", held["watch"], "exits are not watched", beats)


def loop_problems(held: dict[str, str], beats: list[Heartbeat], done: Ticks, expected: Expected) -> Iterator[Problem]:
    """A loop has the role, finishes its rounds, and decided at every bar; unless it is switched off."""
    if not expected.loop:
        return
    if "decide" not in held:
        yield Problem("no loop is running: nothing trades by itself until `trade-mcp loop` runs")
    elif not beating("loop", beats):
        yield _no_round("loop", held["decide"], "nothing trades by itself", beats)
    elif done.missed and expected.bar_s >= HASTY_S:
        yield Problem("the loop missed the close of bars in the last day of market time", failing=False)


def price_problems(feed: Feed, book: Book, symbols: tuple[str, ...], *, now: datetime) -> Iterator[Problem]:
    """A feed may be there and say nothing: what counts is when the last price came."""
    if feed.end is not None and now >= feed.end:
        yield Problem(f"the data ended at {feed.end:%Y-%m-%d %H:%M} UTC: market time stands still", failing=False)
        return
    if feed.trouble:
        yield Problem("the price stream is gone, and REST has taken over", failing=False, why=feed.trouble)
    limit, silent = parse_policy(book.policy_text).max_quote_age_s, []
    for symbol in symbols:
        try:
            quote = feed.quote(symbol, now=now)
        except FeedError as error:
            silent.append(f"{symbol} has no price: {error.message}")
        else:
            if quote.overdue_s(now) > limit:
                silent.append(f"{symbol} has had no new price since {quote.at:%Y-%m-%d %H:%M:%S} UTC: no entries in it")
    if silent and len(silent) == len(symbols):
        yield Problem(f"the feed is silent: {silent[0]}")
    else:
        yield from (Problem(text, failing=False) for text in silent)


def book_problems(book: Book, state: TradingState, reason: str) -> Iterator[Problem]:
    """What keeps the desk from entries."""
    if state is not TradingState.ACTIVE:
        yield Problem(f"trading is {state}", failing=False, why=reason)
    for currency, why in book.breaks.items():
        yield Problem(f"no entries in {currency}", failing=False, why=why)


def unprotected(book: Book, feed: Feed, beats: list[Heartbeat], *, now: datetime) -> dict[str, str]:
    """Positions that no stop protects now; and why not, where the desk watches the stops itself."""
    if not book.stops_watched:
        return dict.fromkeys(book.unprotected(), "")
    if not beating("watch", beats):
        return dict.fromkeys(book.with_stops, NOBODY)
    most_s = parse_policy(book.policy_text).max_quote_age_s
    return unwatched(book, partial(feed.quote, now=now), now=now, most_s=most_s)


def stop_problems(bare: Mapping[str, str]) -> Iterator[Problem]:
    """Positions that nothing protects, by `unprotected`."""
    for symbol, why in bare.items():
        yield Problem(f"{symbol} has no live stop", why=why)


def waiting_problems(book: Book, *, now: datetime) -> Iterator[Problem]:
    """Entries that a person is asked about: somebody should answer."""
    for one in book.proposals.values():
        if now < one.expires_at:
            why = f"until {one.expires_at:%H:%M} UTC: trade-mcp approve {one.proposal_id}"
            yield Problem(f"an entry in {one.request.symbol} waits for a person", failing=False, why=why)


def program_problems(beats: list[Heartbeat], *, installed: str) -> Iterator[Problem]:
    """Programs that fail, that hang, or whose code is not the one on the disk."""
    for beat in beats:
        if alive(beat) and (error := beat.detail.get("last_error")):
            yield Problem(f"{beat.program} failed", failing=False, why=str(error))
        if alive(beat) and "+" in beat.code and beat.code != installed:
            text = f"{beat.program} (process {beat.pid}) runs code {beat.code}, installed is {installed}: restart it"
            yield Problem(text, failing=False)
        if STALE_S <= beat.age_s < FORGOTTEN_S and beat.host == socket.gethostname() and not dead(beat.pid):
            text = f"{beat.program} (process {beat.pid}) hangs: no sign of life since {beat.at:%H:%M:%S} UTC"
            yield Problem(text, failing=False)


def clock_problems(beats: list[Heartbeat]) -> Iterator[Problem]:
    """Whether the real clock was set while programs ran."""
    if any(beat.age_s < -CLOCK_S for beat in beats):
        yield Problem("the clock was set back: there are heartbeats from a time that has not come yet", failing=False)
    for beat in beats:
        if alive(beat) and abs(beat.stepped_s) > CLOCK_S:
            text = f"the clock was set by {beat.stepped_s:+.0f} s while {beat.program} (process {beat.pid}) ran"
            yield Problem(text, failing=False)


def alive(beat: Heartbeat) -> bool:
    """Whether the program gave a sign just now. One from the future was given before the clock was set back."""
    return -CLOCK_S <= beat.age_s < STALE_S


def beating(program: str, beats: list[Heartbeat]) -> bool:
    """Whether ``program`` gives signs, in whichever process."""
    return any(beat.program == program and alive(beat) for beat in beats)


def _no_round(program: str, holder: str, so: str, beats: list[Heartbeat]) -> Problem:
    """``holder`` has the role of ``program`` and gives no sign: an evil, unless its process only just began."""
    young = (f"{beat.host}:{beat.pid}:" for beat in beats if alive(beat) and beat.up_s < STALE_S)
    if holder.startswith(tuple(young)):
        return Problem(f"the {program} {holder} began just now: its first round is not done", failing=False)
    return Problem(f"the {program} {holder} has the role and finishes no round: {so}")


def _program(beat: Heartbeat) -> ProgramHealth:
    age_s = round(max(0.0, beat.age_s), 1)
    return ProgramHealth(beat.program, beat.pid, beat.code, age_s, round(beat.up_s, 1), alive(beat), beat.detail)
