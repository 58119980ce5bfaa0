"""Plain: values as JSON that loses nothing. Money as text in plain notation, ratios as numbers, times in UTC."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from msgspec import Struct, structs


def number(value: Decimal) -> str:
    """A Decimal, exact, as people write it: no power of ten, no trailing zeros.

    >>> number(Decimal("98.500000")), number(Decimal("1E+3")), number(Decimal("-0.0"))
    ('98.5', '1000', '0')
    """
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def moment(at: datetime) -> str:
    """A time in UTC, to the second or as exact as it is.

    >>> moment(datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC))
    '2024-01-02T03:04:05Z'
    """
    return at.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def lasting(seconds: float) -> str:
    """A length of time in its two largest units.

    >>> lasting(42.3), lasting(200), lasting(11520), lasting(266000)
    ('42 s', '3 min 20 s', '3 h 12 min', '3 d 1 h')
    """
    whole = round(seconds)
    for size, unit, smaller, name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // smaller} {name}"
    return f"{whole} s"


def plain(value: Any) -> Any:
    """``value`` (Structs and mappings of any depth) as plain JSON values; what is not known stays as null."""
    if isinstance(value, Decimal):
        return number(value)
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Struct):
        return {key: plain(item) for key, item in structs.asdict(value).items()}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
