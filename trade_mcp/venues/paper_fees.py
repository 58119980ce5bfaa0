"""Fees of the paper account: in the quote currency, in what is received, or in a third coin."""

from decimal import ROUND_CEILING, Decimal

from msgspec import Struct

from trade_mcp.domain.exits import PRICE_STEP
from trade_mcp.domain.instrument import ZERO, Instrument
from trade_mcp.domain.matching import Execution
from trade_mcp.domain.order import Side

QUOTE, RECEIVED = "quote", "received"
FINEST = -12  # exponent of PRICE_STEP


class Charge(Struct, frozen=True, gc=False):
    """``fee`` in ``currency``, and its exact value in the quote currency."""

    fee: Decimal
    currency: str
    fee_quote: Decimal


class Fees(Struct, frozen=True, gc=False):
    """``currency``: "quote", "received" (the base coin of a buy, the quote of a sell) or a coin such as "BNB".

    ``coin_price`` is that coin's price in the quote currency; None: its pair in the feed says. A fee that the coin's
    free balance cannot pay is taken in the quote currency, as exchanges do. Fees are rounded up to twelve places.
    """

    currency: str = QUOTE
    coin_price: Decimal | None = None

    def coin_for(self, instrument: Instrument) -> str | None:
        """The third coin that may pay fees of ``instrument``. Its own two stay out of it: they are what is traded."""
        own = (QUOTE, RECEIVED, instrument.base, instrument.quote)
        return None if self.currency in own else self.currency

    def in_pair(self, trade: Execution, side: Side, instrument: Instrument) -> Charge:
        """The fee in one of the pair's own currencies."""
        rate = instrument.maker_fee if trade.maker else instrument.taker_fee
        if self.currency == RECEIVED and side is Side.BUY:
            fee = up(trade.size * rate)
            return Charge(fee, instrument.base, fee * trade.price)
        fee = up(trade.size * trade.price * rate)
        return Charge(fee, instrument.quote, fee)

    def outlay(self, size: Decimal, price: Decimal, instrument: Instrument) -> Decimal:
        """The most that buying ``size`` at ``price`` takes out of the quote balance."""
        notional = size * price
        if self.currency == RECEIVED:
            return notional
        return notional + up(notional * max(instrument.maker_fee, instrument.taker_fee))


def in_coin(charge: Charge, coin: str, *, price: Decimal, free: Decimal) -> Charge:
    """The same fee paid with ``coin``, if there is enough of it."""
    fee = up(charge.fee_quote / price)
    return Charge(fee, coin, fee * price) if ZERO < fee <= free else charge


def up(fee: Decimal) -> Decimal:
    """``fee`` rounded up to twelve places; one that has fewer stays as it is."""
    exponent = fee.as_tuple().exponent
    return fee if isinstance(exponent, int) and exponent >= FINEST else fee.quantize(PRICE_STEP, ROUND_CEILING)
