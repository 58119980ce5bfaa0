"""Lookup: a name nobody has, answered with the names that are near."""

from collections.abc import Iterable
from difflib import get_close_matches

from trade_mcp.domain.errors import UnknownSymbol


def nearest_names(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """Up to three of ``known``, the nearest first; separators and letter case aside."""
    plain = {_plain(each): each for each in known}
    return tuple(plain[each] for each in get_close_matches(_plain(name), plain, n=3, cutoff=0.5))


def unknown_symbol(symbol: str, known: Iterable[str]) -> UnknownSymbol:
    """The error for ``symbol``, naming the nearest of ``known``."""
    return UnknownSymbol(symbol, nearest_names(symbol, known))


def _plain(name: str) -> str:
    return "".join(letter for letter in name.upper() if letter.isalnum())
