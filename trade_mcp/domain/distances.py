"""Distances: how far from a price, as people say it: "2%", "150", "2.5 ATR", "1R"."""

from decimal import Decimal, InvalidOperation

from msgspec import Struct, structs

from trade_mcp.domain.errors import BadInput

HINT = 'a percentage "2%", an amount in the quote currency "150", "2.5 ATR", or (from a stop) "1R"'


class Distance(Struct, frozen=True, gc=False, omit_defaults=True):
    """How far from a price: a fraction of it, an amount in the quote currency, so many average true ranges, or so many
    times what is risked (entry to stop). One is set; ``atr`` has ``amount`` beside it once its range is known.
    """

    fraction: Decimal | None = None
    amount: Decimal | None = None
    atr: Decimal | None = None
    risk: Decimal | None = None

    def of(self, price: Decimal, *, risked: Decimal | None = None) -> Decimal:
        """The distance from ``price`` in the quote currency; ``risked`` is what 1R is."""
        if self.amount is not None:
            return self.amount
        if self.risk is not None:
            assert risked is not None, "a plan without a stop has no R: `check_plan` says so"
            return self.risk * risked
        assert self.fraction is not None, "the range of an ATR distance is known before it is used"
        return price * self.fraction

    @property
    def said(self) -> Decimal:
        """The number that was given."""
        given = next(n for n in (self.atr, self.risk, self.fraction, self.amount) if n is not None)
        return given

    @property
    def open(self) -> bool:
        """Whether it still waits for an average true range."""
        return self.atr is not None and self.amount is None

    def with_range(self, average: Decimal) -> "Distance":
        """This distance with the average true range (quote currency) it counts in."""
        return structs.replace(self, amount=self.atr * average) if self.atr is not None else self


def parse_distance(text: str) -> Distance:
    """The distance a person wrote. Raises BadInput.

    >>> parse_distance("2%").fraction, parse_distance("2.5 ATR").atr, parse_distance("1R").risk
    (Decimal('0.02'), Decimal('2.5'), Decimal('1'))
    """
    said = text.strip().upper()
    unit = next((unit for unit in ("%", "ATR", "R") if said.endswith(unit)), "")
    try:
        number = Decimal(said.removesuffix(unit).strip())
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number <= 0:
        raise BadInput(f"{text!r} is not a distance from a price", hint=HINT)
    return in_unit(number, unit)


def in_unit(number: Decimal, unit: str) -> Distance:
    """``number`` of ``unit``: "%", "ATR", "R", or "" for the quote currency."""
    match unit:
        case "%":
            return Distance(fraction=number / 100)
        case "ATR":
            return Distance(atr=number)
        case "R":
            return Distance(risk=number)
    return Distance(amount=number)


def check_distance(distance: Distance) -> None:
    """A distance is above zero, and a fraction below one. Raises BadInput."""
    if distance.fraction is not None and not 0 < distance.fraction < 1:
        raise BadInput(f"a distance of {distance.fraction * 100:f} % makes no sense", hint="for example 2%")
    if distance.said <= 0:
        raise BadInput(f"a distance of {distance.said:f} makes no sense", hint="give an amount above zero")
