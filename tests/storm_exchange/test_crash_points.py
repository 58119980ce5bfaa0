"""Kill -9 at every journal write and every request of the life of an entry with its exits, one point after the other.

Each time a new process starts on what is left, and everything must be as it should. `--seeds 20` is every point; a seed
alone is every twentieth.
"""

import itertools
import multiprocessing
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import pytest

from desk.conftest import ledger_at_head
from desk.stage import BTC, candle_file, flat
from practice.running import Running, running
from storm_exchange.invariants import at_rest
from storm_exchange.life import live
from storm_exchange.sea import START, Late, watched
from trade_mcp.app import App, build
from trade_mcp.domain.order import Source
from trade_mcp.feeds.replay import replay_feed
from trade_mcp.settings import Settings, load_settings
from trade_mcp.store import reads
from venues.stopless import stopless

__all__ = ["ledger_at_head"]
pytestmark = pytest.mark.storm
SLICES = 20
MINUTES = Late()  # of the exchange: a new one for each life, whose requests all count together
type Die = Callable[[int, bool], tuple[Settings, list[str], int | None]]


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One exchange for all points; each point has an account of its own there. Its market stands still."""
    folder = tmp_path_factory.mktemp("exchange")
    feed = replay_feed([candle_file(folder, flat(400))], warmup=2, start=START)
    with running(folder, feed=feed, speed=0.0, start=START, real=MINUTES.real) as found:
        yield found


@pytest.fixture(scope="module")
def die(exchange: Running, tmp_path_factory: pytest.TempPathFactory, ledger_at_head: Path) -> Die:
    """``die(at, stops)``: live until point ``at``, in a process that is gone then. Settings, points passed, its end."""
    folder = tmp_path_factory.mktemp("lives")
    file = candle_file(folder, flat(400))
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["storm_exchange.life"])
    numbers = itertools.count()
    paths = os.pathsep.join(sys.path)  # what it loads beforehand it finds as we do

    def once(at: int, stops: bool) -> tuple[Settings, list[str], int | None]:
        name = f"key-{next(numbers)}"
        exchange.control.add_account(f"{name}:secret-of-{name}:USDT=10000")
        data = folder / name
        data.mkdir()
        shutil.copy(ledger_at_head, data / "ledger.db")
        settings = _settings(data, file, exchange.url, name)
        MINUTES.s += 61
        process = processes.Process(target=live, args=(settings, at, data / "points", stops))
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("PYTHONPATH", paths)
            process.start()
        process.join(60)
        assert not process.is_alive()
        return settings, (data / "points").read_text().splitlines(), process.exitcode

    return once


def _settings(data: Path, file: Path, url: str, key: str) -> Settings:
    feed = {"name": "replay", "data": [str(file)], "speed": "max", "start": START.isoformat(), "spread": "0.0002"}
    desk = {"data_dir": str(data), "venue": "ccxt", "exchange": "binance"}
    env = {
        "TRADE_MCP_EXCHANGE_KEY": key,
        "TRADE_MCP_EXCHANGE_SECRET": f"secret-of-{key}",
        "TRADE_MCP_EXCHANGE_URL": url,
    }
    return load_settings(env=env, overrides={"desk": desk, "feed": feed, "limits": {"ask": "never"}})


def later(app: App, seconds: float) -> None:
    """It is so much later for the desk."""
    for clock in (app.clock, app.venue.exchange.clock):  # type: ignore[attr-defined]
        real, boot = clock.real, clock.boot
        clock.real = lambda real=real: real() + timedelta(seconds=seconds)
        clock.boot = lambda boot=boot: boot() + seconds
    app.heartbeats.beat("watch", {})


LIVES = pytest.mark.parametrize("stops", [True, False], ids=["resting", "watched"])


@LIVES
def test_a_life_that_nobody_ends_ends_flat(die: Die, exchange: Running, stops: bool) -> None:
    settings, points, code = die(0, stops)
    assert code == 0
    assert len(points) > (80 if stops else 40) and {"before a write", "after POST order"} <= set(points)
    assert ({"after POST oco", "after DELETE order"} <= set(points)) is stops
    with _after(settings, stops) as app:
        assert app.log.book.positions == {} and app.log.book.orders == {}
        at_rest(app, _books(exchange, settings))


@LIVES
@pytest.mark.at_most(SLICES)
def test_whenever_a_process_is_killed_the_next_one_finds_everything(
    die: Die, exchange: Running, storm_seed: int, stops: bool
) -> None:
    _, points, _ = die(0, stops)
    for at in range(1 + storm_seed % SLICES, len(points) + 1, SLICES):
        settings, passed, code = die(at, stops)
        assert code == -signal.SIGKILL and len(passed) == at
        MINUTES.s += 61
        with _after(settings, stops) as app:
            app.venue.poll_s = 0.0  # type: ignore[attr-defined]
            _found(app, at=at, passed=passed)
            at_rest(app, _books(exchange, settings))


@contextmanager
def _after(settings: Settings, stops: bool) -> Iterator[App]:
    """The next process."""
    with nullcontext() if stops else stopless(), build(settings, "test") as app:
        yield app


def _found(app: App, *, at: int, passed: list[str]) -> None:
    """The rounds of the watcher after a restart; a position that is known has its stop within the grace."""
    where = f"point {at}: {passed[-1]}"
    app.heartbeats.beat("watch", {})
    watched(app)
    for _ in range(2):
        later(app, 61)
        watched(app)
    book = app.log.refresh()
    assert book.unprotected() == [], where
    fills = reads.fills(app.engine)
    assert len({each.fill.trade_id for each in fills}) == len(fills), where
    if BTC in book.positions:  # and it can be ended
        app.gate.close(BTC, D(1), Source.OPERATOR, reason="after the crash", order_id="after")
        watched(app)
        assert app.log.refresh().positions == {}, where


def _books(exchange: Running, settings: Settings) -> dict[str, Any]:
    key = settings.desk.exchange_key
    assert key is not None
    return exchange.control.books(key.get_secret_value())
