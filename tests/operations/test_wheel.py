"""The wheel has all it needs and nothing else; in an empty environment and an empty folder the desk runs from it."""

import json
import os
import signal
import subprocess
import zipfile
from pathlib import Path

import pytest

from operations.wheels import ROOT, build, install, interpreter, nobody
from server.serving import free_port
from trade_mcp.cli.setup_client import FETCHING


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("dist"))


def files(folder: Path, under: str) -> set[str]:
    return {
        f"{under}/{path.relative_to(folder)}"
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_holds_the_package_its_migrations_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        inside = {name for name in packed.namelist() if ".dist-info/" not in name}
        (entries,) = (name for name in packed.namelist() if name.endswith("entry_points.txt"))
        programs = packed.read(entries).decode()
        example = packed.read("trade_mcp/_example.toml").decode()
    ours = files(ROOT / "trade_mcp", "trade_mcp") | files(ROOT / "alembic", "trade_mcp/_alembic")
    assert inside == ours | {"trade_mcp/_example.toml"}
    assert example == (ROOT / "trade-mcp.example.toml").read_text("utf-8")
    assert "trade-mcp = trade_mcp.cli:main" in programs
    assert "analyze-portfolio = trade_mcp.analyze_portfolio:main" in programs


@pytest.mark.storm
def test_the_desk_runs_from_the_wheel_in_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    programs, here = install(wheel, tmp_path / "venv"), tmp_path / "empty"
    here.mkdir()

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(programs / words[0]), *words[1:]],
            env=nobody(here),
            cwd=here,
            capture_output=True,
            text=True,
            timeout=120,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, done.stderr
        return done

    where = "import trade_mcp, trade_mcp.store.schema as s; print(trade_mcp.__file__); print(s.scripts())"
    for line in run("python", "-c", where).stdout.splitlines():
        assert Path(line).is_relative_to(tmp_path / "venv")
    words = [str(programs / "trade-mcp"), "up", "--for", "90s", "--json", "--port", str(free_port())]
    with subprocess.Popen(words, env=nobody(here), cwd=here, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as up:
        assert up.stdout is not None
        seen = next(line for line in map(json.loads, up.stdout) if line["decisions"])
        up.send_signal(signal.SIGINT)
    assert up.returncode == 0 and seen["mode"] == "paper"
    assert not [each for each in seen["problems"] if "missed the close" not in each], seen  # a busy machine starts late
    assert json.loads(run("analyze-portfolio", "--json").stdout)["currency"] == "USDT"
    assert json.loads(run("trade-mcp", "verify", "--json").stdout)["sound"]
    assert "trade-mcp[charts]" in run("trade-mcp", "report", "--out", str(tmp_path / "reports")).stdout
    run("trade-mcp", "setup", "settings")
    run("trade-mcp", "backup", "a.backup")
    run("trade-mcp", "restore", "a.backup", "--replace")
    assert {path.name for path in here.iterdir()} == {".local", "trade-mcp.toml", "a.backup"}


@pytest.mark.storm
def test_a_client_that_uvx_set_up_starts_the_same_wheel_with_the_same_extras(wheel: Path, tmp_path: Path) -> None:
    """Set-up itself tries the entry out, with the few variables that it writes into it."""
    cache = subprocess.run(["uv", "cache", "dir"], capture_output=True, text=True, check=True).stdout.strip()
    reached = {name: value for name, value in os.environ.items() if FETCHING.match(name)}
    done = subprocess.run(
        [
            "uvx",
            "--python",
            interpreter(),
            "--from",
            f"{wheel}[charts]",
            "trade-mcp",
            "setup",
            "--client",
            "claude-code",
        ],
        env=nobody(tmp_path) | reached | {"UV_CACHE_DIR": cache},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    entry = json.loads((tmp_path / ".mcp.json").read_text())["mcpServers"]["trade-mcp"]
    assert f"{wheel}[charts]" in entry["args"] and entry["env"]["UV_CACHE_DIR"] == cache
