"""Uses: every limit with how much of it is used and what is left. What get_risk shows."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from msgspec import Struct

from trade_mcp.domain.book import Book
from trade_mcp.domain.instrument import ZERO
from trade_mcp.domain.order import Side
from trade_mcp.risk.brakes import EQUITY_BRAKES, measured, rejected_lately
from trade_mcp.risk.clusters import Correlations, cluster
from trade_mcp.risk.policy import COUNT, EQUITY, LIMITS, Policy
from trade_mcp.risk.rules.pace import DAY, HOUR, MINUTE, entered_at
from trade_mcp.risk.standing import Standing, expected_price, standing


class Use(Struct, frozen=True, gc=False):
    """One limit now. ``use`` and ``headroom`` are None where the limit is of one order and has no use by itself.

    ``headroom`` is below 0 after a passive breach: prices moved past a limit that held when it was decided.
    """

    control: str
    key: str
    title: str
    unit: str
    limit: Any
    use: Decimal | float | None = None
    headroom: Decimal | float | None = None


def uses(
    book: Book,
    policy: Policy,
    *,
    marks: Mapping[str, Decimal],
    now: datetime,
    real: datetime | None = None,
    correlations: Correlations | None = None,
    watcher_silence_s: float | None = None,
) -> tuple[Use, ...]:
    """Every limit of ``policy`` with its use at market time ``now`` (``real`` time: None for the past).

    Of what is limited by symbol, strategy, cluster or trade, the use is that of the largest. While equity is unknown,
    the uses that depend on it are None.
    """
    stands = standing(book, marks)
    repeats = Counter((one.strategy, one.symbol) for one in book.entered if one.at > now - HOUR)
    used: dict[str, Decimal | float | None] = {
        "max_open_positions": Decimal(len(book.open_positions)),
        "max_open_orders": Decimal(stands.orders),
        "max_orders_per_minute": Decimal(len(book.entered) - bisect_right(book.entered, now - MINUTE, key=entered_at)),
        "max_orders_per_day": Decimal(len(book.entered) - bisect_right(book.entered, now - DAY, key=entered_at)),
        "max_repeats_per_hour": Decimal(max(repeats.values(), default=0)),
        "loss_streak": Decimal(max((streak.losses for streak in book.streaks.values()), default=0)),
        "max_rejections": None if real is None else Decimal(rejected_lately(book, real)),
        "max_exit_silence_s": watcher_silence_s,
        **_shares(book, policy, stands, correlations),
    }
    return tuple(_use(key, policy, used.get(key)) for key in LIMITS)


def clusters(stands: Standing, policy: Policy, known: Correlations | None) -> list[tuple[Decimal, tuple[str, ...]]]:
    """What moves together, as notional and symbols, the largest first."""
    left, found = dict(stands.notionals), []
    while left:
        together = cluster(next(iter(left)), left, known=known, least=policy.least_correlation)
        found.append((sum([left.pop(symbol) for symbol in together], ZERO), tuple(sorted(together))))
    return sorted(found, reverse=True)


def _shares(
    book: Book, policy: Policy, stands: Standing, known: Correlations | None
) -> dict[str, Decimal | float | None]:
    equity = stands.equity
    if equity is None or equity <= 0:
        return {}
    buys = [order for order in book.live() if order.side is Side.BUY]
    together = clusters(stands, policy, known)
    return {
        "max_order_notional": max((order.open_size * expected_price(order) for order in buys), default=ZERO) / equity,
        "max_position": max(stands.notionals.values(), default=ZERO) / equity,
        "max_exposure": stands.exposure / equity,
        "max_cluster": together[0][0] / equity if together else ZERO,
        "max_trade_risk": max(stands.losses.values(), default=ZERO) / equity,
        "max_heat": stands.heat / equity,
        "max_heat_per_strategy": max(stands.heats.values(), default=ZERO) / equity,
        **{brake.key: _at_least_0(measured(brake, book, equity)) for brake in EQUITY_BRAKES},
    }


def _at_least_0(share: Decimal | None) -> Decimal | None:
    return None if share is None else max(share, ZERO)


def _use(key: str, policy: Policy, use: Decimal | float | None) -> Use:
    limit, value = LIMITS[key], getattr(policy, key)
    room = None
    if use is not None and not (limit.off and value == 0):
        room = value - use if limit.unit in (EQUITY, COUNT) else float(value) - float(use)
    return Use(limit.rule, key, limit.title, limit.unit, value, use, room)
