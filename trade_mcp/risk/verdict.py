"""Verdict: a rule's answer. Light where orders are judged; its reason is put into words only when somebody reads it."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from msgspec import Struct


class Verdict(Struct, frozen=True, gc=False):
    """Whether ``rule`` lets the order pass, with what it measured and the limit, both in the limit's unit.

    ``detail`` is what the sentence needs beside them: a case by name, then its numbers and texts.
    """

    rule: str
    passed: bool
    measured: Any = None
    limit: Any = None
    detail: tuple[Any, ...] = ()

    @property
    def reason(self) -> str:
        """A full sentence with numbers, for a pass as well as for a refusal."""
        return SENTENCES[self.rule](self)


SENTENCES: dict[str, Callable[[Verdict], str]] = {}
