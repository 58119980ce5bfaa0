"""A real program that logs: `lines_of` runs a few lines of Python in a process of its own and reads its stderr."""

import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

from server.serving import environment

HEAD = """
import logging, os, sys
from pathlib import Path
from trade_mcp import logs
logs.configure("test", json={json})
log = logs.get_logger("test")
"""


def program(code: str, *, json: bool = True) -> list[str]:
    return [sys.executable, "-c", HEAD.format(json=json) + dedent(code)]


def lines_of(folder: Path, code: str, *arguments: str, json: bool = True, **env: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [*program(code, json=json), *arguments], env=environment(folder, **env), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    return [parsed(line) for line in done.stderr.splitlines()] if json else [{"text": done.stderr}]


def parsed(line: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(line)
    return found
