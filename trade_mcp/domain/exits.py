"""Exits: how a position ends. A plan is what was asked; levels are what it means at the actual fill."""

from datetime import datetime, timedelta
from decimal import Decimal

from msgspec import Struct, structs

from trade_mcp.domain.distances import Distance, check_distance
from trade_mcp.domain.errors import BadInput

PRICE_STEP = Decimal("1e-12")  # derived prices are kept to twelve places, so sums stay exact
ZERO = Decimal(0)


class Rung(Struct, frozen=True, gc=False):
    """One step of a take-profit ladder: sell ``share`` (0..1) of the position at ``at``."""

    share: Decimal
    at: Decimal | Distance


class ExitPlan(Struct, frozen=True, gc=False, omit_defaults=True):
    """The exits as asked for: each a price, or a distance to be taken from the actual fill.

    ``rungs`` come before the ``target``, which ends what they left. At ``break_even`` above the entry the stop moves to
    the entry plus ``costs`` (what buying and selling costs, as a fraction). After ``max_hold`` seconds of market time
    the position is closed whatever it is worth.
    """

    stop: Decimal | Distance | None = None
    target: Decimal | Distance | None = None
    trail: Distance | None = None
    rungs: tuple[Rung, ...] = ()
    break_even: Distance | None = None
    costs: Decimal = ZERO
    max_hold: int | None = None

    @property
    def has_stop(self) -> bool:
        return self.stop is not None or self.trail is not None

    @property
    def parts(self) -> tuple[tuple[str, Decimal | Distance], ...]:
        """Every price and distance of it with the name it goes by."""
        found: list[tuple[str, Decimal | Distance]] = []
        if self.stop is not None:
            found.append(("stop_loss", self.stop))
        if self.target is not None:
            found.append(("take_profit", self.target))
        if self.trail is not None:
            found.append(("trailing", self.trail))
        if self.break_even is not None:
            found.append(("break_even", self.break_even))
        found += [("ladder", rung.at) for rung in self.rungs]
        return tuple(found)

    @property
    def needs_range(self) -> bool:
        """Whether a part of it counts in average true ranges that are not known yet."""
        return any(isinstance(part, Distance) and part.open for _, part in self.parts)

    def with_range(self, average: Decimal) -> "ExitPlan":
        """This plan with the average true range (quote currency) that its distances count in."""
        named = {"stop": self.stop, "target": self.target, "trail": self.trail, "break_even": self.break_even}
        return structs.replace(
            self,
            **{name: _ranged(part, average) for name, part in named.items()},
            rungs=tuple(structs.replace(rung, at=_ranged(rung.at, average)) for rung in self.rungs),
        )


class Levels(Struct, frozen=True, gc=False, omit_defaults=True):
    """The plan at a fill: prices to sell at, and the peak a trailing stop hangs from (it never falls)."""

    stop: Decimal | None = None
    target: Decimal | None = None
    trail: Distance | None = None
    peak: Decimal | None = None  # best price since the entry; kept for a trail, a break-even move or a ladder
    since: datetime | None = None  # the trail was set then: only later prices raise the peak; None: at the entry
    even_at: Decimal | None = None  # once the peak is there,
    even_stop: Decimal | None = None  # the stop is at least here
    rungs: tuple[tuple[Decimal, Decimal], ...] = ()  # (share of the position, price), lowest first
    until: datetime | None = None  # market time at which the position is closed

    @property
    def fixed_stop(self) -> Decimal | None:
        """The stop without the trail: as set, or at break-even once the price has been far enough."""
        if self.even_at is None or self.even_stop is None or self.peak is None or self.peak < self.even_at:
            return self.stop
        return self.even_stop if self.stop is None else max(self.stop, self.even_stop)

    @property
    def stop_price(self) -> Decimal | None:
        """The stop in force: the higher of the fixed stop and peak minus trail; None without either.

        >>> Levels(stop=Decimal(95), trail=Distance(fraction=Decimal("0.02")), peak=Decimal(100)).stop_price
        Decimal('98.00')
        """
        if self.trail is None and self.even_at is None:  # most of them: this is asked at every order
            return self.stop
        fixed = self.fixed_stop
        if self.trail is None or self.peak is None:
            return fixed
        trailing = self.peak - self.trail.of(self.peak)
        return trailing if fixed is None else max(fixed, trailing)

    @property
    def follows(self) -> bool:
        """Whether the best price since the entry matters."""
        return self.trail is not None or self.even_at is not None or bool(self.rungs)

    def raised(self, price: Decimal) -> "Levels":
        """These levels with the peak raised to ``price``, if that is higher."""
        if not self.follows or (self.peak is not None and price <= self.peak):
            return self
        return structs.replace(self, peak=price)


