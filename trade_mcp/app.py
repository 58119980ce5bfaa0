"""App: the desk built from its settings. All wiring is in `build`; programs, tools and commands use what it gives."""

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from decimal import Decimal
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from msgspec import structs
from uuid_utils import uuid7

from trade_mcp import __version__
from trade_mcp.clock import LiveClock, SharedClock, open_clock
from trade_mcp.desk.cancel_timer import CancelTimer
from trade_mcp.desk.decide import Decide
from trade_mcp.desk.exits import Exits
from trade_mcp.desk.gate import Gate
from trade_mcp.desk.judge import Judge
from trade_mcp.desk.market import Market
from trade_mcp.desk.marks import Marks
from trade_mcp.desk.proposals import Proposals
from trade_mcp.desk.reconcile import Reconcile, first_cursors
from trade_mcp.desk.send import Sender
from trade_mcp.desk.signals import Signals
from trade_mcp.desk.takeover import Takeover
from trade_mcp.desk.trading import Trading
from trade_mcp.desk.watch import Watch
from trade_mcp.domain.errors import BadConfig, TradeError
from trade_mcp.domain.events import LedgerOpened, PolicyAdopted, StopsWatched
from trade_mcp.domain.instrument import ZERO
from trade_mcp.domain.market import timeframe_delta
from trade_mcp.feeds import FEEDS
from trade_mcp.logs.orders import tell
from trade_mcp.office.health import Expected, Health, health, unprotected
from trade_mcp.office.installed import running_code
from trade_mcp.office.portfolio import Portfolio
from trade_mcp.office.risk import Risk, risk
from trade_mcp.ports import Feed, Hours, Venue
from trade_mcp.risk.policy import OTHERS, Policy, check_names, differences, parse_policy, policy_hash, policy_text
from trade_mcp.settings import Settings
from trade_mcp.settings.secrets import secret
from trade_mcp.settings.sections import parameters
from trade_mcp.sources.hours import TradingHours
from trade_mcp.sources.voices import Voice, checked, voice
from trade_mcp.store.correlations import Known
from trade_mcp.store.engine import open_engine
from trade_mcp.store.flag import HaltFlag
from trade_mcp.store.leases import Heartbeats, Leases
from trade_mcp.store.log import Log, open_ledger
from trade_mcp.store.reads import order_ids
from trade_mcp.store.spill import Spill
from trade_mcp.store.worth import began
from trade_mcp.venues import VENUES

if TYPE_CHECKING:
    from trade_mcp.venues.exchange import Exchange

RUNNING = frozenset({"serve", "loop", "watch", "tick"})  # programs that keep market time going
DECIDING = frozenset({"serve", "loop", "tick", "up"})  # programs that ask the strategies, and begin with good ones
LISTENING = frozenset({"serve", "loop", "watch"})  # programs that stay, and listen to live prices
ALWAYS = frozenset({"watch", "halt", "disarm"})  # programs that start whatever the limits name
PULSE_S = 1.0

log = structlog.get_logger(__name__)


class App:
    """The built desk of one process. Close it, or use `with`."""

    def __init__(self, settings: Settings, program: str, *, closing: ExitStack, **parts: Any):
        self.settings, self.program = settings, program
        self._closing = closing
        self.engine = parts["engine"]
        self.clock: SharedClock = parts["clock"]
        self.feed: Feed = parts["feed"]
        self.venue: Venue = parts["venue"]
        self.market: Market = parts["market"]
        self.log = parts["ledger"]
        self.leases: Leases = parts["leases"]
        self.heartbeats: Heartbeats = parts["heartbeats"]
        self.judge: Judge = parts["judge"]
        self.gate: Gate = parts["gate"]
        self.trading: Trading = parts["trading"]
        self.proposals: Proposals = parts["proposals"]
        self.reconcile: Reconcile = parts["reconcile"]
        self.takeover: Takeover = parts["takeover"]
        self.hours: Hours = parts["hours"]
        self.watch: Watch = parts["watch"]
        self.signals: Signals = parts["signals"]
        self.decide: Decide = parts["decide"]
        self.portfolio: Portfolio = parts["portfolio"]
        self.new_id = new_id

    def __enter__(self) -> "App":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back files and threads."""
        self._closing.close()

    def health(self) -> Health:
        """Is everything alive, and what is wrong."""
        return health(
            self.log,
            self.feed,
            self.venue,
            trading=self.trading,
            clock=self.clock,
            leases=self.leases,
            heartbeats=self.heartbeats,
            expected=expected(self.settings, self.market.symbols, self.market.timeframe),
        )

    def risk(self) -> Risk:
        """Every limit with its use, the brakes that hold, and what stands in the way of entries."""
        return risk(
            self.log,
            self.market,
            judge=self.judge,
            trading=self.trading,
            hours=self.hours,
            clock=self.clock,
            heartbeats=self.heartbeats,
        )

    def policy_changes(self) -> list[tuple[str, Any, Any]]:
        """Where this process's limits differ from those in force: key, in force, ours."""
        return differences(parse_policy(self.log.refresh().policy_text), self.judge.own)

    def adopt_policy(self, *, by: str) -> None:
        """Put this process's limits in force, for everybody on this ledger. A person's act."""
        with self.log.writing() as ledger:
            if ledger.book.policy != self.judge.own_hash:
                ledger.append(_adopted(self.judge.own, by))


