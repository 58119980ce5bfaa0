"""Live trading waits for a person at a terminal: what is asked there, what is kept of it, and when it ends."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import pytest

from approvals.clients import PersonBehind, chat
from arming.live import NAME, PHRASE, SYMBOL, Live, live
from arming.terminal import Typed, at_terminal
from trade_mcp.app import App
from trade_mcp.domain.approvals import By
from trade_mcp.domain.distances import Distance
from trade_mcp.domain.errors import BadInput, NotWaiting
from trade_mcp.domain.events import Armed, Denied, TradingState
from trade_mcp.domain.exits import ExitPlan
from trade_mcp.domain.order import OrderRequest, OrderType, Side, Source
from trade_mcp.server.server import build_server
from trade_mcp.store import history
from venues.stopless import stopless_programs

ACCOUNT = ("Type the name of the account", NAME)
TWICE = (("New passphrase", PHRASE), ("The same again", PHRASE))
ASKED = (f"Passphrase of {NAME}", PHRASE)


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Live]:
    with live(tmp_path) as found:
        yield found


def typed(there: Live, *words: str, types: Any = ()) -> Typed:
    return at_terminal(there.folder, there.env, *words, types=types)


def entry(app: App, order_id: str = "", **more: Any) -> OrderRequest:
    plan = ExitPlan(stop=Distance(fraction=D("0.02")))
    parts = {"size": D("0.005"), "exits": plan} | more
    return OrderRequest(order_id=order_id or app.new_id(), symbol=SYMBOL, side=Side.BUY, **parts)


def denials(app: App) -> list[str]:
    return [f"{one.act}: {one.why}" for one in history.events(app.engine, (Denied,)) if isinstance(one, Denied)]


@pytest.mark.storm
def test_a_live_desk_is_halted_until_a_person_arms_it_and_when_the_time_is_over(there: Live) -> None:
    with there.desk() as app:
        assert app.trading.now(app.log.refresh())[0] is TradingState.HALTED
        assert [v.rule for v in app.gate.submit(entry(app), Source.MODEL).failed] == ["trading_state"]
        with chat(build_server(app), None) as call:
            status = call("get_status")
            assert (status["mode"], status["state"]) == ("live", "halted") and "trade-mcp arm" in status["cleared_by"]

        done = typed(there, "arm", "--for", "8h", types=(ACCOUNT, *TWICE))
        assert done.code == 0, done.shown
        for shown in ("cannot withdraw", "max_order_notional 0.15", "1,500.00 USDT", "armed until"):
            assert shown in done.shown, done.shown
        assert PHRASE not in done.shown
        assert app.trading.now(app.log.refresh())[0] is TradingState.ACTIVE
        assert app.gate.submit(entry(app), Source.MODEL).outcome == "placed"

        resting = entry(app, "resting", size=D("0.004"), type=OrderType.LIMIT, limit_price=_below(app))
        assert app.gate.submit(resting, Source.MODEL).outcome == "placed"
        real = app.clock.real
        app.clock.real = lambda: real() + timedelta(hours=8)  # type: ignore[method-assign]
        assert "armed until" in app.trading.now(app.log.refresh())[1]
        assert app.gate.submit(entry(app), Source.MODEL).refused
        app.watch.step()
        assert not [order for order in app.log.refresh().live() if order.role == "entry"]
        assert not app.log.book.unprotected()  # its stop stays
        app.clock.real = lambda: real() - timedelta(hours=1)  # type: ignore[method-assign]  # a clock set back
        assert app.gate.submit(entry(app), Source.MODEL).refused

    for file in (there.folder / "desk").rglob("*"):
        assert file.is_dir() or PHRASE.encode() not in file.read_bytes()


@pytest.mark.storm
def test_what_rests_nowhere_is_told_by_doctor_and_before_the_name_is_typed(there: Live) -> None:
    (there.folder / "site").mkdir()
    env = there.env | stopless_programs(there.folder / "site")
    doctor = [sys.executable, "-m", "trade_mcp", "doctor", "--json"]
    found = json.loads(subprocess.run(doctor, env=env, cwd=there.folder, capture_output=True, text=True).stdout)
    (stops,) = [check for check in found["checks"] if check["check"] == "stops"]
    assert stops["verdict"] == "warn" and "nothing sells" in stops["said"]
    done = at_terminal(there.folder, env, "arm", "--for", "1h", types=(("Type the name", "no"),))
    assert done.code == 3
    assert "if the desk does not run, nothing sells" in done.shown.partition("Type the name")[0]


@pytest.mark.storm
def test_a_wrong_name_or_passphrase_arms_nothing_and_is_written_down(there: Live) -> None:
    assert typed(there, "arm", "--for", "1m", types=(ACCOUNT, *TWICE)).code == 0
    again = typed(there, "arm", "--for", "10m", types=(ACCOUNT, (ASKED[0], "wrong horse battery")))
    assert again.code == 3 and "wrong passphrase" in again.shown
    soon = typed(there, "arm", "--for", "10m", types=(("Type the name", "paper"),))
    assert soon.code == 3 and "not the account" in soon.shown
    with there.desk() as app:
        assert [said.partition(":")[0] for said in denials(app)] == ["arm", "arm"]
        assert not any(PHRASE in said or "horse" in said for said in denials(app))
        assert len(history.events(app.engine, (Armed,))) == 1


@pytest.mark.storm
def test_without_a_terminal_nobody_arms_it(there: Live) -> None:
    env = there.env | {"TRADE_MCP_PASSPHRASE": PHRASE, "TRADE_MCP_OPERATOR_PASSPHRASE": PHRASE}
    command = [sys.executable, "-m", "trade_mcp", "arm", "--for", "8h"]
    said = f"{NAME}\n{PHRASE}\n{PHRASE}\n"
    done = subprocess.run(
        command, env=env, cwd=there.folder, input=said, capture_output=True, text=True, start_new_session=True
    )
    assert done.returncode == 3 and "terminal" in done.stderr
    with there.desk() as app:
        assert app.trading.now(app.log.refresh())[0] is TradingState.HALTED


@pytest.mark.storm
def test_a_key_that_can_withdraw_is_refused(tmp_path: Path) -> None:
    with live(tmp_path, permissions="read+trade+withdraw") as there:
        done = typed(there, "arm", "--for", "8h")
        assert done.code == 2 and "withdraw" in done.shown and "passphrase" not in done.shown


@pytest.mark.storm
@pytest.mark.parametrize(
    ("types", "said"),
    [
        ((("New passphrase", "short"), ("The same again", "short")), "at least 12"),
        ((("New passphrase", PHRASE), ("The same again", PHRASE + "!")), "not the same"),
    ],
)
def test_a_new_passphrase_is_long_and_typed_twice(there: Live, types: Any, said: str) -> None:
    done = typed(there, "arm", "--for", "8h", types=(ACCOUNT, *types))
    assert done.code == 3 and said in done.shown
    with there.desk() as app:
        assert app.trading.now(app.log.refresh())[0] is TradingState.HALTED


@pytest.mark.storm
@pytest.mark.parametrize("length", ["10s", "8d", "0", "ever"])
def test_it_is_armed_for_a_time_that_makes_sense(there: Live, length: str) -> None:
    done = typed(there, "arm", "--for", length)
    assert done.code == 2 and "hint:" in done.shown


@pytest.mark.storm
def test_on_a_live_desk_a_persons_acts_need_the_passphrase(there: Live) -> None:
    with there.desk() as app:
        app.trading.arm(timedelta(hours=1))
        assert app.gate.submit(entry(app, "big", size=_share(app, "0.12")), Source.MODEL).outcome == "proposed"
        (proposal_id,) = app.log.refresh().proposals
    for words in (("resume", "--reason", "x"), ("approve", proposal_id), ("takeover", SYMBOL, "--reason", "x")):
        done = typed(there, *words)
        assert done.code == 3 and "passphrase" in done.shown, done.shown
    assert typed(there, "arm", "--for", "1h", types=(ACCOUNT, *TWICE)).code == 0
    assert typed(there, "halt").code == 0
    armed = typed(there, "arm", "--for", "1h", types=(ACCOUNT, ASKED))
    assert armed.code == 0 and "but trading is halted" in armed.shown  # arm ends no halt
    wrong = typed(there, "approve", proposal_id, types=((ASKED[0], "guess guess guess"),))
    assert wrong.code == 3
    too_soon = typed(there, "approve", proposal_id, types=(ASKED,))
    assert too_soon.code in (0, 3)  # the right one, perhaps too soon
    there.file.write_text(there.file.read_text() + "max_heat = 0.05\n")
    for words in (("resume", "--reason", "x"), ("policy", "adopt")):
        for _ in range(20):
            done = typed(there, *words, types=(ASKED,))
            if "the next is in" not in done.shown:
                break
        assert done.code == 0, done.shown
    with there.desk() as app:
        assert app.trading.now(app.log.refresh())[0] is TradingState.ACTIVE


@pytest.mark.storm
def test_disarming_ends_it_at_once_and_needs_nothing(there: Live) -> None:
    with there.desk() as app:
        app.trading.arm(timedelta(hours=1))
        resting = entry(app, "resting", type=OrderType.LIMIT, limit_price=_below(app))
        assert app.gate.submit(resting, Source.MODEL).outcome == "placed"
        done = subprocess.run(
            [sys.executable, "-m", "trade_mcp", "disarm", "--json"],
            env=there.env,
            cwd=there.folder,
            capture_output=True,
            text=True,
        )
        assert json.loads(done.stdout) == {"disarmed": True, "state": "halted"}
        assert not list(app.log.refresh().live())
        assert app.gate.submit(entry(app), Source.MODEL).refused
        assert list(app.venue.open_orders()) == []


def test_on_a_live_desk_nobody_approves_in_the_chat(there: Live) -> None:
    person = PersonBehind("yes")
    with there.desk() as app:
        app.trading.arm(timedelta(hours=1))
        order = {"symbol": SYMBOL, "side": "buy", "size": f"{_share(app, '0.12'):f}", "stop_loss": "2%"}
        with chat(build_server(app), person) as call:
            first = call("place_order", **order)
            assert (first["mode"], first["outcome"]) == ("live", "unconfirmed") and person.asked == []
            again = order | {"order_id": first["order_id"], "confirm": first["confirm"]}
            number = call("place_order", **again)["proposal"]["id"]
        with pytest.raises(NotWaiting, match="terminal"):
            app.proposals.approve(number, By.CHAT)
        assert number in app.log.refresh().proposals and len(denials(app)) == 1


def test_on_the_practice_exchange_nothing_is_armed(tmp_path: Path) -> None:
    with live(tmp_path, practice=True) as there, there.desk() as app:
        assert app.settings.mode == "practice"
        assert app.gate.submit(entry(app), Source.MODEL).outcome == "placed"
        with pytest.raises(BadInput):
            app.trading.arm(timedelta(hours=1))
        assert not history.events(app.engine, (Armed,))


def _below(app: App) -> D:
    return (app.market.quote(SYMBOL).bid * D("0.99")).quantize(app.market.instrument(SYMBOL).tick)


def _share(app: App, share: str) -> D:
    equity = app.portfolio().equity
    assert equity is not None
    return app.market.instrument(SYMBOL).round_size(equity * D(share) / app.market.quote(SYMBOL).ask)
