"""Blocks: what a section is made of. Each is told by every form of a report: HTML and text."""

from collections.abc import Callable

from msgspec import Struct

GOOD, BAD, PLAIN = "good", "bad", ""


class Cell(Struct, frozen=True):
    """A cell of a table: its text, what is said below it in small, and whether it is good or bad news."""

    text: str
    note: str = ""
    tone: str = PLAIN


class Words(Struct, frozen=True):
    """Sentences, one paragraph each."""

    sentences: tuple[str, ...]


class Table(Struct, frozen=True):
    """Rows under their names; ``left`` columns from the left hold words, the others numbers."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    left: int = 1
    note: str = ""


class Chart(Struct, frozen=True):
    """A picture, drawn when it is needed; ``alt`` says in words what it shows."""

    name: str
    alt: str
    png: Callable[[], bytes]


type Block = Words | Table | Chart


class Section(Struct, frozen=True):
    title: str
    blocks: tuple[Block, ...]


def toned(text: str, value: float | None, note: str = "") -> Cell:
    """A cell that is good news above zero and bad news below."""
    return Cell(text, note, PLAIN if not value else GOOD if value > 0 else BAD)
