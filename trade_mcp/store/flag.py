"""The halt flag: a file that stops all entries on this data folder, whatever else works or does not.

Anybody may make it by hand (`touch HALT`). Looking at it needs no ledger: it holds while that is locked or gone.
"""

from contextlib import suppress
from pathlib import Path

NAME = "HALT"
LONGEST = 200  # characters of its text that are shown


class HaltFlag:
    """The flag of one data folder."""

    def __init__(self, folder: Path):
        self.path = folder / NAME

    def why(self) -> str:
        """Why nothing may be entered; "" when the flag is down. What cannot be looked at is up."""
        try:
            self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return ""
        except OSError as error:
            return f"the flag {self.path.name} cannot be looked at: {error.strerror}"
        said = ""
        with suppress(OSError), self.path.open("rb") as file:
            said = " ".join(file.read(4 * LONGEST).decode(errors="replace").split())[:LONGEST]
        return f"the flag {self.path.name} is up" + (f": {said}" if said else "")

    def put_up(self, reason: str) -> None:
        """From here on nothing is entered. Raises OSError when the folder takes no file."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self.path.exists():  # the first reason stays
            self.path.write_text(reason[: 4 * LONGEST] + "\n", "utf-8")

    def take_down(self) -> None:
        """Raises OSError when it cannot be removed."""
        self.path.unlink(missing_ok=True)
