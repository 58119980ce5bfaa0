"""A halt holds: in every form, until no entry lives, with stops in place, whatever else is broken."""

import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import pytest

from arming.live import SYMBOL, Live, live
from cli.test_bad_input import run
from cli.test_programs import running
from desk.stage import BTC, ETH, buy, flat, losing, on
from server.serving import connected, free_port, until
from trade_mcp.app import App
from trade_mcp.domain.distances import Distance
from trade_mcp.domain.errors import HaltUnwritten
from trade_mcp.domain.events import StateChanged, TradingState
from trade_mcp.domain.exits import ExitPlan
from trade_mcp.domain.order import OrderRequest, OrderType, Role, Side, Source
from trade_mcp.role import halt as by_signal
from trade_mcp.server.server import build_server
from trade_mcp.store import history

Stage = Callable[..., App]
HALTED, ACTIVE = TradingState.HALTED, TradingState.ACTIVE


def resting(app: App, order_id: str = "resting", size: str = "2") -> None:
    request = buy(order_id, size, type=OrderType.LIMIT, limit_price=D("99"))
    assert app.gate.submit(request, Source.MODEL).outcome == "placed"


def entries(app: App) -> list[str]:
    return [order.order_id for order in app.log.refresh().live() if order.role is Role.ENTRY]


def at_the_venue(app: App) -> list[Side | None]:
    return [report.side for report in app.venue.open_orders()]


def by_tool(app: App) -> None:
    with connected(build_server(app)) as call:  # type: ignore[arg-type]
        call("halt_trading", reason="odd")


def by_hand(app: App) -> None:
    app.trading.flag.path.touch()
    on(app)  # the watcher writes it down


WAYS = {
    "tool": by_tool,
    "person": lambda app: app.gate.halt(Source.OPERATOR, reason="odd"),
    "signal": by_signal,
    "flag": by_hand,
}


@pytest.mark.parametrize("way", WAYS)
def test_every_halt_ends_the_entries_keeps_the_stops_and_lasts(stage: Stage, way: str) -> None:
    app = stage(flat(400), eth=flat(400))
    app.gate.submit(buy("held", "5", ETH), Source.MODEL)
    resting(app)
    WAYS[way](app)
    assert app.log.refresh().state is HALTED and entries(app) == []
    assert at_the_venue(app) == [Side.SELL] and not app.log.book.unprotected()
    assert app.gate.submit(buy("more", "1"), Source.MODEL).refused
    again = stage(flat(400), eth=flat(400))  # a restart changes nothing
    assert again.gate.submit(buy("most", "1.1"), Source.LOOP).refused
    assert app.gate.close(ETH, D(1), Source.MODEL, reason="safer", order_id="out").outcome == "closed"
    app.gate.resume(Source.OPERATOR, reason="test")
    assert not app.trading.flag.why() and again.log.refresh().state is ACTIVE
    assert again.gate.submit(buy("then", "1.2"), Source.MODEL).outcome == "placed"
    on(app)
    assert app.log.refresh().state is ACTIVE


def test_it_is_enforced_until_no_entry_lives(stage: Stage) -> None:
    app = stage()
    resting(app)
    line = losing(app)
    line.lose = lambda call: "before" if call == "cancel" else ""
    app.gate.halt(Source.OPERATOR, reason="odd")
    app.watch.step()
    assert entries(app) == ["resting"] and at_the_venue(app) == [Side.BUY]
    line.lose = lambda call: "after" if call == "cancel" else ""
    app.watch.step()
    line.lose = lambda call: ""
    app.watch.step()
    assert entries(app) == [] and at_the_venue(app) == []


def test_an_entry_whose_answer_was_lost_is_found_and_ended(stage: Stage) -> None:
    app = stage()
    line = losing(app)
    line.lose = lambda call: "after" if call == "submit" else ""
    app.gate.submit(buy("lost", "2", type=OrderType.LIMIT, limit_price=D("99")), Source.MODEL)
    line.lose = lambda call: ""
    app.gate.halt(Source.OPERATOR, reason="odd")
    real = app.clock.real
    app.clock.real = lambda: real() + timedelta(seconds=6)  # type: ignore[method-assign]
    for _ in range(3):
        app.watch.step()
    assert entries(app) == [] and at_the_venue(app) == []


