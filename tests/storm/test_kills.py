"""Storm: the whole desk as real processes, a client that trades beside the loop, and programs killed at random moments.

Whatever dies when, afterwards: the ledger is whole, nothing was doubled, book and venue agree to the last digit, every
position has exactly one stop, and both sources went on.
"""

import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil
import pytest

from server.serving import connected, environment, free_port, reachable, until
from trade_mcp import __version__
from trade_mcp.app import build
from trade_mcp.desk.reconcile import differences
from trade_mcp.domain.order import Role, Source
from trade_mcp.settings import load_settings
from trade_mcp.store import reads
from trade_mcp.store.verify import verify

pytestmark = [pytest.mark.storm, pytest.mark.at_most(10)]

PROGRAMS = ("watch", "loop", "serve")


class Desk:
    """`trade-mcp up` in a folder of its own."""

    def __init__(self, folder: Path, *arguments: str, for_s: float, port: int | None = None, **more: str):
        self.folder, self.port = folder, port or free_port()
        self.env = environment(folder, **more)
        command = [sys.executable, "-m", "trade_mcp", "up", "--json", "--port", str(self.port), "--for", f"{for_s}s"]
        self.out = (folder / "out").open("wb")
        self.process = subprocess.Popen(
            [*command, *arguments], env=self.env, cwd=folder, stdout=self.out, stderr=self.out
        )
        until(lambda: reachable(self.port) or self.process.poll() is not None, within_s=90)
        assert self.process.poll() is None, (folder / "out").read_text()

    def programs(self) -> dict[str, psutil.Process]:
        found = {}
        for child in psutil.Process(self.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                words = child.cmdline()
                found |= {name: child for name in PROGRAMS if "trade_mcp" in words and name in words}
        return found

    def kill_one(self, chance: random.Random) -> str:
        name, process = chance.choice(sorted(self.programs().items()))
        process.send_signal(signal.SIGKILL)
        return name

    def end(self) -> None:
        self.process.wait(timeout=60)
        self.out.close()
        assert self.process.returncode == 0, (self.folder / "out").read_text()[-3000:]


class Chat(threading.Thread):
    """A client that previews, places and closes, again and again, whatever happens to the server."""

    def __init__(self, desk: Desk, symbol: str, seed: int):
        super().__init__(daemon=True)
        self._url, self._symbol = f"http://127.0.0.1:{desk.port}/mcp", symbol
        self._chance, self._done = random.Random(seed), threading.Event()
        self.placed, self.closed, self.said = 0, 0, []

    def run(self) -> None:
        while not self._done.is_set():
            try:
                with connected(self._url) as call:
                    while not self._done.wait(self._chance.uniform(0.05, 0.3)):
                        self._once(call)
            except Exception as error:
                self.said.append(f"{type(error).__name__}: {error}")
                time.sleep(0.2)

    def _once(self, call: Any) -> None:
        order_id = f"chat-{self._chance.randrange(10**12)}"
        order = {"symbol": self._symbol, "side": "buy", "notional": "200", "order_id": order_id, "stop_loss": "1%"}
        call("preview_order", **order)
        for _ in range(self._chance.choice((1, 1, 2))):  # now and then the same again: a retry, not a second order
            answer = call.raw("place_order", **order)
            self.placed += not answer.is_error
        time.sleep(self._chance.uniform(0, 0.2))
        self.closed += not call.raw("close_position", symbol=self._symbol).is_error

    def stop(self) -> None:
        self._done.set()
        self.join(timeout=20)


def check(folder: Path, overrides: dict[str, Any]) -> dict[str, Any]:
    """All that must hold of a desk that has stopped; what `analyze-portfolio --json` says of it."""
    settings = load_settings(overrides=overrides | {"desk": {"data_dir": str(folder / "desk")}})
    with build(settings, "check") as app:
        until(lambda: stands_still(app.clock))  # it runs on for a moment after the last program
        for _ in range(3):  # what was in flight when the last program died is found out
            app.watch.step()
            time.sleep(0.1)
        deadline = time.monotonic() + 12
        while any(order.status == "pending" for order in app.log.refresh().live()) and time.monotonic() < deadline:
            app.watch.step()
            time.sleep(0.3)
        book = app.log.refresh()
        assert differences(book, app.venue) == []
        assert book.unprotected() == []
        assert not book.breaks
        held = sum((position.cost for position in book.positions.values()), Decimal(0))
        assert book.cash + held + book.fees == book.deposits + book.realised  # I8
        for symbol, position in book.positions.items():
            stops = [order for order in book.live(symbol) if order.role is Role.STOP]
            assert len(stops) == (0 if position.dust else 1), (symbol, stops)
        booked = reads.fills(app.engine)
        assert len({each.fill.trade_id for each in booked}) == len(booked)
        found = verify(app.engine, code=__version__)
        assert found.sound, (found.broken, [str(each) for each in found.differences][:5])
        balances = app.venue.balances()
        ours = {"USDT": book.cash} | {s.partition("/")[0]: p.size for s, p in book.positions.items()}
        assert {currency: balance.total for currency, balance in balances.items()} == {
            currency: size for currency, size in ours.items() if size
        }
    said = subprocess.run(
        [sys.executable, "-m", "trade_mcp.analyze_portfolio", "--json"],
        env=environment(folder),
        cwd=folder,
        capture_output=True,
        check=True,
    )
    told: dict[str, Any] = json.loads(said.stdout)
    assert Decimal(told["cash"]) == book.cash
    assert Decimal(told["realised"]) == book.realised
    assert told["fills"] == len(booked)
    assert {held["symbol"]: Decimal(held["size"]) for held in told["positions"]} == {
        symbol: position.size for symbol, position in book.positions.items()
    }
    with sqlite3.connect(folder / "desk" / "paper.db") as paper:
        known = {row[0] for row in paper.execute("SELECT order_id FROM orders")}
    ledger = {order.order_id for order in all_orders(folder, overrides)}
    assert known <= ledger, "the venue holds an order the ledger never wrote down"
    return told


def stands_still(clock: Any) -> bool:
    before = clock.market()
    time.sleep(0.5)
    return bool(clock.market() == before)


def all_orders(folder: Path, overrides: dict[str, Any]) -> list[Any]:
    settings = load_settings(overrides=overrides | {"desk": {"data_dir": str(folder / "desk")}})
    with build(settings, "check") as app:
        found, cursor = [], ""
        while True:
            page, cursor = reads.orders(app.engine, cursor=cursor, limit=500)
            found += page
            if not cursor:
                return found


def storm(
    folder: Path, overrides: dict[str, Any], *arguments: str, seed: int, for_s: float, kills: int, **more: str
) -> dict[str, Any]:
    chance = random.Random(seed)
    desk = Desk(folder, *arguments, for_s=for_s, **more)
    began = time.monotonic()
    until(lambda: len(desk.programs()) == len(PROGRAMS))
    chat = Chat(desk, "BTC/USDT", seed)
    chat.start()
    for _ in range(kills):
        time.sleep(chance.uniform(0.2, 1.6) * (for_s - 10) / kills / 0.9)
        if time.monotonic() - began < for_s - 6:
            until(lambda: len(desk.programs()) > 0)
            desk.kill_one(chance)
    time.sleep(max(0.0, for_s - 3 - (time.monotonic() - began)))
    chat.stop()
    desk.end()
    told = check(folder, overrides)
    assert chat.placed > 0 and chat.closed > 0, chat.said[-3:]
    return told


def test_programs_killed_at_random_lose_and_double_nothing(tmp_path: Path, storm_seed: int) -> None:
    overrides = {"feed": {"speed": 300, "seed": storm_seed}}
    more = {"TRADE_MCP_FEED__SEED": str(storm_seed)}
    told = storm(tmp_path, overrides, "--speed", "300", seed=storm_seed, for_s=30, kills=6, **more)
    assert told["synthetic"] is True
    assert told["orders"]["by_source"].get(Source.MODEL, 0) > 0


def test_the_desk_trades_real_candles_beside_a_client(tmp_path: Path, shared_data: Path, storm_seed: int) -> None:
    files = [shared_data / "data" / f"binance_{coin}USDT_5m_2022-12_2023-10.parquet" for coin in ("BTC", "ETH")]
    overrides = {"feed": {"name": "replay", "data": [str(file) for file in files], "speed": 1500}}
    arguments = ["--feed", "replay", "--speed", "1500", *(word for file in files for word in ("--data", str(file)))]
    seconds = float(os.environ.get("TRADE_MCP_STORM_S", "40"))
    told = storm(tmp_path, overrides, *arguments, seed=storm_seed, for_s=seconds, kills=int(seconds // 12))
    assert told["synthetic"] is False
    assert set(told["orders"]["by_source"]) >= {Source.MODEL, Source.LOOP, Source.EXIT}
