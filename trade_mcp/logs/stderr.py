"""Stderr: where lines go first. Whoever reads it may stop reading: a full pipe must stop no program that trades."""

import logging
import os
import select

PIECE = 4096  # PIPE_BUF: what fits into a pipe that says it can be written
PATIENCE_MS = 200  # for the reader, with one line


class Stderr(logging.Handler):
    """Writes lines to the file descriptor ``fd``; what a full pipe does not take is dropped, counted and told."""

    def __init__(self, fd: int):
        super().__init__()
        self._fd, self._missing = fd, 0

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = f"{self.format(record)}\n"
            if self._missing:
                line = f"... {self._missing} lines are missing here: nobody read them\n{line}"
            self._write(line.encode(errors="replace"))
        except Exception:  # stderr is closed: there is nobody to tell
            self._missing += 1

    def _write(self, line: bytes) -> None:
        ready = select.poll()
        ready.register(self._fd, select.POLLOUT)
        wait = 0 if self._missing else PATIENCE_MS  # a reader that is gone is waited for once
        for start in range(0, len(line), PIECE):
            if not any(happened & select.POLLOUT for _, happened in ready.poll(wait)):
                self._missing += 1
                return
            os.write(self._fd, line[start : start + PIECE])
        self._missing = 0
