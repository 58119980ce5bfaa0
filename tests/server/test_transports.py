"""The two ways in: what they promise about who gets in, how they start, and how they end."""

import re
import signal
import socket
import subprocess
from pathlib import Path

import httpx2
import pytest

from server.serving import Served, connected, environment, over_stdio, serve, until
from trade_mcp.server.server import entries

LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
SPEAKS = {"accept": "application/json, text/event-stream"}


def ask(served: Served, **headers: str) -> httpx2.Response:
    return httpx2.post(served.url, json=LIST, headers=SPEAKS | headers, timeout=10)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_the_same_tools_over_http_in_both_eras(served: Served, mode: str) -> None:
    with connected(served.url, mode=mode) as call:
        assert {tool.name for tool in call.tools()} == {entry.name for entry in entries(None, read_only=False)}
        assert call("get_quotes")["quotes"]


@pytest.mark.storm
def test_a_client_goes_on_after_the_server_was_killed(served: Served) -> None:
    with connected(served.url) as call:
        placed = call("place_order", symbol="BTC/USDT", side="buy", notional="200", order_id="before")
        served.stop(signal.SIGKILL)
        served.start()
        again = call("place_order", symbol="BTC/USDT", side="buy", notional="200", order_id="before")
        assert (placed["outcome"], again["outcome"]) == ("placed", "already")


def test_no_stream_is_opened_that_nothing_would_be_said_on(served: Served) -> None:
    assert httpx2.get(served.url, headers={"accept": "text/event-stream"}).status_code == 405


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.storm
def test_http_ends_cleanly(served: Served, how: signal.Signals) -> None:
    with connected(served.url) as call:
        call("get_status")
    assert served.stop(how) == 0
    assert "Traceback" not in served.said


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, None])
@pytest.mark.storm
def test_stdio_ends_cleanly_on_a_signal_and_when_the_client_leaves(tmp_path: Path, how: signal.Signals | None) -> None:
    process = subprocess.Popen(
        serve(), env=environment(tmp_path), cwd=tmp_path, stdin=-1, stdout=-1, stderr=-1, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    hello = '{"jsonrpc":"2.0","id":1,"method":"ping","params":{}}\n'
    process.stdin.write(hello)
    process.stdin.flush()
    assert '"id":1' in process.stdout.readline()
    if how is None:
        out, err = process.communicate(timeout=10)
    else:
        process.send_signal(how)
        process.wait(timeout=10)
        out, err = process.communicate()
    assert process.returncode == 0
    assert out == ""  # stdout is the protocol's alone
    assert "Traceback" not in err


def test_a_port_in_use_is_told_before_anything_is_served(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            serve("--http", "--port", port), env=environment(tmp_path), cwd=tmp_path, capture_output=True, text=True
        )
    assert done.returncode == 2
    assert f"port {port} on 127.0.0.1 is in use" in done.stderr
    assert "hint:" in done.stderr


def test_a_website_cannot_reach_the_desk(served: Served) -> None:
    assert ask(served).status_code == 200
    assert ask(served, host="evil.example").status_code == 421
    assert ask(served, origin="https://evil.example").status_code == 403
    assert ask(served, origin=f"http://localhost:{served.port}").status_code == 200


@pytest.mark.storm
def test_beyond_this_machine_only_the_token_gets_in(tmp_path: Path) -> None:
    server = Served(tmp_path, "--host", "0.0.0.0")
    try:
        until(lambda: "Bearer" in server.said)
        tokens = re.findall(r"Authorization: Bearer (\S+)", server.said)
        assert len(tokens) == 1
        assert ask(server).status_code == 401
        assert ask(server, authorization="Bearer wrong").status_code == 401
        assert ask(server, authorization=tokens[0]).status_code == 401
        assert ask(server, authorization=f"Bearer {tokens[0]}", host="desk.lan:8765").status_code == 200
    finally:
        server.stop()


@pytest.mark.storm
def test_a_token_that_is_set_is_asked_for_and_never_printed(tmp_path: Path) -> None:
    server = Served(tmp_path, TRADE_MCP_SERVER_TOKEN="a-long-secret-of-mine")
    try:
        assert ask(server).status_code == 401
        assert ask(server, authorization="Bearer a-long-secret-of-mine").status_code == 200
    finally:
        server.stop()
    assert "a-long-secret-of-mine" not in server.said


@pytest.mark.storm
def test_settings_choose_what_is_served(tmp_path: Path) -> None:
    chosen = over_stdio(tmp_path, TRADE_MCP_SERVER__READ_ONLY="true", TRADE_MCP_SERVER__TOOLSETS="orders,portfolio")
    with connected(chosen) as call:
        names = {tool.name for tool in call.tools()}
        assert {"preview_order", "list_orders", "get_portfolio"} <= names
        assert not names & {"place_order", "close_position", "get_status", "get_quotes", "get_risk"}
        assert call.raw("place_order", symbol="BTC/USDT", side="buy", notional="200").is_error
