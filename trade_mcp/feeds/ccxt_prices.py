"""Prices of an exchange: the newest bid and ask, from its stream while that lives, else asked for over REST.

Nothing here is believed for long. A price counts as of the moment its exchange says it is from, or it last moved; the
stream's are used for a moment after they move, and REST, asked in between, says whether the stream still follows.
"""

import threading
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import structlog
from msgspec import Struct, structs

from trade_mcp.domain.errors import FeedError, NoPrice
from trade_mcp.feeds.sound import sound_pair

FRESH_S = 2.0  # real seconds that a price is used without asking again
AUDIT_S = 30.0  # so often REST is asked although the stream moves
FOLLOW_S = 10.0  # in which the stream must show what REST shows
APART = Decimal("0.01")  # of the price: further apart, one of the two is wrong
NEAR = Decimal("0.05")  # of the price: so near must the order book be to a jump
JUMP = Decimal("0.2")  # of the price: a jump that counts only when the order book says the same
REMEMBERED_S = 60.0  # for so long a price is one that another can jump from, and a symbol is asked for with the others
BACKOFF_S = 15.0
LATEST_MS = 4_102_444_800_000  # the year 2100

log = structlog.get_logger(__name__)

type Ask = Callable[[tuple[str, ...]], Mapping[str, Mapping[str, Any]]]  # tickers of these symbols, as ccxt gives them


class Seen(Struct, frozen=True):
    """Bid and ask as one source said them. ``made_ms``: when, by the exchange; ``got`` and ``moved`` are boot times."""

    bid: Decimal
    ask: Decimal
    made_ms: int | None
    got: float
    moved: float
    sizes: tuple[str, str] = ("", "")

    @property
    def mid(self) -> Decimal:
        return (self.bid + self.ask) / 2

    def same(self, other: "Seen | None") -> bool:
        """Whether nothing moved between the two."""
        return other is not None and (self.bid, self.ask, self.sizes, self.made_ms) == (
            other.bid,
            other.ask,
            other.sizes,
            other.made_ms,
        )