def build(settings: Settings, program: str) -> App:
    """The desk of ``settings``, schema at head, ledger bound, for the process ``program``.

    Raises TradeError for everything that cannot be: foreign or newer database, unknown symbol, bad candle file.
    """
    with ExitStack() as closing:
        engine = open_engine(settings.desk.ledger_url)
        closing.callback(engine.close)
        voices = []
        for name, table in settings.active_strategies.items():
            voices.append(voice(name, table, parameters(table)))
            closing.callback(voices[-1].close)
            if program in DECIDING:
                checked(voices[-1])
            if program == "up":  # it checks for the programs that it starts, and asks nothing itself
                voices[-1].close()
        # What a person's own strategy does holds up no halt and no watcher: those never load it.
        feed = open_feed(
            settings, [one for one in voices if program in DECIDING or not one.custom], listen=program in LISTENING
        )
        if close := getattr(feed, "close", None):
            closing.callback(close)
        symbols = settings.desk.symbols or feed.symbols
        quote = _quote(settings, feed, symbols)
        clock = _clock(settings, feed, engine)
        venue = _venue(settings, feed, clock, quote=quote, symbols=symbols, check=program in DECIDING)
        if close := getattr(venue, "close", None):
            closing.callback(close)
        own = own_policy(settings, symbols)
        if program not in ALWAYS:
            _check_names(own, venue)
        hours = TradingHours(symbols, stocks=settings.calendar.stocks, exchange=settings.calendar.exchange)
        hours.check(own.quiet_hours, clock.market())
        fresh = began(engine) is None
        cursors = first_cursors(venue) if fresh else {}
        opening = LedgerOpened(
            venue=venue.name,
            account=venue.account,
            feed=feed.identity,
            synthetic=feed.synthetic,
            quote=quote,
            capital=settings.desk.capital,
            mode=settings.mode,
            holdings=_external(settings, venue, quote) if fresh else {},
            ledger_id=new_id()[-8:] if hasattr(venue, "names") else "",
        )
        ledger = open_ledger(
            engine, opening, _adopted(own, program), cursors=cursors, code=__version__, clock=clock, tell=tell
        )
        _who_keeps_stops(ledger, venue)
        if names := getattr(venue, "names", None):
            names.ledger, names.book = ledger.book.ledger_id, lambda: order_ids(engine)
        leases = Leases(engine, clock=clock)
        heartbeats = Heartbeats(engine, clock=clock, code=running_code())
        market = Market(feed, venue, clock=clock, symbols=symbols, timeframe=settings.desk.timeframe or feed.timeframe)
        trading = Trading(ledger, HaltFlag(settings.desk.data_dir), clock=clock)
        judge = Judge(
            market,
            clock=clock,
            heartbeats=heartbeats,
            hours=hours,
            correlations=Known(engine, clock=clock),
            trading=trading,
            own=own,
        )
        sender = Sender(ledger, venue, clock=clock, leases=leases, trading=trading)
        exits = Exits(ledger, market, sender, judge=judge, rests=venue.rests, clock=clock)
        gate = Gate(
            ledger,
            market,
            sender,
            exits=exits,
            spill=_spill(engine.path),
            judge=judge,
            trading=trading,
            clock=clock,
            rules=settings.exit_rules,
        )
        proposals = Proposals(ledger, gate, trading, clock=clock)
        reconcile = Reconcile(ledger, venue, sender, market=market, clock=clock)
        marks = Marks(ledger, market, gate, judge=judge, hours=hours, clock=clock, make_id=new_id)
        signals = Signals(market, voices, weights=settings.loop.weights)
        app = App(
            settings,
            program,
            closing=closing.pop_all(),
            engine=engine,
            clock=clock,
            feed=feed,
            venue=venue,
            market=market,
            ledger=ledger,
            leases=leases,
            heartbeats=heartbeats,
            judge=judge,
            gate=gate,
            trading=trading,
            proposals=proposals,
            reconcile=reconcile,
            takeover=Takeover(ledger, market, gate, rules=settings.exit_rules, clock=clock),
            hours=hours,
            watch=Watch(
                ledger,
                feed,
                market,
                gate=gate,
                proposals=proposals,
                timer=CancelTimer(ledger, venue, clock=clock),
                reconcile=reconcile,
                marks=marks,
                judge=judge,
                rests=venue.rests,
                clock=clock,
            ),
            signals=signals,
            decide=Decide(
                ledger,
                market,
                signals,
                gate=gate,
                judge=judge,
                clock=clock,
                rules=settings.exit_rules,
                risk_per_trade=settings.loop.risk_per_trade,
                entry_threshold=settings.loop.entry_threshold,
            ),
            portfolio=Portfolio(
                ledger,
                market,
                clock=clock,
                bare=lambda book: unprotected(book, feed, heartbeats.all(), now=clock.market()),
            ),
        )
    if program in RUNNING:
        app._closing.callback(_pulse(clock))
    return app


