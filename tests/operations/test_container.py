"""The container, outside one: what the Dockerfile says is done line by line in folders that stand for its paths.

No image can be built in tests; this holds the commands, the files they need, and what compose.yaml asks for.
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from operations.wheels import ROOT, interpreter
from server.serving import free_port, until

SECRET = re.compile(r"token|secret|password|passphrase|api_?key", re.I)
ONLY_THERE = ("useradd",)  # commands for root in a container of its own
OURS = ("TRADE_MCP_", "PYTHON", "PYENV", "VIRTUAL_ENV", "UV_PROJECT", "UV_PYTHON", "XDG_", "PYTEST")  # of this desk


class Line(NamedTuple):
    word: str
    rest: str


def dockerfile() -> list[Line]:
    text = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [Line(*line.split(maxsplit=1)) for line in lines]


def stages() -> list[list[Line]]:
    """The lines of each stage, its FROM first."""
    found: list[list[Line]] = []
    for line in dockerfile():
        if line.word == "FROM":
            found.append([])
        found[-1].append(line)
    return found


def of(word: str, lines: list[Line]) -> list[str]:
    return [line.rest for line in lines if line.word == word]


def test_the_image_is_slim_runs_as_nobody_and_holds_no_secret() -> None:
    lines = dockerfile()
    assert all(rest.startswith("python:3.12-slim") for rest in of("FROM", lines))
    last = stages()[-1]
    assert of("USER", last) == ["trade"]
    words = [line.word for line in last]
    assert words.index("USER") < words.index("CMD")
    assert not of("ARG", lines)
    assert not [rest for rest in of("ENV", lines) if SECRET.search(rest)]
    for rest in of("COPY", stages()[0]):
        for source in rest.split()[:-1]:
            assert (ROOT / source).exists(), source


def test_only_what_is_copied_goes_to_the_builder() -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert rules[0] == "*"
    let_in = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    copied = {
        source.removeprefix("./")
        for rest in of("COPY", dockerfile())
        if not rest.startswith("--from")
        for source in rest.split()[:-1]
    }
    assert let_in == copied


def test_compose_gives_little_and_keeps_the_data() -> None:
    said = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
    desk = said["services"]["desk"]
    assert desk["ports"] == ["127.0.0.1:8765:8765"], "never to the world by itself"
    assert desk["read_only"] and desk["cap_drop"] == ["ALL"] and desk["init"]
    (volume,) = of("VOLUME", dockerfile())
    assert f"desk:{volume}" in desk["volumes"] and "desk" in said["volumes"]
    assert "environment" not in desk, "secrets come from .env, which nobody commits"
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()


@pytest.mark.storm
def test_the_lines_of_the_dockerfile_make_a_desk_that_is_healthy(tmp_path: Path) -> None:
    """Every RUN and COPY of both stages, then CMD, HEALTHCHECK and the signal to stop, in mapped folders."""
    port = free_port()
    subprocess.run([interpreter(), "-m", "venv", str(tmp_path / "python")], check=True)

    def mapped(text: str) -> str:
        text = re.sub(r"(?<![\w/.])/(app|data|tmp)\b", lambda at: f"{tmp_path}/{at[1]}", text)
        return text.replace("8765", str(port))

    for name in ("app", "data", "tmp"):
        (tmp_path / name).mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    for stage in stages():
        here, env = (
            tmp_path,
            kept | {"PATH": f"{tmp_path / 'python' / 'bin'}:{Path(interpreter()).parent}:/usr/bin:/bin"},
        )
        for word, rest in stage:
            match word:
                case "ENV":
                    for pair in shlex.split(rest):
                        name, _, value = pair.partition("=")
                        env[name] = mapped(value.replace("$PATH", env["PATH"]))
                case "WORKDIR":
                    here = Path(mapped(rest))
                case "COPY" if not rest.startswith("--from"):
                    *sources, target = rest.split()
                    for source in sources:
                        to = (here / mapped(target)) if len(sources) == 1 else here / source
                        copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
                        copy(ROOT / source, to)
                case "RUN" if not rest.startswith(ONLY_THERE):
                    done = subprocess.run(
                        ["sh", "-c", mapped(rest)], cwd=here, env=env, capture_output=True, text=True, timeout=300
                    )
                    assert done.returncode == 0, f"{rest}\n{done.stderr}"
    last = stages()[-1]
    env |= {"TRADE_MCP_SERVER__PORT": str(port), "TRADE_MCP_SERVER_TOKEN": "a-token-for-this-test"}
    (check,), (command,) = of("HEALTHCHECK", last), of("CMD", last)
    (sign,) = of("STOPSIGNAL", last)
    healthy = [mapped(word) for word in json.loads(check[check.index("[") :])]
    with (tmp_path / "out").open("wb") as out:
        words = [mapped(word) for word in json.loads(command)]
        desk = subprocess.Popen(words, cwd=here, env=env, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
    said = (tmp_path / "out").read_text
    try:
        until(
            lambda: (
                desk.poll() is not None
                or subprocess.run(healthy, cwd=here, env=env, capture_output=True).returncode == 0
            ),
            within_s=60,
        )
        assert desk.poll() is None, said()
        assert {"ledger.db", "paper.db"} <= {file.name for file in (tmp_path / "data").iterdir()}
    finally:
        desk.send_signal(getattr(signal, sign))
        assert desk.wait(timeout=60) == 0, said()
    assert "a-token-for-this-test" not in said()
