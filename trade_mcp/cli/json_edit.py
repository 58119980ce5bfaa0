"""JSON edit: one member in or out of somebody else's JSON file; every other character stays, comments too."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from trade_mcp.domain.errors import BadInput

_SPACE = re.compile(r"(?:\s+|//[^\n]*|/\*.*?\*/)*", re.S)
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_SCALAR = re.compile(r"-?\d[\d.eE+-]*|true|false|null")

type Path = tuple[str, ...]


class Member(NamedTuple):
    """Where a member stands in the text: from its name to the end of its value."""

    name: str
    start: int
    value: int
    end: int


class Table(NamedTuple):
    """Where an object stands: its brackets, its members, and the last comma if no member follows it."""

    start: int
    end: int
    members: tuple[Member, ...]
    comma: int | None

    def member(self, name: str) -> Member | None:
        return next((member for member in self.members if member.name == name), None)


def found(text: str, path: Path) -> Any:
    """The value at ``path``, or None. Raises BadInput for what is not JSON (comments are)."""
    member = _find(text, path)
    return None if member is None else _plain(text[member.value : member.end])


def with_member(text: str, path: Path, value: object) -> str:
    """``text`` with ``value`` at ``path``; objects on the way are made. An empty text is an empty object."""
    if not text.strip():
        text = "{}\n"
    unit = _unit(text)
    table, depth = _root(text), 0
    while depth < len(path) and (member := table.member(path[depth])) is not None:
        if depth == len(path) - 1:
            return text[: member.value] + _dumped(value, unit, _indent(text, member.start)) + text[member.end :]
        if text[member.value] != "{":
            raise BadInput(f"{path[depth]!r} is not an object in it", hint="mend the file by hand")
        table, depth = _table(text, member.value), depth + 1
    for name in reversed(path[depth + 1 :]):
        value = {name: value}
    return _added(text, table, path[depth], value, unit)


def without_member(text: str, path: Path) -> str:
    """``text`` without the member at ``path``, and without the comma that parted it from the others."""
    table = _root(text)
    for name in path[:-1]:
        member = table.member(name)
        if member is None:
            return text
        table = _table(text, member.value)
    if (member := table.member(path[-1])) is None:
        return text
    place = table.members.index(member)
    if place + 1 < len(table.members):
        return text[: member.start] + text[table.members[place + 1].start :]
    end = member.end if table.comma is None else table.comma + 1
    if place == 0:
        left = text[table.start + 1 : member.start].rstrip() + text[end : table.end]  # comments
        return text[: table.start + 1] + (left if left.strip() else "") + text[table.end :]
    return text[: table.members[place - 1].end] + text[end:]


def _added(text: str, table: Table, name: str, value: object, unit: str) -> str:
    outer = _indent(text, table.start)
    if not table.members:
        inner = outer + unit
        rest = text[table.start + 1 : table.end].rstrip()  # comments
        new = f"{rest}\n{inner}{json.dumps(name)}: {_dumped(value, unit, inner)}\n{outer}"
        return text[: table.start + 1] + new + text[table.end :]
    last = table.members[-1]
    if "\n" not in text[table.start : last.start]:  # all on one line
        new = f", {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}"
    else:
        inner = _indent(text, last.start)
        new = f",\n{inner}{json.dumps(name)}: {_dumped(value, unit, inner)}"
    if table.comma is not None:
        return text[: table.comma] + new + text[table.comma :]
    return text[: last.end] + new + text[last.end :]


def _dumped(value: object, unit: str, indent: str) -> str:
    return json.dumps(value, indent=unit, ensure_ascii=False).replace("\n", "\n" + indent)


def _indent(text: str, at: int) -> str:
    """The white space with which the line of ``at`` begins."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip())]


def _unit(text: str) -> str:
    deeper = re.search(r"^[ \t]+(?=\S)", text, re.M)
    return deeper[0] if deeper else "  "


def _find(text: str, path: Path) -> Member | None:
    if not text.strip():
        return None
    table, member = _root(text), None
    for depth, name in enumerate(path):
        if (member := table.member(name)) is None:
            return None
        if depth + 1 < len(path):
            if text[member.value] != "{":
                return None
            table = _table(text, member.value)
    return member


def _root(text: str) -> Table:
    start = _after_space(text, 1 if text.startswith("\ufeff") else 0)
    if text[start : start + 1] != "{":
        raise _wrong(text, start)
    table = _table(text, start)
    if (rest := _after_space(text, table.end + 1)) != len(text):
        raise _wrong(text, rest)
    return table


def _table(text: str, start: int) -> Table:
    members, at, comma = list[Member](), _after_space(text, start + 1), None
    while text[at : at + 1] != "}":
        if members and comma is None:
            raise _wrong(text, at)
        name = _STRING.match(text, at)
        if name is None:
            raise _wrong(text, at)
        colon = _after_space(text, name.end())
        if text[colon : colon + 1] != ":":
            raise _wrong(text, colon)
        value = _after_space(text, colon + 1)
        end = _end_of_value(text, value)
        members.append(Member(json.loads(name[0]), at, value, end))
        at, comma = _after_space(text, end), None
        if text[at : at + 1] == ",":
            comma, at = at, _after_space(text, at + 1)
    return Table(start, at, tuple(members), comma)


def _end_of_value(text: str, at: int) -> int:
    match text[at : at + 1]:
        case "{":
            return _table(text, at).end + 1
        case "[":
            return _end_of_list(text, at)
        case _:
            scalar = _STRING.match(text, at) or _SCALAR.match(text, at)
            if scalar is None:
                raise _wrong(text, at)
            return scalar.end()


def _end_of_list(text: str, start: int) -> int:
    at = _after_space(text, start + 1)
    while text[at : at + 1] != "]":
        at = _after_space(text, _end_of_value(text, at))
        if text[at : at + 1] == ",":
            at = _after_space(text, at + 1)
        elif text[at : at + 1] != "]":
            raise _wrong(text, at)
    return at + 1


def _after_space(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space else at


def _plain(value: str) -> Any:
    """The value of a piece of JSON with comments and trailing commas."""
    return json.loads("".join(_tokens(value)))


def _tokens(text: str) -> Iterator[str]:
    at, comma = 0, False
    while (at := _after_space(text, at)) < len(text):
        token = _STRING.match(text, at) or _SCALAR.match(text, at)
        piece = token[0] if token else text[at]
        if comma and piece not in "]}":
            yield ","
        comma = piece == ","
        if not comma:
            yield piece
        at += len(piece)


def _wrong(text: str, at: int) -> BadInput:
    line = text.count("\n", 0, at) + 1
    return BadInput(f"it is not JSON: line {line}", hint="mend the file by hand; nothing was changed")
