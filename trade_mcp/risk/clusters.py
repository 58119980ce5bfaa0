"""Clusters: symbols that move together count as one. What is not known to move apart is taken to move together."""

from collections.abc import Iterable
from datetime import date

from msgspec import Struct


class Correlations(Struct, frozen=True, gc=False):
    """The correlations of one day (-1..1), by pair of symbols in order of their names; what is missing is 1."""

    day: date
    pairs: dict[tuple[str, str], float]


def cluster(symbol: str, others: Iterable[str], *, known: Correlations | None, least: float) -> list[str]:
    """``symbol`` and those of ``others`` that hang together with it, by a correlation of ``least`` at each link."""
    rest = [other for other in others if other != symbol]
    if known is None:
        return [symbol, *rest]
    found, correlation = [symbol], known.pairs.get
    for one in found:  # grows while it is walked
        near = [other for other in rest if correlation((one, other) if one < other else (other, one), 1.0) >= least]
        if near:
            found += near
            rest = [other for other in rest if other not in near]
    return found
