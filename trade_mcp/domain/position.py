"""Position: size, cost and profit of one symbol, at average cost."""

from datetime import datetime
from decimal import Decimal

from msgspec import Struct, structs

from trade_mcp.domain.exits import Levels
from trade_mcp.domain.instrument import ZERO
from trade_mcp.domain.order import Source

COST_STEP = Decimal("1e-12")  # a share of cost is rounded once, so that every later sum is exact


class Position(Struct, frozen=True, gc=False, omit_defaults=True):
    """What the desk holds of one symbol. ``cost`` is what the held size was bought for, in the quote currency."""

    size: Decimal = ZERO  # base units; negative only if the venue sold more than we held (an alarm)
    cost: Decimal = ZERO
    realised: Decimal = ZERO  # profit of what was sold since the position opened, before fees
    fees: Decimal = ZERO  # in quote value, since it opened
    owner: Source = Source.OPERATOR
    strategy: str = ""
    entry_id: str = ""
    opened_at: datetime | None = None
    levels: Levels = Levels()
    by_hand: bool = False  # somebody set its levels, or added to it: fills of its entry no longer re-price them
    dust: bool = False  # too small to be sold: it holds no slot and needs no stop

    @property
    def entry(self) -> Decimal:
        """Average entry price, quote per unit; 0 when flat."""
        return (self.cost / self.size).quantize(COST_STEP) if self.size else ZERO


def apply_fill(position: Position, size: Decimal, price: Decimal) -> Position:
    """Position after a fill of signed ``size`` (base units) at ``price`` (quote per unit).

    Average-cost accounting: selling realises profit, before fees. So does buying back what was sold too much.

    >>> after = apply_fill(Position(size=Decimal(2), cost=Decimal(200)), Decimal(-1), Decimal(110))
    >>> after.size, after.entry, after.realised
    (Decimal('1'), Decimal('100.000000000000'), Decimal('10.000000000000'))
    """
    if size >= 0 and position.size < 0:
        back = min(size, -position.size)
        owed = position.cost if back == -position.size else (position.cost * back / -position.size).quantize(COST_STEP)
        return structs.replace(
            position,
            size=position.size + size,
            cost=position.cost - owed + (size - back) * price,
            realised=position.realised - owed - back * price,
        )
    if size >= 0:
        return structs.replace(position, size=position.size + size, cost=position.cost + size * price)
    held = min(-size, max(position.size, ZERO))
    if held == position.size:
        out = position.cost
    else:
        out = (position.cost * held / position.size).quantize(COST_STEP) if held else ZERO
    beyond = -size - held  # sold more than we had: a fact to be told, not hidden
    return structs.replace(
        position,
        size=position.size + size,
        cost=position.cost - out - beyond * price,
        realised=position.realised + held * price - out,
    )
