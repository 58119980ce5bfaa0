"""Brakes: what ends entries, or all trading, by itself once losses (or profits) reach their limit. Pure.

Equity is held against a baseline: of the day, of the week, or the high-water mark. A brake trips at the second of two
fresh marks that both reach its limit; one wick never does it.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec import Struct

from trade_mcp.domain.book import Book, Streak, brake_key
from trade_mcp.domain.calendar import Days
from trade_mcp.domain.events import BrakeTripped, Period, TradingState
from trade_mcp.domain.instrument import ZERO
from trade_mcp.domain.market import Quote
from trade_mcp.risk.policy import Policy
from trade_mcp.risk.verdict import percents

APART = timedelta(seconds=10)  # between two marks: a wick is shorter
LASTS = timedelta(minutes=5)  # market time: a price that is overdue for longer is no wick any more
REJECTED_WITHIN = timedelta(minutes=5)  # real time


class EquityBrake(Struct, frozen=True, gc=False):
    """One brake on equity: the key of its limit, what it forces, and the period it holds for (None: a person)."""

    name: str
    key: str
    effect: TradingState
    period: Period | None
    said: str


EQUITY_BRAKES = (
    EquityBrake("daily_loss", "max_daily_loss", TradingState.REDUCING, Period.DAY, "the day's loss"),
    EquityBrake("weekly_loss", "max_weekly_loss", TradingState.REDUCING, Period.WEEK, "the week's loss"),
    EquityBrake("soft_drawdown", "soft_drawdown", TradingState.REDUCING, None, "the drawdown"),
    EquityBrake("hard_drawdown", "hard_drawdown", TradingState.HALTED, None, "the drawdown"),
    EquityBrake("profit_lock", "daily_profit_target", TradingState.REDUCING, Period.DAY, "the day's profit"),
)

RELEASES = {  # brake -> what clears it
    "daily_loss": "the next day",
    "weekly_loss": "the next week",
    "soft_drawdown": "a person: trade-mcp resume",
    "hard_drawdown": "a person: trade-mcp resume",
    "profit_lock": "the next day",
    "loss_streak": "the timer",
    "rejections": "a person: trade-mcp resume",
    "repeats": "a person: trade-mcp resume",
}


def measured(brake: EquityBrake, book: Book, equity: Decimal) -> Decimal | None:
    """How far ``equity`` is on the way to the brake's limit, as a fraction; None without a baseline.

    Losses and drawdown are positive; so is the profit of the profit lock.
    """
    if brake.period is None:
        base = max(book.high_water, equity)
    elif (baseline := book.periods.get(brake.period)) is not None:
        base = baseline.equity
    else:
        return None
    if base <= 0:
        return None
    return (equity - base if brake.name == "profit_lock" else base - equity) / base


def reached(book: Book, policy: Policy, equity: Decimal) -> list[EquityBrake]:
    """The brakes whose limit ``equity`` reaches and that do not hold yet."""
    found = []
    for brake in EQUITY_BRAKES:
        limit = getattr(policy, brake.key)
        if limit == 0 or brake.name in book.brakes:  # 0: off
            continue
        if brake.name == "profit_lock" and waiting_for_targets(book):
            continue
        share = measured(brake, book, equity)
        if share is not None and share >= limit:
            found.append(brake)
    return found


def waiting_for_targets(book: Book) -> bool:
    """Whether a position still has a target that the price has not reached."""
    return any(not held.dust and held.levels.target is not None for held in book.positions.values())


def fresh(book: Book, quotes: Iterable[Quote], *, now: datetime, most_s: float) -> bool:
    """Whether equity at ``quotes`` is a fresh mark: each is newer than the last mark by `APART`, and not overdue.

    A price that is overdue by more than `LASTS` counts as it is: one symbol that stopped trading must not keep the
    losses of the others from being seen.
    """
    last = book.mark.seen
    for quote in quotes:
        overdue_s = quote.overdue_s(now)
        if overdue_s > LASTS.total_seconds():
            continue
        if overdue_s > most_s or (last is not None and quote.at < last + APART):
            return False
    return True


def tripping(book: Book, policy: Policy, equity: Decimal, *, now: datetime, days: Days) -> list[BrakeTripped]:
    """What trips at ``equity``, a fresh mark, because the mark before reached the same limit."""
    before = {brake.name for brake in reached(book, policy, book.mark.equity)}
    return [
        _tripped(brake, book, policy, equity, now=now, days=days)
        for brake in reached(book, policy, equity)
        if brake.name in before
    ]


def _tripped(
    brake: EquityBrake, book: Book, policy: Policy, equity: Decimal, *, now: datetime, days: Days
) -> BrakeTripped:
    share, limit = measured(brake, book, equity) or ZERO, getattr(policy, brake.key)
    a, b = percents(share, limit)
    until = None if brake.period is None else days.next_day if brake.period is Period.DAY else days.next_week
    return BrakeTripped(brake.name, brake.effect, now, f"{brake.said} is {a}; {brake.key} is {b}", until=until)


def rejected_lately(book: Book, real: datetime) -> int:
    """Orders that the venue rejected within the last five minutes of real time."""
    return sum(at > real - REJECTED_WITHIN for at in book.rejected)


def too_many_rejections(book: Book, policy: Policy, *, now: datetime, real: datetime) -> BrakeTripped | None:
    """The brake on a venue that says no again and again."""
    count = rejected_lately(book, real)
    if "rejections" in book.brakes or count < policy.max_rejections:
        return None
    reason = f"the venue rejected {count} orders within 5 min; max_rejections is {policy.max_rejections}"
    return BrakeTripped("rejections", TradingState.HALTED, now, reason)


def resting(book: Book, policy: Policy, *, now: datetime) -> list[BrakeTripped]:
    """Strategies that lost too often in a row and are not told to rest yet."""
    found = []
    for who, streak in book.streaks.items():
        until = rests_until(streak, policy)
        if streak.losses >= policy.loss_streak and now < until and brake_key("loss_streak", who) not in book.brakes:
            reason = f"{who} lost {streak.losses} trades in a row; loss_streak is {policy.loss_streak}"
            found.append(BrakeTripped("loss_streak", TradingState.ACTIVE, now, reason, until=until, scope=who))
    return found


def rests_until(streak: Streak, policy: Policy) -> datetime:
    """When a strategy with this streak may enter again."""
    return streak.at + timedelta(minutes=policy.cooldown_min)
