"""Exits: how a position ends. A plan is what was asked; levels are what it means at the actual fill."""

from datetime import datetime
from decimal import Decimal, InvalidOperation

from msgspec import Struct, structs

from trade_mcp.domain.errors import BadInput

PRICE_STEP = Decimal("1e-12")  # derived prices are kept to twelve places, so sums stay exact


class Distance(Struct, frozen=True, gc=False, omit_defaults=True):
    """How far from a price: a fraction of it, or an amount in the quote currency. Exactly one is set."""

    fraction: Decimal | None = None
    amount: Decimal | None = None

    def of(self, price: Decimal) -> Decimal:
        """The distance from ``price`` in the quote currency."""
        if self.amount is not None:
            return self.amount
        assert self.fraction is not None
        return price * self.fraction


def parse_distance(text: str) -> Distance:
    """The distance a person wrote: ``"2%"`` of the price, or ``"150"`` of the quote currency. Raises BadInput.

    >>> parse_distance("2%").fraction
    Decimal('0.02')
    """
    percent = text.strip().endswith("%")
    try:
        number = Decimal(text.strip().removesuffix("%").strip())
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number <= 0:
        raise BadInput(
            f"{text!r} is not a distance from a price",
            hint='a percentage such as "2%", or an amount in the quote currency such as "150"',
        )
    return Distance(fraction=number / 100) if percent else Distance(amount=number)


class ExitPlan(Struct, frozen=True, gc=False, omit_defaults=True):
    """Stop, target and trail as asked for: a price, or a distance to be taken from the actual fill."""

    stop: Decimal | Distance | None = None
    target: Decimal | Distance | None = None
    trail: Distance | None = None

    @property
    def has_stop(self) -> bool:
        return self.stop is not None or self.trail is not None


class Levels(Struct, frozen=True, gc=False, omit_defaults=True):
    """The plan at a fill: prices to sell at, and the peak a trailing stop hangs from (it never falls)."""

    stop: Decimal | None = None
    target: Decimal | None = None
    trail: Distance | None = None
    peak: Decimal | None = None
    since: datetime | None = None  # the trail was set then: only later prices raise the peak; None: at the entry

    @property
    def stop_price(self) -> Decimal | None:
        """The stop in force: the higher of the fixed stop and peak minus trail; None without either.

        >>> Levels(stop=Decimal(95), trail=Distance(fraction=Decimal("0.02")), peak=Decimal(100)).stop_price
        Decimal('98.00')
        """
        if self.trail is None or self.peak is None:
            return self.stop
        trailing = self.peak - self.trail.of(self.peak)
        return trailing if self.stop is None else max(self.stop, trailing)

    def raised(self, price: Decimal) -> "Levels":
        """These levels with the peak raised to ``price``, if that is higher."""
        if self.trail is None or (self.peak is not None and price <= self.peak):
            return self
        return structs.replace(self, peak=price)


def levels(plan: ExitPlan, fill: Decimal) -> Levels:
    """What ``plan`` means for a long position filled at ``fill`` (quote per unit).

    >>> levels(ExitPlan(stop=Distance(fraction=Decimal("0.02"))), Decimal(100)).stop
    Decimal('98.000000000000')
    """
    stop = fill - plan.stop.of(fill) if isinstance(plan.stop, Distance) else plan.stop
    target = fill + plan.target.of(fill) if isinstance(plan.target, Distance) else plan.target
    return Levels(
        stop=stop if stop is None else stop.quantize(PRICE_STEP),
        target=target if target is None else target.quantize(PRICE_STEP),
        trail=plan.trail,
        peak=fill if plan.trail is not None else None,
    )


def joined(old: Levels, new: Levels, *, at: datetime) -> Levels:
    """Levels after adding to a position at ``at``: tighter stop and trail, newer target, the peak never falls."""
    stops = [level for level in (old.stop, new.stop) if level is not None]
    peaks = [level for level in (old.peak, new.peak) if level is not None]
    peak = max(peaks) if peaks else None
    trails = [trail for trail in (old.trail, new.trail) if trail is not None]
    tighter = trails[0] if len(trails) == 1 else None
    if len(trails) == 2 and peak is not None:  # an addition is judged by itself: it may not loosen what was there
        tighter = min(trails, key=lambda trail: trail.of(peak))
    return Levels(
        stop=max(stops) if stops else None,
        target=new.target if new.target is not None else old.target,
        trail=tighter,
        peak=peak,
        since=at if old.trail is None and new.trail is not None else old.since,
    )
