"""A WebSocket client for tests: it asks, waits for what it wants to hear, and can tell that it hears nothing."""

import contextlib
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from websockets.sync.client import ClientConnection, connect

from practice.running import Running

type Message = Any
PATIENCE_S = 30.0  # for what must come


class Listener:
    """One connection."""

    def __init__(self, socket: ClientConnection, exchange: Running):
        self.socket, self._exchange = socket, exchange
        self._last_id = 0

    def ask(self, method: str, params: Any = None, **more: Any) -> Message:
        """The answer to a request; what else comes before it is lost."""
        id_ = self.send(method, params, **more)
        return self.hear(lambda message: message.get("id") == id_)

    def send(self, method: str, params: Any = None, **more: Any) -> int:
        self._last_id += 1
        asked = {"method": method, "id": self._last_id, **more}
        self.socket.send(json.dumps(asked if params is None else asked | {"params": params}))
        return self._last_id

    def signed(self, method: str, **params: Any) -> Message:
        """The answer to a request signed with the exchange's usual key."""
        return self.ask(method, sign(self._exchange, **params))

    def next(self, patience_s: float = PATIENCE_S) -> Message:
        """Raises TimeoutError if nothing comes."""
        return json.loads(self.socket.recv(timeout=patience_s))

    def hear(self, wanted: Callable[[Message], bool]) -> Message:
        """The first message that is wanted; the others are lost."""
        end = time.monotonic() + PATIENCE_S
        while True:
            message = self.next(max(0.0, end - time.monotonic()))
            if wanted(message):
                return message

    def said_within(self, seconds: float) -> list[Message]:
        """All that comes in so many seconds."""
        found, end = [], time.monotonic() + seconds
        with contextlib.suppress(TimeoutError):
            while (left := end - time.monotonic()) > 0:
                found.append(self.next(left))
        return found


def sign(exchange: Running, **params: Any) -> dict[str, Any]:
    """These parameters with key, time and signature."""
    sent = {"apiKey": exchange.key, "timestamp": int(time.time() * 1000), **params}
    text = "&".join(f"{name}={sent[name]}" for name in sorted(sent))
    return sent | {"signature": hmac.new(exchange.secret.encode(), text.encode(), hashlib.sha256).hexdigest()}


@contextlib.contextmanager
def listening(exchange: Running, path: str) -> Iterator[Listener]:
    with connect(exchange.ws_url + path, open_timeout=PATIENCE_S) as socket:
        yield Listener(socket, exchange)
