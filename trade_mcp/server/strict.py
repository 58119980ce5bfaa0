"""Strict: the arguments of a tool, read exactly. Nothing is dropped, guessed or turned into another type; only prose
is cleaned.

A tool's arguments are the keyword-only parameters of one function: their types say how each is read and what the
schema shows, ``Annotated[..., "text"]`` describes it, a default makes it optional. The schemas stay flat (no
``$ref``, no ``anyOf``, no ``default``), which Claude, OpenAI and Gemini all accept.
"""

import inspect
import re
import types
from collections.abc import Callable, Mapping
from decimal import Decimal
from difflib import get_close_matches
from enum import StrEnum
from typing import Annotated, Any, Union, get_args, get_origin

from msgspec import Struct

from trade_mcp.domain.distances import Distance, in_unit
from trade_mcp.domain.errors import BadInput
from trade_mcp.server.untrusted import clean, echo

TEXT_CHARS = 200  # the longest text a caller may send
DIGITS, PLACES = 15, 12  # of a number, before and after the point

_NUMBER = re.compile(r"([0-9]+)(?:\.([0-9]+))?")
_ALSO_CALLED = {"quantity": "size", "qty": "size", "amount": "size", "ticker": "symbol", "pair": "symbol"}

Reader = Callable[[str, object], object]


class Within(Struct, frozen=True):
    """The bounds of an int, or of the number of entries in a list; mark an argument with it in ``Annotated``."""

    low: int
    high: int


class OneOf(Struct, frozen=True):
    """The only texts that are accepted; mark a str with it in ``Annotated``."""

    choices: tuple[str, ...]


class Argument(Struct, frozen=True):
    """One argument: what the schema says, and how it is read. ``read`` raises BadInput."""

    name: str
    schema: dict[str, Any]
    read: Reader
    required: bool


def arguments_of(takes: Callable[..., object]) -> tuple[Argument, ...]:
    """The arguments that the keyword-only parameters of ``takes`` declare."""
    parameters = inspect.signature(takes).parameters.values()
    return tuple(_argument(p) for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY)


def schema_of(arguments: tuple[Argument, ...]) -> dict[str, Any]:
    """The JSON schema of ``arguments``."""
    schema: dict[str, Any] = {"type": "object", "properties": {a.name: a.schema for a in arguments}}
    if required := [a.name for a in arguments if a.required]:
        schema["required"] = required
    return schema | {"additionalProperties": False}


def read(arguments: tuple[Argument, ...], sent: Mapping[str, object]) -> dict[str, Any]:
    """What was ``sent``, as the types declared. Raises BadInput that names everything wrong with it at once.

    An optional argument that is null or "" was not given: strict clients must send every name.
    """
    known = {argument.name: argument for argument in arguments}
    faults = [_unknown(name, known) for name in sent if name not in known]
    values: dict[str, Any] = {}
    for name, argument in known.items():
        value = sent.get(name)
        if value is None or (value == "" and not argument.required):
            if argument.required:
                faults.append(BadInput(f"{name} is missing", hint=f"{name}: {_meaning(argument)}"))
            continue
        try:
            values[name] = argument.read(name, value)
        except BadInput as fault:
            faults.append(fault)
    if faults:
        hints = dict.fromkeys(fault.hint for fault in faults if fault.hint)
        raise BadInput("; ".join(fault.message for fault in faults), hint="; ".join(hints))
    return values


def number(name: str, value: object) -> Decimal:
    """A Decimal above zero, sent as plain digits in a string. Raises BadInput."""
    if not isinstance(value, str):
        digits = repr(value) if isinstance(value, int | float) and not isinstance(value, bool) else "0.5"
        raise BadInput(
            f"{name} must be a string, not {_kind(value)}", hint=f'send {name} as digits in quotes: "{digits}"'
        )
    match = _NUMBER.fullmatch(value)
    if match is None or len(match[1]) > DIGITS or len(match[2] or "") > PLACES:
        raise BadInput(
            f"{name} {echo(value)} is not a number the desk can use",
            hint=f'plain digits above zero such as "0.5", at most {DIGITS} before the point and {PLACES} after it',
        )
    if (exact := Decimal(value)) == 0:
        raise BadInput(f"{name} is zero", hint=f'{name} must be above zero, such as "0.5"')
    return exact


def distance(name: str, value: object) -> Distance:
    """A distance from a price: "2%" of it, "150" of the quote currency, "2.5 ATR", "1R". Raises BadInput."""
    unit = _unit(value)
    return in_unit(number(name, value[: len(value) - len(unit)].rstrip() if isinstance(value, str) else value), unit)


def level(name: str, value: object) -> Decimal | Distance:
    """A price "58000", or a distance "2%", "2.5 ATR", "2R" from the price of the actual fill. Raises BadInput."""
    return distance(name, value) if _unit(value) else number(name, value)


def _unit(value: object) -> str:
    if not isinstance(value, str):
        return ""
    return next((unit for unit in ("%", "ATR", "R") if value.upper().endswith(unit)), "")


