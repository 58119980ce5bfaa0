"""Records: what the books keep beside orders: trades, order lists, and trades that are told late."""

from decimal import Decimal

from msgspec import Struct

from trade_mcp.practice.ticket import Leg


class Fill(Struct, frozen=True, kw_only=True):
    """A trade of an account; ``quote`` is what changed hands in the quote currency."""

    number: int
    account: str
    symbol: str
    order_number: int
    list_id: int
    buys: bool
    size: Decimal
    price: Decimal
    quote: Decimal
    fee: Decimal
    fee_asset: str
    maker: bool
    at_ms: int


class OrderList(Struct, frozen=True, kw_only=True):
    """OCO, OTO or OTOCO."""

    number: int
    account: str
    symbol: str
    client_id: str
    contingency: str  # "OCO" or "OTO"
    created_ms: int
    legs: tuple[tuple[Leg, int], ...]  # what each order is, and its number
    live: bool = True


class Late(Struct, frozen=True):
    """A trade that is told later than it happened."""

    number: int
    order_number: int
    size: Decimal
    price: Decimal
    maker: bool
    due_ms: int
