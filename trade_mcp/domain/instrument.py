"""Instrument: what trades, with its steps and minimums, and the one door from float to Decimal."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from msgspec import Struct

ZERO = Decimal(0)


class Instrument(Struct, frozen=True, gc=False):
    """One spot pair. Prices are quote per base, sizes in base units, fees fractions of the notional."""

    symbol: str  # "BTC/USDT"
    base: str
    quote: str
    tick: Decimal  # price step
    lot: Decimal  # size step
    min_size: Decimal
    max_size: Decimal
    min_notional: Decimal  # quote currency, for every order, market orders too
    max_notional: Decimal
    maker_fee: Decimal
    taker_fee: Decimal
    asset_class: str = "crypto"

    def round_size(self, size: Decimal | float) -> Decimal:
        """``size`` rounded down to the lot: the one door from statistics (float) to money (Decimal).

        >>> btc = spot("BTC/USDT", tick="0.01", lot="0.00001", min_notional="5")
        >>> btc.round_size(0.123456789)
        Decimal('0.12345')
        """
        return _step(Decimal(repr(size)) if isinstance(size, float) else size, self.lot, ROUND_FLOOR)

    def price_down(self, price: Decimal) -> Decimal:
        """``price`` rounded down to the tick."""
        return _step(price, self.tick, ROUND_FLOOR)

    def price_up(self, price: Decimal) -> Decimal:
        """``price`` rounded up to the tick."""
        return _step(price, self.tick, ROUND_CEILING)

    def sellable(self, size: Decimal, price: Decimal) -> bool:
        """Whether ``size``, rounded to the lot, could be sold at ``price``: no dust."""
        least = size - self.lot
        if least >= self.min_size and least * price >= self.min_notional:
            return True  # however it is rounded
        rounded = self.round_size(size)
        return rounded > 0 and rounded >= self.min_size and rounded * price >= self.min_notional


def _step(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    return ((value / step).to_integral_value(rounding) * step).quantize(step)


def spot(
    symbol: str,
    *,
    tick: str = "0.01",
    lot: str = "0.00001",
    min_notional: str = "5",
    maker_fee: str = "0.001",
    taker_fee: str = "0.001",
) -> Instrument:
    """A spot pair with sane defaults for what is not given."""
    base, _, quote = symbol.partition("/")
    return Instrument(
        symbol=symbol,
        base=base,
        quote=quote,
        tick=Decimal(tick),
        lot=Decimal(lot),
        min_size=Decimal(lot),
        max_size=Decimal(10_000_000),
        min_notional=Decimal(min_notional),
        max_notional=Decimal(10_000_000),
        maker_fee=Decimal(maker_fee),
        taker_fee=Decimal(taker_fee),
    )
