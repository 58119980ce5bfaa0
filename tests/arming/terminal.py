"""A command at a real terminal: a pty that is its controlling one, and somebody who types when asked."""

import contextlib
import fcntl
import os
import pty
import select
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from pathlib import Path

WITHIN_S = 60.0


class Typed:
    """How a command ended, and all that the terminal showed."""

    def __init__(self, code: int, shown: str):
        self.code, self.shown = code, shown


def at_terminal(folder: Path, env: dict[str, str], *words: str, types: Sequence[tuple[str, str]] = ()) -> Typed:
    """``trade-mcp words``; each of ``types`` is (what it asks, what is typed then)."""
    ours, theirs = pty.openpty()

    def own() -> None:
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    command = [sys.executable, "-m", "trade_mcp", *words]
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=env, cwd=folder, start_new_session=True, preexec_fn=own
    )
    os.close(theirs)
    shown, waiting, deadline = "", list(types), time.monotonic() + WITHIN_S
    seen = 0  # of what was shown, up to the last question that was answered
    try:
        while True:
            assert time.monotonic() < deadline, f"it neither asked nor ended: {shown}"
            ready, _, _ = select.select([ours], [], [], 0.2)
            chunk = b""
            if ready:
                with contextlib.suppress(OSError):  # the other end is closed
                    chunk = os.read(ours, 1 << 16)
                if not chunk:
                    break
            shown += chunk.decode(errors="replace")
            if waiting and waiting[0][0] in shown[seen:]:
                asked, answer = waiting.pop(0)
                seen = shown.index(asked, seen) + len(asked)
                time.sleep(0.05)  # a person is no faster, and getpass throws away what was typed before it asked
                os.write(ours, answer.encode() + b"\n")
        code = process.wait(20)
    finally:
        os.close(ours)
        if process.poll() is None:
            process.kill()
            process.wait(10)
    assert not waiting, f"it never asked {waiting[0][0]!r}: {shown}"
    return Typed(code, shown.replace("\r\n", "\n"))
