"""New levels: what a position's exits become when a plan changes them, and whether it could lose more then."""

from datetime import datetime
from decimal import Decimal

from msgspec import structs

from trade_mcp.domain.errors import BadInput
from trade_mcp.domain.exits import ExitPlan, Levels, levels
from trade_mcp.domain.position import Position


def changed(position: Position, plan: ExitPlan, price: Decimal | None, *, now: datetime) -> Levels:
    """The levels after ``plan``. Raises BadInput for a level on the wrong side of ``price``."""
    old = position.levels
    asked = levels(plan, position.entry, at=position.opened_at)
    if not plan.has_stop:  # 1R is what the stop that stands risks
        standing = structs.replace(plan, stop=old.stop, trail=None if old.stop is not None else old.trail)
        asked = structs.replace(levels(standing, position.entry, at=position.opened_at), stop=None, trail=None)
    begins = asked.trail is not None and old.trail is None
    new = Levels(
        stop=asked.stop or old.stop,
        target=asked.target or old.target,
        trail=asked.trail or old.trail,
        peak=old.peak,
        since=now if begins else old.since,
        even_at=asked.even_at or old.even_at,
        even_stop=asked.even_stop or old.even_stop,
        rungs=asked.rungs or old.rungs,
        until=asked.until or old.until,
    )
    if begins and old.follows and old.fixed_stop is not None:  # its peak is older than the trail that hangs from it
        new = structs.replace(new, stop=max(old.fixed_stop, new.stop or old.fixed_stop))
    if new.follows and (old.peak is None or begins):
        new = structs.replace(new, peak=max(position.entry, price) if price is not None else position.entry)
    if price is not None:
        stop = new.stop_price
        if stop is not None and stop >= price:
            raise BadInput(f"the stop {stop:f} is not below the price {price:f}", hint="close_position sells now")
        if new.target is not None and new.target <= price:
            raise BadInput(
                f"the target {new.target:f} is not above the price {price:f}", hint="close_position sells now"
            )
    return new


def loosens(old: Levels, new: Levels) -> bool:
    """Whether ``new`` levels would let a position lose more than ``old``: a lower stop, or none any more."""
    before, after = old.stop_price, new.stop_price
    return before is not None and (after is None or after < before)
