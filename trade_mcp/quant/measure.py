"""Measure: a statistic with the number of things it is made of, or the reason why there is none."""

from msgspec import Struct


class Measure(Struct, frozen=True, kw_only=True):
    """``value`` made of ``sample`` things (``of``: "trades", "hourly returns"); None with the reason in ``missing``."""

    value: float | None
    sample: int
    of: str
    missing: str = ""


def few(of: str, sample: int, *, needed: int) -> Measure:
    """No value, for want of enough.

    >>> few("trades", 1, needed=5).missing
    'not enough trades: 1 of 5'
    """
    return nothing(of, sample, f"not enough {of}: {sample} of {needed}")


def nothing(of: str, sample: int, why: str) -> Measure:
    """No value, for the reason ``why``."""
    return Measure(value=None, sample=sample, of=of, missing=why)
