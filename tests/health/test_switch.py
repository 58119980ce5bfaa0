"""The dead man's switch hears from the desk while it works, and from nobody when it does not."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cli.test_bad_input import run
from cli.test_programs import running
from clocks import ManualClock
from health.stage import Staged
from health.switches import switch
from server.serving import until
from trade_mcp.channels.ping import ping
from trade_mcp.domain.errors import LedgerError
from trade_mcp.office.switch import Switch

GET = ("GET", "/2f3d4c5b-secret", "")


def test_it_is_asked_every_so_often_in_real_time_while_the_desk_is_well(stage: Callable[..., Staged]) -> None:
    desk, clock = stage(), ManualClock()
    desk.well()
    with switch() as heard:
        dead_man = Switch(heard.url, every_s=60, tell_why=False, failing=lambda: desk.failing, send=ping, clock=clock)
        for _ in range(5):
            if dead_man.due:
                assert dead_man.step() == ""
            clock.pass_(30)
        assert heard.asked == [GET] * 3
        desk._watcher.release()  # nobody watches any more
        clock.pass_(60)
        assert dead_man.step() == ""
        assert heard.asked == [GET] * 3


def test_with_reasons_it_is_told_at_once_what_is_wrong(stage: Callable[..., Staged]) -> None:
    desk, clock = stage(), ManualClock()
    desk.watch()
    with switch() as heard:
        Switch(heard.url, every_s=60, tell_why=True, failing=lambda: desk.failing, send=ping, clock=clock).step()
    ((method, path, body),) = heard.asked
    assert (method, path) == ("POST", "/2f3d4c5b-secret/fail")
    assert body == "no loop is running: nothing trades by itself until `trade-mcp loop` runs"


def test_a_ledger_that_cannot_be_read_is_no_reason_to_say_all_is_well() -> None:
    def unreadable() -> tuple[str, ...]:
        raise LedgerError("the ledger is gone")

    with switch() as heard:
        for tell_why in (False, True):
            Switch(heard.url, every_s=1, tell_why=tell_why, failing=unreadable, send=ping, clock=ManualClock()).step()
    assert heard.asked == [("POST", "/2f3d4c5b-secret/fail", "the ledger is gone")]


def test_a_switch_that_is_away_is_said_without_its_address() -> None:
    with switch() as heard:
        heard.status = 500
        assert ping(heard.url) == "it answered 500"
    assert ping(heard.url) == "it could not be reached: ConnectError"


@pytest.mark.storm
def test_a_desk_pings_while_it_runs_and_falls_silent_with_its_loop(tmp_path: Path) -> None:
    with switch() as heard:
        env = {"TRADE_MCP_PING_URL": heard.url, "TRADE_MCP_HEALTH__PING_EVERY_S": "5"}
        with running(tmp_path, "watch", **env) as watcher, running(tmp_path, "loop", **env) as loop:
            until(lambda: GET in heard.asked, within_s=30)
            loop.process.kill()
            loop.process.wait()
            until(lambda: run(tmp_path, "doctor").returncode == 1)
            before = len(heard.asked)
            assert watcher.process.poll() is None
        assert len(heard.asked) <= before + 1  # one may have been on its way
        assert "2f3d4c5b" not in watcher.said


@pytest.mark.parametrize("url", ["hc-ping.com/2f3d-secret", "ftp://2f3d-secret"])
def test_an_address_that_is_none_is_refused_and_not_shown(tmp_path: Path, url: str) -> None:
    done = run(tmp_path, "doctor", TRADE_MCP_PING_URL=url)
    assert done.returncode == 2
    assert "health.ping_url: expected an address that begins with https://" in done.stderr
    assert "2f3d" not in done.stderr


def test_the_address_has_no_place_in_a_file(tmp_path: Path) -> None:
    done = run(tmp_path, "doctor", config='[health]\nping_url = "https://hc-ping.com/2f3d"\n')
    assert done.returncode == 2
    assert "TRADE_MCP_PING_URL" in done.stderr