class Prices:
    """Bid and ask of each symbol as seen by this process. ``ask`` and ``book`` ask over REST. Safe for threads."""

    def __init__(self, ask: Ask, book: Callable[[str], Mapping[str, Any]], *, boot: Callable[[], float]):
        self._ask, self._book, self._boot = ask, book, boot
        self._asking = threading.Lock()
        self._rest: dict[str, Seen] = {}
        self._stream: dict[str, Seen] = {}
        self._wanted: dict[str, float] = {}
        self._told: set[str] = set()  # whose price was refused
        self._silent: dict[str, Seen] = {}  # what REST showed first of those the stream has not begun with
        self._differs: dict[str, float] = {}  # since when REST shows what the stream does not
        self._ask_at, self._failures, self._error = 0.0, 0, FeedError("nothing was asked yet")
        self.streaming = False
        self.stopped: Callable[[str, str], None] = lambda symbol, why: None  # tells whoever streams

    def now(self, symbol: str) -> Seen:
        """The newest bid and ask. Raises FeedError where there never was one."""
        now = self._boot()
        self._wanted[symbol] = now
        streamed, asked = self._stream.get(symbol), self._rest.get(symbol)
        if self.streaming and streamed is not None and now - streamed.moved <= FRESH_S:
            if asked is not None and now - asked.got <= AUDIT_S:
                return streamed
        elif asked is not None and now - asked.got <= FRESH_S:
            return asked
        self._refresh(symbol, waits=asked is None and streamed is None)
        known = [one for one in (self._rest.get(symbol), streamed if self.streaming else None) if one is not None]
        if not known:
            raise self._error
        return max(known, key=lambda one: one.moved)

    def heard(self, symbol: str, ticker: Mapping[str, Any]) -> bool:
        """Take what the stream says; whether it moved."""
        said, before = self._sound(ticker), self._stream.get(symbol)
        if said is None:
            self._refused(symbol, ticker, "a price of the stream that cannot be")
            return False
        if said.same(before) or self._jumps(symbol, said):
            return False  # a jump is REST's to confirm: what is not fresh is asked for
        self._stream[symbol] = said
        return True

    def listens(self, on: bool) -> None:
        """The stream begins, or ended: what it said before is no measure of it."""
        self.streaming = on
        for known in (self._stream, self._silent, self._differs):
            known.clear()

    def _refresh(self, symbol: str, *, waits: bool) -> None:
        """Ask over REST for all symbols wanted now; whoever has a price does not wait for another's question."""
        if not self._asking.acquire(blocking=waits):
            return
        try:
            now, asked = self._boot(), self._rest.get(symbol)
            if now < self._ask_at or (asked is not None and now - asked.got <= FRESH_S):
                return
            wanted = tuple(name for name, at in list(self._wanted.items()) if now - at <= REMEMBERED_S)
            try:
                tickers = self._ask(wanted)
                for name in wanted:
                    self._take(name, tickers.get(name, {}))
            except FeedError as error:
                self._failures += 1
                self._error, self._ask_at = error, self._boot() + min(2.0**self._failures / 2, BACKOFF_S)
                return
            self._failures, self._ask_at = 0, 0.0
        finally:
            self._asking.release()

    def _take(self, symbol: str, ticker: Mapping[str, Any]) -> None:
        said = self._sound(ticker)
        if said is None or self._jumps(symbol, said):
            said = self._by_book(symbol, ticker, said)
        if said is None:
            return
        self._told.discard(symbol)
        before = self._rest.get(symbol)
        self._rest[symbol] = structs.replace(said, moved=before.moved) if before and said.same(before) else said
        if self.streaming:
            self._compare(symbol, self._rest[symbol])

    def _by_book(self, symbol: str, ticker: Mapping[str, Any], said: Seen | None) -> Seen | None:
        """What the order book says where the ticker says no price, or one that jumped: its second witness."""
        try:
            book = self._book(symbol)
        except FeedError as error:
            self._error = error
            return None
        best = {side: levels[0][0] for side in ("bid", "ask") if (levels := book.get(f"{side}s"))}
        second = self._sound({**best, "timestamp": book.get("timestamp")})
        if second is not None and said is None:
            return second
        if second is not None and said is not None and abs(second.mid - said.mid) <= NEAR * said.mid:
            return said
        what = "a price that cannot be" if said is None else "a jump that the order book does not show"
        self._refused(symbol, ticker, what)
        self._error = NoPrice(f"{symbol} has no price now: {_shown(ticker)}", hint="its exchange says none that can be")
        return None

    def _refused(self, symbol: str, ticker: Mapping[str, Any], what: str) -> None:
        """Tell it once, until there is a price again: a source that is broken says so many times a second."""
        if symbol not in self._told:
            self._told.add(symbol)
            log.warning(f"refused {what}", symbol=symbol, said=_shown(ticker))

    def _compare(self, symbol: str, asked: Seen) -> None:
        """Whether the stream still follows: it has a while to show what REST shows."""
        last, now = self._stream.get(symbol) or self._silent.setdefault(symbol, asked), self._boot()
        since = self._differs.setdefault(symbol, now)
        near = last.moved > since and abs(last.mid - asked.mid) <= APART * asked.mid
        if (last.bid, last.ask) == (asked.bid, asked.ask) or near:
            del self._differs[symbol]
        elif now - since >= FOLLOW_S:
            del self._differs[symbol]
            self.stopped(symbol, f"it does not follow the price of {symbol} any more")

    def _jumps(self, symbol: str, said: Seen) -> bool:
        known = [one for one in (self._rest.get(symbol), self._stream.get(symbol)) if one is not None]
        if not known:
            return False
        last = max(known, key=lambda one: one.moved)
        return self._boot() - last.got <= REMEMBERED_S and abs(said.mid - last.mid) > JUMP * last.mid

    def _sound(self, ticker: Mapping[str, Any]) -> Seen | None:
        pair = sound_pair(ticker.get("bid"), ticker.get("ask"))
        made = ticker.get("timestamp")
        if pair is None or not (made is None or (isinstance(made, int) and 0 < made < LATEST_MS)):
            return None
        now = self._boot()
        sizes = (str(ticker.get("bidVolume") or ""), str(ticker.get("askVolume") or ""))
        return Seen(*pair, made_ms=made, got=now, moved=now, sizes=sizes)


def _shown(ticker: Mapping[str, Any]) -> str:
    return f"bid {ticker.get('bid')!s:.30}, ask {ticker.get('ask')!s:.30}, at {ticker.get('timestamp')!s:.20}"