@contextmanager
def locked(app: App) -> Iterator[None]:
    """Another program holds the ledger and does not let go."""
    with closing(sqlite3.connect(app.engine.path, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            db.execute("ROLLBACK")


def test_while_the_ledger_is_locked_entries_are_cancelled_and_blocked(stage: Stage) -> None:
    app = stage()
    resting(app)
    seen = app.gate.preview(buy("b", "1"), Source.MODEL)
    assert seen.allowed
    with locked(app):
        with pytest.raises(HaltUnwritten) as said:
            app.gate.halt(Source.OPERATOR, reason="odd")
        assert said.value.cancelled == ["resting"] and said.value.failed == []
        assert at_the_venue(app) == []
        assert not app.gate.preview(buy("b", "1"), Source.MODEL).allowed
        (order,) = [one for one in app.log.book.live() if one.order_id == "resting"]
        assert "HALT" in app.gate._sender._too_late(order, None)  # what was written before is not sent either
    assert app.log.refresh().state is ACTIVE
    on(app)
    assert app.log.refresh().state is HALTED and entries(app) == []


def test_the_flag_blocks_a_send_that_was_written_before_it(stage: Stage) -> None:
    app = stage()
    line = losing(app)
    send = app.gate._sender.send

    def late(orders: Any, **given: Any) -> None:
        app.trading.flag.put_up("just now")
        send(orders, **given)

    app.gate._sender.send = late  # type: ignore[method-assign]
    receipt = app.gate.submit(buy("a", "1"), Source.MODEL)
    assert receipt.outcome == "nothing" and "HALT" in receipt.message
    assert line.submitted == 0


def test_a_flag_that_cannot_be_looked_at_is_up(stage: Stage, tmp_path: Path) -> None:
    app = stage()
    app.trading.flag.path.symlink_to(app.trading.flag.path)  # looking at it fails, and not because it is absent
    assert app.gate.submit(buy("a", "1"), Source.MODEL).refused


def test_nothing_that_decides_starts_under_the_flag(tmp_path: Path) -> None:
    (tmp_path / "desk").mkdir(mode=0o700)
    (tmp_path / "desk" / "HALT").write_text("by hand\nat night")
    (tmp_path / "desk" / "ledger.db").write_bytes(b"no ledger at all" * 300)
    for words in (("tick",), ("up", "--for", "5s")):
        done = run(tmp_path, *words)
        assert done.returncode == 3 and "by hand at night" in done.stderr, done.stderr


def test_the_command_works_with_the_ledger_destroyed(tmp_path: Path) -> None:
    (tmp_path / "desk").mkdir(mode=0o700)
    (tmp_path / "desk" / "ledger.db").write_bytes(b"no ledger at all" * 300)
    done = run(tmp_path, "halt", "--flatten", "--reason", "odd", "--json")
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)
    assert (tmp_path / "desk" / "HALT").read_text() == "odd\n"
    assert "the ledger does not know" in str(told["said"]) and "nothing was sold" in str(told["said"])


@pytest.mark.storm
def test_a_hung_loop_and_a_dead_server_do_not_hinder_it(tmp_path: Path) -> None:
    more = {"TRADE_MCP_FEED__SPEED": "600"}
    with running(tmp_path, "watch", **more), running(tmp_path, "loop", **more) as loop:
        loop.says("decided")
        with running(tmp_path, "serve", "--http", "--port", str(free_port()), **more) as server:
            server.says("serving MCP")
            server.process.kill()
        os.kill(loop.process.pid, signal.SIGSTOP)
        try:
            until(lambda: run(tmp_path, "halt", "--reason", "odd").returncode == 0, within_s=60)
        finally:
            os.kill(loop.process.pid, signal.SIGCONT)
        before = len(loop.said)
        until(lambda: loop.said.count("decided", before) > 3, within_s=60)
        assert "order written" not in _entries_of(loop.said[before:])
        assert json.loads(run(tmp_path, "risk", "--json").stdout)["state"] == "halted"


@pytest.mark.storm
@pytest.mark.parametrize("program", ["loop", "watch"])
def test_a_signal_halts_though_the_ledger_is_locked(tmp_path: Path, program: str) -> None:
    with running(tmp_path, program, TRADE_MCP_FEED__SPEED="60") as one:
        one.says("took the role")
        ledger = tmp_path / "desk" / "ledger.db"
        with closing(sqlite3.connect(ledger, isolation_level=None, timeout=30)) as db:
            db.execute("BEGIN IMMEDIATE")
            one.process.send_signal(signal.SIGUSR1)
            until(lambda: (tmp_path / "desk" / "HALT").exists())
            db.execute("ROLLBACK")
        until(lambda: "state_changed" in _kinds(ledger), within_s=60)


@pytest.mark.storm
def test_a_loop_waits_for_the_flag_and_watches_meanwhile(tmp_path: Path) -> None:
    (tmp_path / "desk").mkdir(mode=0o700)
    (tmp_path / "desk" / "HALT").touch()
    with running(tmp_path, "loop", TRADE_MCP_FEED__SPEED="600") as loop:
        loop.says("does not start while the halt flag is up", '"role": "watch"')
        assert "decided" not in loop.said
        assert run(tmp_path, "resume", "--reason", "test").returncode == 0
        loop.says('"event": "decided"')


@pytest.mark.storm
def test_with_everything_dead_the_command_speaks_to_the_exchange(tmp_path: Path) -> None:
    with live(tmp_path, practice=True, ask="never") as there:
        with there.desk() as app:
            held = OrderRequest(order_id="held", symbol=SYMBOL, side=Side.BUY, size=D("0.01"), exits=_stop())
            assert app.gate.submit(held, Source.MODEL).outcome == "placed"
            for number in range(2):
                assert (
                    app.gate.submit(_far(app, f"far-{number}", f"0.00{number + 5}"), Source.MODEL).outcome == "placed"
                )
            assert sorted(at_the_venue(app), key=str).count(Side.BUY) == 2
        done = _command(there, "halt", "--reason", "odd", "--json")
        assert done.returncode == 0, done.stderr
        with there.desk() as app:
            assert Side.BUY not in at_the_venue(app) and Side.SELL in at_the_venue(app)
            assert app.log.refresh().state is HALTED
        done = _command(there, "halt", "--flatten", "--json")
        with there.desk() as app:
            app.watch.step()
            assert not [one for one in app.log.refresh().positions.values() if not one.dust], done.stdout


@pytest.mark.storm
def test_with_the_ledger_destroyed_it_still_cancels_at_the_exchange(tmp_path: Path) -> None:
    with live(tmp_path, practice=True, ask="never") as there:
        with there.desk() as app:
            assert app.gate.submit(_far(app, "far", "0.005"), Source.MODEL).outcome == "placed"
            held = OrderRequest(order_id="held", symbol=SYMBOL, side=Side.BUY, size=D("0.01"), exits=_stop())
            assert app.gate.submit(held, Source.MODEL).outcome == "placed"
            client = app.venue.exchange.reads  # type: ignore[attr-defined]
            ledger = app.engine.path
        for file in ledger.parent.glob("ledger.db*"):
            file.write_bytes(b"gone" * 1000)
        done = _command(there, "halt", "--json")
        assert done.returncode == 1 and "cancelled" in done.stdout, (done.stdout, done.stderr)
        assert {order["side"] for order in client.fetch_open_orders(SYMBOL)} == {"sell"}


@pytest.mark.storm
def test_with_the_exchange_away_the_ledger_still_halts(tmp_path: Path) -> None:
    with live(tmp_path, practice=True) as there:
        there.desk().close()
    done = _command(there, "halt", "--json")
    assert done.returncode == 1 and "the halt is written to the ledger" in done.stdout, (done.stdout, done.stderr)
    assert "look at the open orders at the exchange" in done.stdout
    assert (there.folder / "desk" / "HALT").exists()


def test_two_at_once_halt_once(stage: Stage) -> None:
    desks = [stage(), stage()]
    threads = [
        threading.Thread(target=desk.gate.halt, args=(Source.OPERATOR,), kwargs={"reason": "odd"}) for desk in desks
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(history.events(desks[0].engine, (StateChanged,))) == 1
    assert stat.S_ISREG(desks[0].trading.flag.path.stat().st_mode)
    assert desks[0].gate.submit(buy("a", "1", BTC), Source.MODEL).refused


def _stop() -> ExitPlan:
    return ExitPlan(stop=Distance(fraction=D("0.02")))


def _far(app: App, order_id: str, size: str) -> OrderRequest:
    price = (app.market.quote(SYMBOL).bid * D("0.985")).quantize(app.market.instrument(SYMBOL).tick)
    return OrderRequest(
        order_id=order_id,
        symbol=SYMBOL,
        side=Side.BUY,
        type=OrderType.LIMIT,
        size=D(size),
        limit_price=price,
        exits=_stop(),
    )


def _command(there: Live, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "trade_mcp", *words]
    return subprocess.run(command, env=there.env, cwd=there.folder, capture_output=True, text=True)


def _kinds(ledger: Path) -> str:
    with closing(sqlite3.connect(ledger, timeout=30)) as db:
        return str(db.execute("SELECT DISTINCT kind FROM events").fetchall())


def _entries_of(said: str) -> str:
    return "\n".join(line for line in said.splitlines() if '"role": "entry"' in line)
