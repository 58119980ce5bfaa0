"""Market socket: ``/ws``, ``/ws/NAME`` and ``/stream?streams=``, where clients subscribe to market streams.

Rules and errors are those of Binance's WebSocket Streams page. A symbol that does not trade is subscribed to without a
word and says nothing, as there (assumed).
"""

from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from trade_mcp.practice.broadcast import Broadcast, Instead
from trade_mcp.practice.conversation import Ended, Start
from trade_mcp.practice.line import Line
from trade_mcp.practice.streams import parse_stream

MOST_STREAMS = 1024  # of one connection
MOST_PER_S = 5  # messages from a client
LONGEST_ID = 36
METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")


class Refused(Exception):
    """A request that cannot be."""

    def __init__(self, code: int, msg: str):
        super().__init__(msg)
        self.error = {"code": code, "msg": msg}


class MarketSocket:
    """One client's market streams. ``combined``: each message says of which stream it is."""

    def __init__(
        self,
        broadcast: Broadcast,
        line: Line,
        *,
        timeframes: tuple[str, ...],
        combined: bool,
        clock: Callable[[], float],
    ):
        self._broadcast, self._line, self._timeframes, self._clock = broadcast, line, timeframes, clock
        self._combined = combined
        self._names: list[str] = []
        self._heard: deque[float] = deque(maxlen=MOST_PER_S)

    def told(self, name: str, content: Any, instead: Instead) -> None:
        """See ``broadcast.Watcher``."""

        def other() -> Any:
            return self._wrapped(name, content if instead is None else instead())

        self._line.tell(f"stream {name}", self._wrapped(name, content), instead=other)

    def hear(self, text: str, start: Start) -> None:
        """Answer one message of the client. Raises Ended if there are too many."""
        now = self._clock()
        if len(self._heard) == MOST_PER_S and now - self._heard[0] < 1:
            raise Ended("Too many requests")
        self._heard.append(now)
        asked: Any = None
        try:
            asked = _json(text)
            content = {"result": self._answer(_checked(asked))}
        except Refused as no:
            content = {"error": no.error}
        self._line.say(content | {"id": asked.get("id") if isinstance(asked, dict) else None})

    def subscribe(self, names: list[str]) -> None:
        """Raises Refused, and then nothing has changed."""
        streams = [parse_stream(name, self._timeframes) for name in names]
        if None in streams:
            raise Refused(2, "Invalid request: invalid stream")
        fresh = {stream.name: stream for stream in streams if stream and stream.name not in self._names}
        if len(self._names) + len(fresh) > MOST_STREAMS:
            raise Refused(2, "Invalid request: too many subscriptions")
        for stream in fresh.values():
            self._names.append(stream.name)
            self._broadcast.watch(stream, self)

    def unsubscribe(self, names: list[str]) -> None:
        for name in [name for name in self._names if name in names]:
            self._names.remove(name)
            self._broadcast.unwatch(name, self)

    def end(self) -> None:
        self.unsubscribe(self._names)

    def _answer(self, asked: dict[str, Any]) -> Any:
        params = asked.get("params", [])
        match asked["method"]:
            case "SUBSCRIBE":
                self.subscribe(_names(params))
            case "UNSUBSCRIBE":
                self.unsubscribe(_names(params))
            case "LIST_SUBSCRIPTIONS":
                return self._names
            case "SET_PROPERTY" | "GET_PROPERTY" if not params or params[0] != "combined":
                raise Refused(0, "Unknown property")
            case "SET_PROPERTY" if not isinstance(params[-1], bool):
                raise Refused(1, "Invalid value type: expected Boolean")
            case "SET_PROPERTY":
                self._combined = params[-1]
            case "GET_PROPERTY":
                return self._combined
        return None

    def _wrapped(self, name: str, content: Any) -> Any:
        return {"stream": name, "data": content} if self._combined else content


def _json(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, ValueError) as error:
        raise Refused(3, f"Invalid JSON: {error}") from None


def _checked(asked: Any) -> dict[str, Any]:
    if not isinstance(asked, dict) or "method" not in asked:
        raise Refused(2, "Invalid request: missing field `method`")
    if asked["method"] not in METHODS:
        known = ", ".join(f"`{name}`" for name in METHODS)
        raise Refused(2, f"Invalid request: unknown variant `{asked['method']}`, expected one of {known}")
    id_ = asked.get("id")
    if not (id_ is None or type(id_) is int or (isinstance(id_, str) and len(id_) <= LONGEST_ID)):
        raise Refused(2, "Invalid request: request ID must be an unsigned integer")
    return asked


def _names(params: Any) -> list[str]:
    if not isinstance(params, list) or not all(isinstance(name, str) for name in params):
        raise Refused(2, "Invalid request: params must be a list of stream names")
    return params
