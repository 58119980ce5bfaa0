"""Spill: a few intents kept beside a ledger that cannot be written, until it can.

The file has its room from the beginning, so that a full disk does not matter; each record is on the disk before
anything is sent. Only what makes a position smaller is ever written here, by the holder of the watch lease.
"""

import os
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from trade_mcp.domain import events as e
from trade_mcp.domain.errors import LedgerError

ROOM = 256 * 1024  # bytes, made at the start; an intent takes about one kilobyte


class Spill:
    """The file ``path``, made with its room if it is not there."""

    def __init__(self, path: Path):
        self._path = path
        if not path.exists():
            self._make_room()

    def write(self, events: list[e.Event]) -> None:
        """Keep ``events``, on the disk when this returns. Raises OSError, also when there is no room left."""
        text = "".join(f"{e.encode(event)}\n" for event in events).encode()
        kept = self._text()
        used = kept.rfind(b"\n") + 1
        if used + len(text) >= ROOM:
            raise OSError(f"{self._path} is full")
        self._put(used, text.ljust(len(kept) - used, b"\x00"))  # nothing stays of a line that was cut off

    def pending(self) -> list[e.Event]:
        """What was kept and is not in the ledger yet, oldest first. A line that was cut off says nothing.

        Raises LedgerError for a line that cannot be read: nobody knows what left.
        """
        whole, _, _ = self._text().rpartition(b"\n")
        try:
            return [e.decode(line.decode()) for line in whole.split(b"\n") if line]
        except ValueError as error:
            raise LedgerError(
                f"{self._path} is damaged: what left while the ledger could not be written is not known",
                hint="look at the exchange for a sale that the book does not have, then move the file away",
            ) from error

    def clear(self) -> None:
        """All of it is in the ledger."""
        self._put(0, bytes(len(self._text())))

    def _make_room(self) -> None:
        """The file appears whole, once: of two programs that start together the second leaves the first one's be."""
        with NamedTemporaryFile(dir=self._path.parent, prefix=self._path.name) as file:
            file.write(bytes(ROOM))
            file.flush()
            os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(file.name, self._path)

    def _text(self) -> bytes:
        try:
            with self._path.open("rb") as file:
                return file.read(ROOM).partition(b"\x00")[0]
        except FileNotFoundError:
            self._make_room()  # somebody took it away
            return b""

    def _put(self, at: int, content: bytes) -> None:
        handle = os.open(self._path, os.O_WRONLY)
        try:
            os.pwrite(handle, content, at)
            os.fsync(handle)
        finally:
            os.close(handle)