def prose(name: str, value: object) -> str:
    """Words for people, made fit to be kept and shown. Mark an argument with it in ``Annotated``. Raises BadInput."""
    if not isinstance(value, str):
        raise BadInput(f"{name} must be a string, not {_kind(value)}", hint=f"send {name} in quotes")
    if len(value) > TEXT_CHARS:
        raise BadInput(f"{name} has {len(value)} characters", hint=f"at most {TEXT_CHARS} characters")
    return clean(value, TEXT_CHARS)


def _text(name: str, value: object) -> str:
    """A name of something: what cannot be seen in it is no part of any."""
    kept = prose(name, value)
    if kept != value:
        raise BadInput(
            f"{name} {echo(value)} has characters that cannot be seen, or needless spaces",
            hint=f"send {name} in plain text",
        )
    return kept


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise BadInput(f"{name} must be true or false, not {_kind(value)}", hint=f"send {name} without quotes")
    return value


def _whole(bounds: Within) -> Reader:
    def read_whole(name: str, value: object) -> int:
        # Some clients know only doubles and send 5.0 for 5; that is the same number.
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value or value % 1:
            raise BadInput(f"{name} must be a whole number, not {_kind(value)}", hint=f"send {name} without quotes")
        if not bounds.low <= value <= bounds.high:
            raise BadInput(f"{name} is {value}", hint=f"from {bounds.low} to {bounds.high}")
        return int(value)

    return read_whole


def _texts(bounds: Within) -> Reader:
    def read_texts(name: str, value: object) -> list[str]:
        if not isinstance(value, list):
            raise BadInput(f"{name} must be a list of strings, not {_kind(value)}", hint='such as ["BTC/USDT"]')
        if not bounds.low <= len(value) <= bounds.high:
            raise BadInput(f"{name} has {len(value)} entries", hint=f"from {bounds.low} to {bounds.high}")
        return [_text(f"{name}[{place}]", entry) for place, entry in enumerate(value)]

    return read_texts


def _one_of(choices: tuple[str, ...], make: Callable[[str], object]) -> Reader:
    def read_choice(name: str, value: object) -> object:
        if not isinstance(value, str):
            raise BadInput(f"{name} must be a string, not {_kind(value)}", hint=f"one of {', '.join(choices)}")
        if value not in choices:
            near = get_close_matches(value.lower(), [c.lower() for c in choices], n=1)
            mean = next((f"did you mean {c}? " for c in choices if near and c.lower() == near[0]), "")
            raise BadInput(f"{name} {echo(value)} is not known", hint=f"{mean}one of {', '.join(choices)}")
        return make(value)

    return read_choice


_STRING = {"type": "string"}
_PLAIN: dict[Any, tuple[dict[str, Any], Reader]] = {
    str: (_STRING, _text),
    bool: ({"type": "boolean"}, _flag),
    Decimal: (_STRING, number),
    Distance: (_STRING, distance),
    Decimal | Distance: (_STRING, level),
}


def _argument(parameter: inspect.Parameter) -> Argument:
    declared = parameter.annotation
    notes: list[Any] = []
    if get_origin(declared) is Annotated:
        declared, *notes = get_args(declared)
    bounds = next((note for note in notes if isinstance(note, Within)), Within(0, 1_000_000))
    choices = next((note.choices for note in notes if isinstance(note, OneOf)), ())
    schema, reader = _kind_of(_without_none(declared), bounds, choices=choices)
    reader = next((note for note in notes if inspect.isfunction(note)), reader)
    if said := next((note for note in notes if isinstance(note, str)), ""):
        schema = schema | {"description": said}
    return Argument(parameter.name, schema, reader, parameter.default is inspect.Parameter.empty)


def _kind_of(declared: Any, bounds: Within, *, choices: tuple[str, ...]) -> tuple[dict[str, Any], Reader]:
    if isinstance(declared, type) and issubclass(declared, StrEnum):
        names = choices or tuple(member.value for member in declared)
        return _STRING | {"enum": list(names)}, _one_of(names, declared)
    if choices:
        return _STRING | {"enum": list(choices)}, _one_of(choices, str)
    if declared in _PLAIN:
        return _PLAIN[declared]
    if declared is int:
        return {"type": "integer"}, _whole(bounds)
    if declared == list[str]:
        return {"type": "array", "items": _STRING}, _texts(bounds)
    raise TypeError(f"no tool argument can be a {declared}")


def _without_none(declared: Any) -> Any:
    if get_origin(declared) not in (Union, types.UnionType):
        return declared
    return Union[*(part for part in get_args(declared) if part is not types.NoneType)]


def _unknown(name: str, known: Mapping[str, Argument]) -> BadInput:
    also = _ALSO_CALLED.get(name.lower())
    near = [also] if also in known else get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    takes = f"it takes {', '.join(known)}" if known else "it takes no arguments"
    hint = f"did you mean {near[0]}? {takes}" if near else takes
    return BadInput(f"unknown argument {echo(name)}", hint=hint)


def _meaning(argument: Argument) -> str:
    said = argument.schema.get("description", argument.schema["type"])
    choices = argument.schema.get("enum")
    return f"one of {', '.join(choices)}" if choices else str(said)


def _kind(value: object) -> str:
    names = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "a string",
        list: "a list",
        dict: "an object",
    }
    return f"{names.get(type(value), 'that')} ({clean(repr(value), 40)})"
