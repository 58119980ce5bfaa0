"""The exchange's own dead man's switch: refreshed while only entries rest, never while a stop does."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal as D
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from desk.stage import BTC, ETH, buy, flat
from trade_mcp.app import App
from trade_mcp.clock import LiveClock
from trade_mcp.desk.cancel_timer import AFTER_S, EVERY_S, CancelTimer
from trade_mcp.domain.order import OrderType, Source
from trade_mcp.venues.ccxt import CcxtVenue
from trade_mcp.venues.exchange import Exchange

Stage = Callable[..., App]


class Timed:
    """The paper venue with a timer, which notes how it is set."""

    cancel_timer = True

    def __init__(self, venue: Any):
        self._venue = venue
        self.set: list[float] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._venue, name)

    def cancel_all_after(self, seconds: float) -> None:
        self.set.append(seconds)


def test_it_runs_while_only_entries_rest(stage: Stage) -> None:
    app = stage(flat(400), eth=flat(400))
    venue = Timed(app.venue)
    timer = CancelTimer(app.log, venue, clock=app.clock)  # type: ignore[arg-type]
    boot = app.clock.boot
    late = 0.0
    app.clock.boot = lambda: boot() + late  # type: ignore[method-assign]
    timer.step()
    assert venue.set == [0.0]  # whoever was here before may have left it running
    timer.step()
    resting = buy("resting", "2", type=OrderType.LIMIT, limit_price=D("99"))
    app.gate.submit(resting, Source.MODEL)
    for _ in range(3):
        timer.step()
    assert venue.set == [0.0, AFTER_S]
    late += EVERY_S
    timer.step()
    assert venue.set == [0.0, AFTER_S, AFTER_S]
    app.gate.submit(buy("held", "2", ETH), Source.MODEL)  # its stop rests now
    timer.step()
    late += EVERY_S
    timer.step()
    assert venue.set == [0.0, AFTER_S, AFTER_S, 0.0]


def test_a_desk_without_one_does_nothing(stage: Stage) -> None:
    app = stage()
    assert not app.venue.cancel_timer
    assert not [step for step in app.watch.step().steps if step.name == "timer" and step.error]


@contextmanager
def kraken() -> Iterator[tuple[str, list[tuple[str, dict[str, str]]]]]:
    """As much of Kraken as its timer needs."""
    heard: list[tuple[str, dict[str, str]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            heard.append((self.path, {key: value[0] for key, value in parse_qs(body).items()}))
            self._answer({"currentTime": "2026-01-01T00:00:00Z", "triggerTime": "0"})

        def _answer(self, result: Any) -> None:
            text = json.dumps({"error": [], "result": result}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", heard
    finally:
        server.shutdown()
        server.server_close()


def test_kraken_is_told_in_its_own_words(tmp_path: Path) -> None:
    with kraken() as (url, heard):
        exchange = Exchange("kraken", clock=LiveClock(), folder=tmp_path, key="a2V5", secret="c2VjcmV0", url=url)
        venue = CcxtVenue(exchange, LiveClock(), account="practice:test", symbols=(BTC,))
        assert venue.cancel_timer
        venue.cancel_all_after(AFTER_S)
        venue.cancel_all_after(0)
        venue.close()
    assert [(path.rpartition("/")[2], body["timeout"]) for path, body in heard] == [
        ("CancelAllOrdersAfter", "60"),
        ("CancelAllOrdersAfter", "0"),
    ]
