"""Text: how values are spelled in the ledger's columns. Exact, and of one width where it must sort."""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec

_json = msgspec.json.Encoder(decimal_format="string")


def when(at: datetime) -> str:
    """An aware time as UTC text that sorts.

    >>> when(datetime(2026, 1, 2, tzinfo=UTC))
    '2026-01-02T00:00:00.000000+00:00'
    """
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def whenever(at: datetime | None) -> str | None:
    """`when`, or None for None."""
    return None if at is None else when(at)


def exact(number: Decimal | None) -> str | None:
    """A Decimal digit by digit; None for None."""
    return None if number is None else str(number)


def as_json(value: object) -> str:
    """Compact JSON with exact Decimals."""
    return _json.encode(value).decode()
