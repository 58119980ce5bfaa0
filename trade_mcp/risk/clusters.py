"""Clusters: symbols that move together count as one. What is not known to move apart is taken to move together."""

from collections.abc import Iterable
from datetime import date

from msgspec import Struct


class Correlations(Struct, frozen=True, gc=False):
    """The correlations of one day (-1..1), by symbol and symbol, each pair both ways; what is missing is 1."""

    day: date
    of: dict[str, dict[str, float]]


def cluster(symbol: str, others: Iterable[str], *, known: Correlations | None, least: float) -> list[str]:
    """``symbol`` and those of ``others`` that hang together with it, by a correlation of ``least`` at each link."""
    rest = [other for other in others if other != symbol]
    if known is None:
        return [symbol, *rest]
    found = [symbol]
    for one in found:  # grows while it is walked
        with_one = known.of.get(one, {})
        near = [other for other in rest if with_one.get(other, 1.0) >= least]
        if near:
            found += near
            rest = [other for other in rest if other not in near]
    return found
