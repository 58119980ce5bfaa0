"""Commands as processes of their own, forked from one that has imported everything: a start costs 0.6 s of CPU, a fork
hardly any. What a start itself costs and imports is tested elsewhere, with programs that are started.

Run as a program it is the one that forks: a request (words, environment, folder, files) a line, its exit code a line.
"""

import atexit
import json
import os
import subprocess
import sys
import tempfile
import threading
from functools import cache
from pathlib import Path
from select import select

WITHIN_S = 120.0
PANDAS = ("pandas", "polars")


def run(words: tuple[str, ...], env: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """``python -m trade_mcp words`` in ``folder`` with ``env``; what it printed and its exit code."""
    with tempfile.TemporaryDirectory() as outside:
        files = [str(Path(outside) / name) for name in ("out", "err")]
        request = {"words": words, "env": env, "folder": str(folder), "files": files}
        forker = _forker(os.getpid())
        assert forker.stdin is not None and forker.stdout is not None
        forker.stdin.write(json.dumps(request) + "\n")
        forker.stdin.flush()
        if not select([forker.stdout], [], [], WITHIN_S)[0]:
            forker.kill()
            _forker.cache_clear()
            raise subprocess.TimeoutExpired(list(words), WITHIN_S)
        code = int(forker.stdout.readline())
        out, err = (Path(file).read_text("utf-8") for file in files)
    return subprocess.CompletedProcess(list(words), code, out, err)


@cache
def _forker(_owner: int) -> "subprocess.Popen[str]":
    env = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    alone = "error:This process:DeprecationWarning"  # a process with threads must not fork
    command = [sys.executable, "-W", alone, __file__]
    return subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _serve() -> None:
    import duckdb  # noqa: F401

    sys.modules |= dict.fromkeys(PANDAS)  # it starts a thread where pyarrow is installed, and talib loads it
    import talib  # noqa: F401

    for name in PANDAS:
        del sys.modules[name]
    import trade_mcp.app
    import trade_mcp.cli.commands
    import trade_mcp.store.migrate  # noqa: F401

    for line in sys.stdin:
        if (child := os.fork()) == 0:
            _become(json.loads(line))
        status = os.waitpid(child, 0)[1]
        print(os.waitstatus_to_exitcode(status), flush=True)


def _become(request: dict[str, object]) -> None:
    """Be the command; never comes back."""
    code: object = 1
    try:
        words, env, folder, files = request.values()
        handles = [os.open(os.devnull, os.O_RDONLY)]
        handles += [os.open(file, os.O_CREAT | os.O_WRONLY, 0o600) for file in files]  # type: ignore[attr-defined]
        for number, handle in enumerate(handles):
            os.dup2(handle, number)
            os.close(handle)
        sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
        os.chdir(str(folder))
        os.environ.clear()
        os.environ.update(env)  # type: ignore[call-overload]
        sys.argv, sys.path[0] = ["trade-mcp", *words], str(folder)  # type: ignore[misc]
        from trade_mcp.cli import main

        main()
        code = 0
    except SystemExit as end:
        code = end.code
    finally:
        threading._shutdown()  # type: ignore[attr-defined]  # what the interpreter does at its end
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 0 if code is None else 1)


if __name__ == "__main__":
    _serve()
