"""Rotation: a log file that any number of processes append to, and that one of them renames when it is full.

A line is one append, which needs no lock. Rotating takes the lock of the file itself and never waits for it: a process
that was stopped while it held it must not stop the others.
"""

import fcntl
import logging
import os
import sys
from contextlib import suppress
from pathlib import Path


class SharedFile(logging.Handler):
    """Appends lines to ``path``; at ``max_bytes`` it becomes ``path.1``, older ones count up, ``keep`` of them stay."""

    def __init__(self, path: Path, *, max_bytes: int, keep: int):
        super().__init__()
        self._path, self._max, self._keep = path, max_bytes, keep
        self._failing = False
        self._fd = self._opened()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = f"{self.format(record)}\n".encode(errors="replace")
            self._follow()
            if 0 < os.fstat(self._fd).st_size > self._max - len(line):
                self._rotate(len(line))
            os.write(self._fd, line)
            self._failing = False
        except Exception as error:  # a full disk under the log ends no program
            if not self._failing:  # once, not with every line; the line itself is on stderr anyway
                self._failing = True
                print(f"the log file {self._path} cannot be written: {error}", file=sys.stderr, flush=True)

    def close(self) -> None:
        with suppress(OSError):
            os.close(self._fd)
        super().close()

    def _opened(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _follow(self) -> None:
        """Go on in the new file after another process has rotated this one."""
        here = os.fstat(self._fd)
        with suppress(FileNotFoundError):
            now = os.stat(self._path)
            if (here.st_dev, here.st_ino) == (now.st_dev, now.st_ino):
                return
        fd = self._opened()
        os.close(self._fd)
        self._fd = fd

    def _rotate(self, more: int) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # another process is at it
        fd = self._fd
        try:
            self._follow()
            if self._fd == fd and os.fstat(fd).st_size + more > self._max:
                for number in range(self._keep, 0, -1):
                    older = self._numbered(number - 1)
                    if older.exists():
                        older.replace(self._numbered(number))
                if self._keep == 0:
                    self._path.unlink()
                self._follow()
        finally:
            if self._fd == fd:
                fcntl.flock(fd, fcntl.LOCK_UN)

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}") if number else self._path
