"""Setting up a client: the entry works when the client starts it, other people's lines stay, undo goes all the way."""

import json
import os
import stat
import subprocess
from pathlib import Path

import pytest
from mcp import StdioServerParameters

from cli.test_bad_input import run, told
from server.serving import connected, environment
from trade_mcp.cli import setup_client
from trade_mcp.cli.clients import CLIENTS, Machine, place
from trade_mcp.cli.json_edit import found, with_member, without_member
from trade_mcp.cli.setup_client import planned, undo, write, written
from trade_mcp.domain.errors import BadInput

PATH = ("mcpServers", "trade-mcp")
ENTRY = {"command": "/bin/python", "args": ["serve"], "env": {}}
FILES = {
    "empty": "",
    "object": "{}\n",
    "one line": '{"theme": "dark", "mcpServers": {"x": {"command": "y"}}}',
    "tabs": '{\n\t"mcpServers": {\n\t\t"x": {"command": "y"}\n\t},\n\t"z": [1, {"a": "}"}]\n}\n',
    "no servers": '{\n    "mcpServers": {}\n}',
    "comments": '// mine\n{\n  "mcpServers": {\n    "x": 1, // one\n    /* two */ "y": [true, null,],\n  },\n}\n',
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's folders and nothing else of this machine."""
    for name in [name for name in os.environ if name.startswith("TRADE_MCP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / ".config"))
    monkeypatch.delenv("WSL_DISTRO_NAME", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_an_entry_goes_in_and_out_and_the_rest_stays(text: str) -> None:
    inside = with_member(text, PATH, ENTRY)
    assert found(inside, PATH) == ENTRY
    for line in filter(str.strip, text.replace("{}", "").splitlines()):
        assert line.strip(" \t{}") in inside
    assert with_member(inside, PATH, ENTRY | {"args": []}).count("trade-mcp") == 1
    assert found(without_member(inside, PATH), PATH) is None
    if text.count("x"):
        assert found(without_member(inside, PATH), PATH[:1]) == found(text, PATH[:1])


@pytest.mark.parametrize(
    "text", ["{", "[]", "{'a': 1}", '{"a" 1}', '{"a": 1 "b": 2}', '{"a": 1} x', '{"mcpServers": 5}']
)
def test_what_is_not_json_is_left_alone(home: Path, text: str) -> None:
    plan = planned("cursor", None)
    plan.place.file.parent.mkdir()
    plan.place.file.write_text(text)
    with pytest.raises(BadInput, match=r"mcp\.json") as refused:
        write(plan)
    assert refused.value.hint
    assert plan.place.file.read_text() == text
    assert [file.name for file in plan.place.file.parent.iterdir()] == ["mcp.json"]


@pytest.mark.storm
def test_a_client_is_set_up_from_the_command_line_and_its_entry_works(tmp_path: Path) -> None:
    file = tmp_path / "Claude" / "claude_desktop_config.json"
    file.parent.mkdir()
    file.write_text(before := FILES["tabs"])
    file.chmod(0o600)
    here = {"HOME": str(tmp_path), "TRADE_MCP_SERVER_TOKEN": "a-secret-token", "TRADE_MCP_FEED__SEED": "5"}
    done = run(tmp_path, "setup", "--client", "claude-desktop", "--json", **here)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["written"] and answer["left_out"] == ["TRADE_MCP_SERVER_TOKEN"]
    assert "a-secret-token" not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    entry = json.loads(file.read_text())["mcpServers"]["trade-mcp"]
    assert Path(entry["command"]).is_absolute()
    server = StdioServerParameters(command=entry["command"], args=entry["args"], env=entry["env"], cwd="/")
    with connected(server) as call:
        assert call("get_status")["state"] == "active"
    assert (tmp_path / "desk" / "ledger.db").exists()
    again = run(tmp_path, "setup", "--undo", **here)
    assert "as it was" in again.stdout
    assert file.read_text() == before
    assert [each.name for each in file.parent.iterdir()] == [file.name]


def test_a_server_that_does_not_start_is_not_written(tmp_path: Path) -> None:
    file = tmp_path / "Claude" / "claude_desktop_config.json"
    (tmp_path / "file").write_text("")
    here = {"TRADE_MCP_DESK__DATA_DIR": str(tmp_path / "file" / "desk")}
    told(run(tmp_path, "setup", "--client", "claude-desktop", **here), "cannot be written", code=1)
    assert not file.exists()


@pytest.mark.parametrize("client", CLIENTS)
def test_each_client_is_written_once_and_taken_back(home: Path, client: str) -> None:
    plan = planned(client, None)
    assert plan.place.file.is_absolute() and plan.place.file.is_relative_to(home)
    assert write(plan) is not None
    assert found(plan.place.file.read_text(), plan.place.path) == plan.entry
    assert write(planned(client, None)) is None, "the second time changes nothing"
    assert [record.client for record in written()] == [client]
    assert undo(None)
    assert not plan.place.file.exists()
    assert written() == []


def test_undo_takes_out_what_it_wrote_though_the_file_has_changed(home: Path) -> None:
    plan = planned("cursor", None)
    plan.place.file.parent.mkdir()
    plan.place.file.write_text('{\n  "a": 1\n}\n')
    write(plan)
    plan.place.file.write_text(plan.place.file.read_text().replace('"a": 1', '"a": 2'))
    (said,) = undo("cursor")
    assert "changed since" in said
    assert plan.place.file.read_text() == '{\n  "a": 2\n}\n'


def test_a_new_place_of_the_program_is_written_over_the_old_one(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = planned("cursor", None)
    plan.place.file.parent.mkdir()
    plan.place.file.write_text("{}\n")
    write(plan)
    monkeypatch.setenv("TRADE_MCP_FEED__SEED", "9")
    write(moved := planned("cursor", None))
    assert found(plan.place.file.read_text(), plan.place.path) == moved.entry != plan.entry
    undo("cursor")
    assert plan.place.file.read_text() == "{}\n"


def test_an_entry_of_another_hand_is_neither_changed_nor_taken_out(home: Path) -> None:
    plan = planned("vscode", None)
    plan.place.file.parent.mkdir(parents=True)
    plan.place.file.write_text(text := '{"servers": {"trade-mcp": {"command": "mine"}}}')
    with pytest.raises(BadInput, match="did not write"):
        write(plan)
    assert undo("vscode") == []
    assert plan.place.file.read_text() == text


def test_paths_are_absolute_and_follow_the_configuration(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "trade-mcp.toml").write_text('[desk]\ndata_dir = "my desk"\n')
    monkeypatch.setenv("TRADE_MCP_FEED__NAME", "replay")
    monkeypatch.setenv("TRADE_MCP_FEED__DATA", "a_BTCUSDT_5m.csv")
    command, _ = setup_client.server_command(None)
    assert command.arguments[-2:] == ("--config", str(home / "trade-mcp.toml"))
    assert "TRADE_MCP_DESK__DATA_DIR" not in command.env, "the file says it, and may say otherwise tomorrow"
    assert json.loads(command.env["TRADE_MCP_FEED__DATA"]) == [str(home / "a_BTCUSDT_5m.csv")]


def test_where_each_client_keeps_its_servers() -> None:
    mac = Machine("darwin", Path("/Users/a"), Path("/Users/a/Library/Application Support"), Path("/w"))
    assert str(place("claude-desktop", mac).file).endswith("Application Support/Claude/claude_desktop_config.json")
    assert str(place("vscode", mac).file).endswith("Application Support/Code/User/mcp.json")
    assert str(place("claude-code", mac).file) == "/w/.mcp.json"
    assert str(place("cursor", mac).file) == "/Users/a/.cursor/mcp.json"


def test_under_wsl_a_windows_client_starts_the_server_through_wsl(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, says in {"cmd.exe": "C:\\\\Users", "wslpath": f"{home}/win"}.items():
        (home / name).write_text(f"#!/bin/sh\necho '{says}'\n")
        (home / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(home), prepend=os.pathsep)
    monkeypatch.setenv("WSL_DISTRO_NAME", "Ubuntu")
    plan = planned("claude-desktop", None)
    assert plan.place.file == home / "win" / "Claude" / "claude_desktop_config.json"
    assert plan.entry["command"] == "wsl.exe"
    assert plan.entry["args"][:4] == ["--distribution", "Ubuntu", "--exec", "env"]
    said = subprocess.run([*plan.entry["args"][3:-1], "--help"], capture_output=True, text=True, env=environment(home))
    assert said.returncode == 0, said.stderr
    assert planned("claude-code", None).entry["command"] != "wsl.exe", "Claude Code runs inside WSL"


def test_a_client_nobody_knows(tmp_path: Path) -> None:
    told(run(tmp_path, "setup", "--client", "clod"), "clod", "claude-desktop")
    told(run(tmp_path, "setup"), "--client")


def test_the_settings_are_written_once_and_are_all_defaults(tmp_path: Path) -> None:
    assert run(tmp_path, "setup", "settings").returncode == 0
    assert run(tmp_path, "db", "upgrade").returncode == 0, "the file is good as it stands"
    told(run(tmp_path, "setup", "settings"), "there already")
    assert run(tmp_path, "setup", "settings", "--print").stdout == (tmp_path / "trade-mcp.toml").read_text()
