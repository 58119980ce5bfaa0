"""Kinds of value a setting may be, each with what it says when it is not: fractions, distances, moments, symbols."""

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator
from pydantic_core import PydanticCustomError

from trade_mcp.domain.distances import Distance, parse_distance
from trade_mcp.domain.errors import BadInput
from trade_mcp.domain.market import TIMEFRAMES, period

SYMBOL = re.compile(r"[A-Z0-9]{1,20}/[A-Z0-9]{2,20}")
MAX_SPEED = 1_000_000  # market seconds per real second; beyond it "max" is what is meant


def _fraction(value: Decimal) -> Decimal:
    if not 0 <= value <= 1:
        hint = f"; {value} % is written {(value / 100).normalize():f}" if 1 < value <= 100 else ""
        raise PydanticCustomError("fraction", "a fraction from 0 to 1, where 0.15 means 15 %{more}", {"more": hint})
    return value


def _distance(value: object) -> Distance | None:
    if value is None or value == "off":
        return None
    if isinstance(value, Distance):
        return value
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool) and 0 < value < 1:
        said = 'a percentage such as "2%", or an amount in quotes such as "0.02" (quote currency)'
        raise PydanticCustomError("distance", "{said}", {"said": said})
    try:
        return parse_distance(str(value))
    except BadInput as error:
        raise PydanticCustomError("distance", "{said}", {"said": error.hint}) from None


def _moment(value: object) -> object:
    """A date is its midnight in UTC; a time without a zone is refused, because it could mean two moments."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value) if len(value) > 10 else date.fromisoformat(value)
        except ValueError:
            raise PydanticCustomError("moment", "a date (2023-01-31) or a time with its zone") from None
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise PydanticCustomError("moment", "a time with its zone, such as 2023-01-31T00:00:00Z")
        return value.astimezone(UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return value


def _length(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    try:
        return period(str(value))
    except BadInput as error:
        raise PydanticCustomError("length", "a length of time, {said}", {"said": error.hint}) from None


def _speed(value: object) -> float | Literal["max"]:
    if value == "max":
        return "max"
    try:
        speed = float(value) if isinstance(value, str | int | float | Decimal) and value is not True else 0.0
    except ValueError:
        speed = 0.0
    if not 0 < speed <= MAX_SPEED:
        raise PydanticCustomError("speed", 'a number above 0 and up to {most}, or "max"', {"most": MAX_SPEED})
    return speed


def listed(value: object) -> object:
    """The environment has no lists: there, commas separate."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _symbol(value: str) -> str:
    if not SYMBOL.fullmatch(value.upper()):
        raise PydanticCustomError("symbol", "a symbol such as BTC/USDT")
    return value.upper()


def _timeframe(value: str) -> str:
    if value not in TIMEFRAMES:
        raise PydanticCustomError("timeframe", "one of {known}", {"known": ", ".join(TIMEFRAMES)})
    return value


def _distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def _home(path: Path) -> Path:
    return path.expanduser()


Fraction = Annotated[Decimal, Field(allow_inf_nan=False), AfterValidator(_fraction)]
Money = Annotated[Decimal, Field(gt=0, allow_inf_nan=False)]
Amount = Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]
ExitDistance = Annotated[Distance | None, PlainValidator(_distance)]
Length = Annotated[timedelta, PlainValidator(_length)]
Speed = Annotated[float | Literal["max"], PlainValidator(_speed)]
Moment = Annotated[datetime, BeforeValidator(_moment)]
Symbol = Annotated[str, AfterValidator(_symbol)]
Timeframe = Annotated[str, AfterValidator(_timeframe)]
FilePath = Annotated[Path, AfterValidator(_home)]
Symbols = Annotated[tuple[Symbol, ...], BeforeValidator(listed), AfterValidator(_distinct), Field(min_length=1)]
