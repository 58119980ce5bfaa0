"""Complaints: what pydantic found, said as a person would: the setting, what was expected, the nearest name."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from trade_mcp.domain.errors import BadConfig
from trade_mcp.settings.sections import Settings

if TYPE_CHECKING:
    from trade_mcp.settings.sources import Layer

SECRETS = {
    ("desk", "exchange_key"),
    ("desk", "exchange_secret"),
    ("desk", "exchange_passphrase"),
    ("desk", "exchange_url"),
    ("server", "token"),
    ("mail", "password"),
    ("alerts", "webhook_url"),
    ("health", "ping_url"),
}
EXPECTED = {
    "bool_parsing": "true or false",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "decimal_parsing": "a number",
    "decimal_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text in quotes",
    "tuple_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "path_type": "a path",
}


def nearest(name: str, known: Iterable[str]) -> str:
    """The hint for an unknown ``name``: the nearest known one, else all of them."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"did you mean {close[0]}?" if close else f"known here: {', '.join(names)}"


def complaint(error: ValidationError, layers: "Sequence[Layer]") -> BadConfig:
    """All that is wrong in one error, each with its dotted name and where it was set."""
    said = dict.fromkeys(_said(detail, layers) for detail in error.errors(include_url=False))
    lines = [line for line, _ in said]
    hints = dict.fromkeys(hint for _, hint in said if hint)
    message = lines[0] if len(lines) == 1 else f"{len(lines)} settings are wrong:\n  " + "\n  ".join(lines)
    return BadConfig(message, hint="; ".join(hints) or "trade-mcp.example.toml shows every setting with its default")


def _said(detail: ErrorDetails, layers: "Sequence[Layer]") -> tuple[str, str]:
    path, section = _path(detail["loc"])
    name = ".".join(path)
    where = f"{origin}: " if (origin := _origin(path, layers)) else ""
    if detail["type"] == "extra_forbidden":
        known = tuple(section.model_fields)
        prefix = "".join(f"{part}." for part in path[:-1])
        return f"{where}unknown setting {name}", nearest(name, [f"{prefix}{key}" for key in known])
    value = (
        "" if path in SECRETS or isinstance(detail["input"], Mapping | BaseModel) else f" = {_shown(detail['input'])}"
    )
    return f"{where}{name}{value}: expected {_expected(detail)}", ""


def _path(loc: tuple[int | str, ...]) -> tuple[tuple[str, ...], type[BaseModel]]:
    """The dotted name of an error's place, without pydantic's own parts of it, and the section it is in."""
    section: type[BaseModel] = Settings
    path: list[str] = []
    for part in loc:
        path.append(str(part))
        field = section.model_fields.get(str(part))
        if field is None:
            break
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            section = field.annotation
        elif get_origin(field.annotation) is not dict:
            break
    return tuple(path), section


def _origin(path: tuple[str, ...], layers: "Sequence[Layer]") -> str:
    for layer in layers:
        found: Any = layer.values
        for part in path:
            found = found.get(part) if isinstance(found, Mapping) else None
        if found is not None:
            return layer.origin
    return ""


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else str(value)
    return repr(text[:60]) if isinstance(value, str) else text[:60]


def _expected(detail: ErrorDetails) -> str:
    if detail["type"] == "literal_error":
        return f"one of {detail['ctx']['expected']}" + _close(detail)
    if detail["type"] in EXPECTED:
        return EXPECTED[detail["type"]]
    return detail["msg"].removeprefix("Input should be ").removeprefix("Value error, ")


def _close(detail: ErrorDetails) -> str:
    names = [part.strip(" '") for part in detail["ctx"]["expected"].replace(" or ", ",").split(",")]
    close = difflib.get_close_matches(str(detail["input"]), names, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