def _who_keeps_stops(ledger: Log, venue: Venue) -> None:
    """Written down when it changes: it is asked of ledgers whose venue nobody opens."""
    watched = not venue.rests.stops
    if ledger.book.stops_watched is not watched:
        with ledger.writing() as writer:
            if writer.book.stops_watched is not watched:
                writer.append(StopsWatched(watched))


def _spill(ledger: Path) -> Spill | None:
    """The spill beside the ledger; None where there is no room for one now."""
    try:
        return Spill(ledger.with_name("spill"))
    except OSError as error:
        log.error("no spill: an exit cannot leave while the ledger cannot be written", error=str(error))
        return None


def expected(settings: Settings, symbols: tuple[str, ...], timeframe: str) -> Expected:
    """What the desk of ``settings`` is held against when its health is looked at."""
    step, speed = timeframe_delta(timeframe), settings.feed.speed
    bar_s = inf if speed == "max" else step.total_seconds() / speed  # at "max" the loop moves the market itself
    return Expected(symbols, step, loop=settings.loop.enabled, bar_s=bar_s)


def new_id() -> str:
    """A fresh id, ordered by time."""
    return uuid7().hex


def open_feed(settings: Settings, voices: Sequence[Voice] = (), *, listen: bool = False) -> Feed:
    """The feed of ``settings``; a replay begins where all of ``voices`` are warm, each on its own timeframe.

    ``listen`` to the stream of live prices, unless feed.streaming is off.
    """
    given = settings.feed
    if given.name == "ccxt":
        return FEEDS["ccxt"](
            open_exchange(settings, signed=False),
            settings.desk.symbols,
            speed=given.speed,
            own_time=settings.desk.practises,
            listen=listen and given.streaming,
        )
    if given.name == "synthetic":
        symbols = {"symbols": settings.desk.symbols} if settings.desk.symbols else {}
        return FEEDS["synthetic"](seed=given.seed, start=given.start, spread=given.spread, **symbols)
    warmup: dict[str | None, int] = {}
    for one in voices:
        warmup[one.timeframe] = max(warmup.get(one.timeframe, 0), one.strategy.lookback + 1)
    return FEEDS["replay"](
        given.data,
        symbols=given.symbols or None,
        timeframe=settings.desk.timeframe,
        warmup=warmup.pop(None, 2),
        warmups=warmup,
        start=given.start,
        spread=given.spread,
    )


def _quote(settings: Settings, feed: Feed, symbols: tuple[str, ...]) -> str:
    if missing := [symbol for symbol in symbols if symbol not in feed.symbols]:
        raise BadConfig(
            f"desk.symbols names {', '.join(missing)}, which the feed does not have",
            hint=f"it has {', '.join(feed.symbols)}",
        )
    quotes = sorted({symbol.partition("/")[2] for symbol in symbols})
    if len(quotes) > 1 or (settings.desk.quote and settings.desk.quote != quotes[0]):
        raise BadConfig(
            f"the symbols {', '.join(symbols)} are not all quoted in {settings.desk.quote or quotes[0]}",
            hint="a desk has one quote currency: set desk.symbols",
        )
    return quotes[0]


def _clock(settings: Settings, feed: Feed, engine: Any) -> SharedClock:
    at_max, live = settings.feed.speed == "max", settings.feed.name == "ccxt"
    return open_clock(
        engine,
        mode="live" if live else "max" if at_max else "speed",
        speed=1.0 if at_max else float(settings.feed.speed),
        start=feed.start,
        end=feed.end,
        base=LiveClock(),
    )


