"""Judge: gathers what the rules may see (the View) and asks all of them. One policy for everyone."""

from collections.abc import Callable, Iterable
from datetime import datetime

from trade_mcp.desk.market import Market, held
from trade_mcp.desk.trading import Trading
from trade_mcp.domain.book import Book
from trade_mcp.domain.errors import FeedError
from trade_mcp.domain.exits import Levels
from trade_mcp.domain.order import Order
from trade_mcp.ports import Clock, Hours
from trade_mcp.risk.assess import assess
from trade_mcp.risk.clusters import Correlations
from trade_mcp.risk.policy import Policy, differences, parse_policy, policy_hash, policy_text
from trade_mcp.risk.proposal import Proposal, View, propose, propose_levels
from trade_mcp.risk.verdict import Verdict
from trade_mcp.store.leases import Heartbeats

HISTORY = 20  # bars that a quote is compared with


class Judge:
    """Every order is judged here, whoever asks. ``own`` is this process's policy, the book's is the one in force."""

    def __init__(
        self,
        market: Market,
        *,
        clock: Clock,
        heartbeats: Heartbeats,
        hours: Hours,
        correlations: Callable[[datetime], Correlations | None],
        trading: Trading,
        own: Policy,
    ):
        self._market, self._clock, self._heartbeats = market, clock, heartbeats
        self._hours, self.correlations, self._trading = hours, correlations, trading
        self.own = own
        self.own_hash = policy_hash(policy_text(own))
        self._in_force: tuple[str, Policy, tuple[str, ...]] = ("", own, ())

    def policy(self, book: Book) -> Policy:
        """The limits in force, parsed once for each hash."""
        return self._parsed(book)[1]

    def view(self, book: Book, symbol: str) -> View:
        """What the rules may see of the world for an order in ``symbol``, now."""
        quote, problem = None, ""
        try:
            quote = self._market.quote(symbol)
        except FeedError as error:
            problem = error.message
        try:
            recent = self._market.recent(symbol, HISTORY)
        except FeedError:
            recent = None
        now, keys = self._clock.market(), self._parsed(book)[2]
        return View(
            now=now,
            instrument=self._market.instrument(symbol),
            quote=quote,
            quote_problem=problem,
            correlations=self.correlations(now),
            sessions=self._hours.sessions(symbol, now),
            quiet=self._hours.quiet(self.policy(book).quiet_hours, now),
            marks=self._market.marks(held(book) | {symbol}),
            recent=recent,
            policy_here=self.own_hash if keys else book.policy,  # a ledger from before a key has its default
            policy_keys=keys,
            watcher_silence_s=self._heartbeats.silence_s("watch"),
            halted=self._trading.halted(book),
        )

    def order(
        self, book: Book, order: Order, view: View, *, replacing: Iterable[str] = (), asked: str = "size"
    ) -> tuple[Proposal, tuple[Verdict, ...]]:
        """The proposal of ``order`` against ``book`` and the verdict of every rule that applies.

        ``asked`` is what its size was asked for as: a number that is none is told by that name.
        """
        proposal = propose(book, order, self._fresh(book, view), replacing=frozenset(replacing), asked=asked)
        return proposal, assess(proposal, self.policy(book))

    def levels(self, book: Book, symbol: str, levels: Levels, view: View) -> tuple[Verdict, ...]:
        """The verdicts on loosening a position's exits to ``levels``: judged like an entry."""
        return assess(propose_levels(book, symbol, levels, self._fresh(book, view)), self.policy(book))

    def _fresh(self, book: Book, view: View) -> View:
        """``view``, taken again if the book came to hold a symbol it has no mark of."""
        return view if held(book) <= view.marks.keys() else self.view(book, view.instrument.symbol)

    def _parsed(self, book: Book) -> tuple[str, Policy, tuple[str, ...]]:
        if self._in_force[0] != book.policy:
            policy = parse_policy(book.policy_text)
            keys = tuple(key for key, _, _ in differences(policy, self.own))
            self._in_force = (book.policy, policy, keys)
        return self._in_force