def levels(plan: ExitPlan, fill: Decimal, *, at: datetime | None = None) -> Levels:
    """What ``plan`` means for a long position filled at ``fill`` (quote per unit), opened ``at``.

    >>> levels(ExitPlan(stop=Distance(fraction=Decimal("0.02"))), Decimal(100)).stop
    Decimal('98.000000000000')
    """
    stop = _below(plan.stop, fill)
    risked = fill - stop if stop is not None else plan.trail.of(fill) if plan.trail is not None else None
    even_at = _above(plan.break_even, fill, risked)
    found = Levels(
        stop=stop,
        target=_above(plan.target, fill, risked),
        trail=plan.trail,
        even_at=even_at,
        even_stop=None if even_at is None else (fill * (1 + plan.costs)).quantize(PRICE_STEP),
        rungs=tuple(sorted((_price(rung, fill, risked) for rung in plan.rungs), key=lambda step: step[1])),
        until=None if plan.max_hold is None or at is None else at + timedelta(seconds=plan.max_hold),
    )
    return structs.replace(found, peak=fill) if found.follows else found


def joined(old: Levels, new: Levels, *, at: datetime) -> Levels:
    """Levels after adding to a position at ``at``: tighter stop and trail, newer target, the peak never falls.

    Break-even move and ladder stay the first entry's; the second's count where there were none. The earlier end holds.
    """
    stops = [level for level in (old.fixed_stop, new.fixed_stop) if level is not None]
    # A trail that is new here hangs from prices since now: from an older peak it might lie above the price.
    begins = old.trail is None and new.trail is not None
    peaks = [level for level in (None if begins else old.peak, new.peak) if level is not None]
    peak = max(peaks) if peaks else None
    trails = [trail for trail in (old.trail, new.trail) if trail is not None]
    tighter = trails[0] if len(trails) == 1 else None
    if len(trails) == 2 and peak is not None:  # an addition is judged by itself: it may not loosen what was there
        tighter = min(trails, key=lambda trail: trail.of(peak))
    # A peak of before the addition must not trip the addition's break-even move: its stop would lie above the price.
    first = old.even_at is not None or (new.even_at is not None and peak is not None and peak >= new.even_at)
    even = old if first else new
    ends = [end for end in (old.until, new.until) if end is not None]
    return Levels(
        stop=max(stops) if stops else None,
        target=new.target if new.target is not None else old.target,
        trail=tighter,
        peak=peak,
        since=at if begins or (new.follows and not old.follows) else old.since,
        even_at=even.even_at,
        even_stop=even.even_stop,
        rungs=old.rungs or tuple(rung for rung in new.rungs if peak is None or rung[1] > peak),
        until=min(ends) if ends else None,
    )


def check_plan(plan: ExitPlan) -> None:
    """What a plan's distances and shares may be. Raises BadInput."""
    for name, part in plan.parts:
        if not isinstance(part, Distance):
            continue
        check_distance(part)
        if part.risk is not None and (name in ("stop_loss", "trailing") or not plan.has_stop):
            raise BadInput(f"{name} cannot be {part.risk:f}R", hint="1R is what the stop risks: first give a stop")
    shares = [rung.share for rung in plan.rungs]
    if any(not 0 < share < 1 for share in shares) or sum(shares) > 1:
        raise BadInput("the ladder's shares make no sense", hint="each between 0 and 1, together at most 1")


def _ranged(part: Decimal | Distance | None, average: Decimal) -> Decimal | Distance | None:
    return part.with_range(average) if isinstance(part, Distance) else part


def _below(part: Decimal | Distance | None, fill: Decimal) -> Decimal | None:
    price = fill - part.of(fill) if isinstance(part, Distance) else part
    return None if price is None else price.quantize(PRICE_STEP)


def _above(part: Decimal | Distance | None, fill: Decimal, risked: Decimal | None) -> Decimal | None:
    price = fill + part.of(fill, risked=risked) if isinstance(part, Distance) else part
    return None if price is None else price.quantize(PRICE_STEP)


def _price(rung: Rung, fill: Decimal, risked: Decimal | None) -> tuple[Decimal, Decimal]:
    price = _above(rung.at, fill, risked)
    assert price is not None
    return rung.share, price