def open_exchange(settings: Settings, *, signed: bool) -> "Exchange":
    """The exchange of ``settings``; ``signed`` with the account's key, else its public side. Loads ccxt.

    Raises BadConfig for an exchange that ccxt does not know, or that is not named.
    """
    from trade_mcp.venues.exchange import Exchange

    desk = settings.desk
    if desk.exchange is None:
        raise BadConfig("desk.exchange is not set", hint='such as "binance"; ccxt names about a hundred')
    names = {"key": desk.exchange_key, "secret": desk.exchange_secret, "passphrase": desk.exchange_passphrase}
    credentials = {name: secret(f"exchange_{name}", given) for name, given in names.items()} if signed else {}
    return Exchange(
        desk.exchange,
        clock=LiveClock(),
        folder=desk.data_dir,
        url=desk.base_url,
        sandbox=desk.sandbox and not desk.base_url,
        **credentials,
    )


def _venue(
    settings: Settings, feed: Feed, clock: SharedClock, *, quote: str, symbols: tuple[str, ...], check: bool
) -> Venue:
    """Where orders go. ``check``: this program enters, so what the key may do is asked for now; one that only watches,
    halts or looks starts with any key."""
    if settings.desk.venue == "ccxt":
        return VENUES["ccxt"](
            open_exchange(settings, signed=True),
            clock,
            account=f"{settings.mode}:{settings.desk.account}",
            symbols=symbols,
            check=check,
        )
    paper = settings.paper
    cash = settings.desk.capital if paper.cash is None else paper.cash
    if cash < settings.desk.capital:
        raise BadConfig(
            f"paper.cash = {cash:f} is less than desk.capital = {settings.desk.capital:f}",
            hint="the desk cannot trade more than the account holds",
        )
    return VENUES[settings.desk.venue](
        settings.desk.data_dir / "paper.db",
        feed,
        clock,
        quote=quote,
        cash=cash,
        holdings=paper.holdings,
        metadata=paper.instruments,
        instruments=feed.instruments(),
        maker_fee=paper.maker_fee,
        taker_fee=paper.taker_fee,
        fee_currency=paper.fee_currency,
        fee_coin_price=paper.fee_coin_price,
        spread=paper.spread,
        slippage=paper.slippage,
        participation=paper.participation,
        new_id=new_id,
    )


def own_policy(settings: Settings, symbols: tuple[str, ...]) -> Policy:
    """The limits of the file, with what is not in it: the configured symbols are allowed, and live all begins small."""
    policy = settings.policy
    if "allow" not in settings.limits:
        policy = structs.replace(policy, allow=tuple(sorted(symbols)))
    if settings.mode == "live" and OTHERS not in policy.stage:
        policy = structs.replace(policy, stage=policy.stage | {OTHERS: "small"})
    return policy


def _check_names(policy: Policy, venue: Venue) -> None:
    instruments = venue.instruments()
    named = {currency for one in instruments.values() for currency in (one.base, one.quote)}
    if not named | instruments.keys() >= policy.protected.keys():
        named |= venue.balances().keys()  # what does not trade here may be held here
    check_names(policy, symbols=instruments.keys(), currencies=named)


def _external(settings: Settings, venue: Venue, quote: str) -> dict[str, Decimal]:
    """What the account holds beyond the desk's capital: recorded, never touched."""
    totals = {currency: balance.total for currency, balance in venue.balances().items()}
    beyond = totals.get(quote, ZERO) - settings.desk.capital
    if beyond < 0:
        raise BadConfig(
            f"desk.capital = {settings.desk.capital:f} {quote}, and the account holds {totals.get(quote, ZERO):f}",
            hint="set desk.capital to what of the account the desk may trade",
        )
    return {currency: total for currency, total in (totals | {quote: beyond}).items() if total}


def _adopted(policy: Policy, by: str) -> PolicyAdopted:
    text = policy_text(policy)
    return PolicyAdopted(policy=policy_hash(text), text=text, by=by)


def _pulse(clock: SharedClock) -> Callable[[], None]:
    """Keep market time going while this program runs; answers how to stop."""
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(PULSE_S):
            try:
                clock.touch()
            except TradeError as error:
                log.warning("market time not touched", error=error.message)

    thread = threading.Thread(target=beat, name="pulse", daemon=True)
    thread.start()

    def end() -> None:
        stop.set()
        thread.join()

    return end
