"""A server on a ledger at head answers at once: what is heavy and not needed for that is not loaded."""

import json
import re
import subprocess
from pathlib import Path

from server.serving import environment, serve

HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
HEAVY = """alembic ccxt duckdb ffn httpx jinja2 matplotlib pandas plotly prometheus_client pyarrow scipy
    skfolio sqlalchemy sqlmodel statsmodels talib"""


def test_the_first_answer_needs_nothing_heavy(tmp_path: Path) -> None:
    python, *command = serve()
    answered(tmp_path, python, *command)
    loaded = answered(tmp_path, python, "-X", "importtime", *command)  # names every module on stderr as it is loaded
    modules = set(re.findall(r"^import time:.*\| +(\S+)$", loaded, re.MULTILINE))
    assert "mcp" in modules
    assert not modules & set(HEAVY.split())


def answered(folder: Path, *command: str) -> str:
    """What the program wrote to stderr until it had answered, and then ended."""
    errors = folder / "stderr"
    with errors.open("w") as out:  # a file: more than a pipe holds
        process = subprocess.Popen(
            command, env=environment(folder), cwd=folder, stdin=-1, stdout=-1, stderr=out, text=True
        )
    assert process.stdin is not None
    assert process.stdout is not None
    for number, (method, params) in enumerate((("initialize", HELLO), ("tools/list", {}))):
        process.stdin.write(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}) + "\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
    assert "place_order" in {tool["name"] for tool in answer["result"]["tools"]}
    process.communicate(timeout=10)
    assert process.returncode == 0
    return errors.read_text("utf-8")
