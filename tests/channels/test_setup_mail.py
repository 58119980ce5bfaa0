"""`trade-mcp setup mail`: a real letter first, then the file, with a person's own lines left as they are."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from channels.servers import Letters, smtp
from server.serving import environment


def run(folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "trade_mcp", "setup", "mail", *words]
    env = environment(folder, **more)
    return subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
    )


@pytest.fixture
def given(tmp_path: Path) -> list[str]:
    return [
        "--host",
        "127.0.0.1",
        "--user",
        "me",
        "--sender",
        "desk@example.org",
        "--to",
        "a@example.org",
        "--every",
        "2h",
    ]


def test_it_is_tried_then_written_and_the_password_stays_out(tmp_path: Path, given: list[str]) -> None:
    letters, file = Letters(), tmp_path / "trade-mcp.toml"
    with smtp(tmp_path, letters) as (port, authority):
        file.write_text(f'# mine\n[mail]\nca_file = "{authority}" # my own\n\n[feed]\nseed = 3\n')
        secret = {"TRADE_MCP_MAIL_PASSWORD": "a-good-password"}
        done = run(tmp_path, *given, "--port", str(port), "--json", **secret)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["sent"] is True
        again = run(tmp_path, "--test", **secret)
    assert again.returncode == 0, again.stderr
    assert len(letters.got) == 2
    text = file.read_text()
    assert text.startswith("# mine\n[mail]\n") and "# my own" in text and "seed = 3" in text
    assert 'every = "2h"' in text and "a-good-password" not in text + done.stdout + done.stderr


def test_what_does_not_work_is_not_written(tmp_path: Path, given: list[str]) -> None:
    with smtp(tmp_path, Letters()) as (port, _):
        done = run(tmp_path, *given, "--port", str(port), TRADE_MCP_MAIL_PASSWORD="a-good-password")
    assert done.returncode == 1 and "certificate" in done.stderr and "nothing was written" in done.stderr
    assert not (tmp_path / "trade-mcp.toml").exists()


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == 2 and "not given" in done.stderr and "hint" in done.stderr
    done = run(tmp_path, "--test")
    assert done.returncode == 2 and "not set up" in done.stderr
