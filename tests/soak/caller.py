"""A client that reads by every tool but the order book, which candles do not have, and trades now and then."""

import random
import threading
import time
from collections import Counter

from server.serving import Caller, connected

READS: tuple[tuple[str, dict[str, object]], ...] = (
    ("get_status", {}),
    ("get_portfolio", {}),
    ("get_risk", {}),
    ("get_quotes", {"symbols": ["BTC/USDT"]}),
    ("get_candles", {"symbol": "BTC/USDT", "limit": 50}),
    ("get_signals", {"symbols": ["BTC/USDT"]}),
    ("list_orders", {"status": "closed"}),
    ("find_instruments", {}),
)
TRADE_EVERY = 10  # rounds of reading


class Client(threading.Thread):
    """Calls until stopped. ``answered`` and ``failed`` count tools; ``lost`` says how often the server was gone."""

    def __init__(self, url: str, seed: int, *, pause_s: float):
        super().__init__(daemon=True, name="client")
        self._url, self._pause_s = url, pause_s
        self._chance, self._done = random.Random(seed), threading.Event()
        self.answered, self.failed, self.said = Counter[str](), Counter[str](), list[str]()
        self.lost = 0

    def run(self) -> None:
        while not self._done.is_set():
            try:
                with connected(self._url) as call:
                    self._known = {tool.name for tool in call.tools()}
                    while not self._done.is_set():
                        self._round(call)
            except Exception as error:
                self.lost += 1
                self.said.append(f"{type(error).__name__}: {error}")
                time.sleep(0.2)

    def stop(self) -> None:
        self._done.set()
        self.join(timeout=30)

    def _round(self, call: Caller) -> None:
        for tool, arguments in READS:
            if tool in self._known:
                self._call(call, tool, **arguments)
        if self._chance.randrange(TRADE_EVERY) == 0:
            order_id = f"chat-{self._chance.randrange(10**12)}"
            order = {"symbol": "BTC/USDT", "side": "buy", "notional": "200", "order_id": order_id, "stop_loss": "1%"}
            self._call(call, "preview_order", **order)
            self._call(call, "place_order", **order)
        if self._chance.randrange(TRADE_EVERY) == 0:
            self._call(call, "close_position", symbol="BTC/USDT")

    def _call(self, call: Caller, tool: str, **arguments: object) -> None:
        answer = call.raw(tool, **arguments)
        (self.failed if answer.is_error else self.answered)[tool] += 1
        if answer.is_error and tool.startswith("get_"):
            self.said.append(f"{tool}: {answer.content[0]}")
        self._done.wait(self._pause_s)
