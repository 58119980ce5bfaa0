"""Broadcast: who listens to which stream, and the beat at which all of them are told."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from trade_mcp.domain.errors import FeedError
from trade_mcp.practice import market_events as say
from trade_mcp.practice.service import Practice
from trade_mcp.practice.sources import AllTickers, Ladders, Source, open_source
from trade_mcp.practice.streams import Stream
from trade_mcp.practice.teller import Event

type Instead = Callable[[], Any] | None


class Watcher(Protocol):
    """Who listens to market streams."""

    def told(self, name: str, content: Any, instead: Instead) -> None: ...


type Ear = Callable[[Event], None]


class Broadcast:
    """All streams of one exchange. ``clock`` are real seconds."""

    def __init__(self, practice: Practice, clock: Callable[[], float]):
        self._context, self._clock = practice.context, clock
        self._ladders = Ladders(practice.exchange)
        self._sources: dict[str, Source | AllTickers | None] = {}
        self._watchers: dict[str, list[Watcher]] = {}
        self._new: dict[str, list[Watcher]] = {}  # who has heard nothing yet
        self._ears: dict[str, list[Ear]] = {}
        practice.beats.append(self.beat)
        practice.listeners.append(self.tell)

    def watch(self, stream: Stream, watcher: Watcher) -> None:
        """From now on ``watcher`` is told what ``stream`` says."""
        watchers = self._watchers.setdefault(stream.name, [])
        if not watchers:
            at = self._context.market_at(f"stream {stream.name}")
            self._sources[stream.name] = open_source(stream, self._context.exchange, self._ladders, at)
        watchers.append(watcher)
        self._new.setdefault(stream.name, []).append(watcher)

    def unwatch(self, name: str, watcher: Watcher) -> None:
        self._watchers[name].remove(watcher)
        if watcher in self._new.get(name, ()):
            self._new[name].remove(watcher)
        if not self._watchers[name]:
            del self._watchers[name], self._sources[name]

    def listen(self, account: str, ear: Ear) -> None:
        """From now on ``ear`` hears what happens to ``account``."""
        self._ears.setdefault(account, []).append(ear)

    def unlisten(self, account: str, ear: Ear) -> None:
        self._ears[account].remove(ear)

    def beat(self) -> None:
        """Tell what is new on the market."""
        for name, watchers in self._watchers.items():
            source = self._sources[name]
            if source is None:
                continue
            at, new = self._context.market_at(f"stream {name}"), self._new.pop(name, [])
            try:
                news = source.news(at, self._clock())
                if new and not news:
                    watchers, news = new, source.greeting(at)
            except FeedError:  # no price, no news
                continue
            instead = None
            if isinstance(source, Source) and source.stream.kind == "miniTicker":
                instead = partial(say.ticker, source.pair, self._context.exchange, at)
            for content in news:
                for watcher in watchers:
                    watcher.told(name, content, instead)

    def tell(self, account: str, events: Sequence[Event]) -> None:
        """Tell what happened to an account."""
        for event in events:
            for ear in self._ears.get(account, ()):
                ear(event)
