"""What people query: orders, fills, positions, equity, proposals. Written with their events, never alone."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import Column, Index, Text, UniqueConstraint
from sqlmodel import Field

from trade_mcp.store.tables.base import Moment, Money, Row


class OrderRow(Row, table=True):
    """One order as it is now. ``placed`` is the event it began with, ``seq`` the last that changed it."""

    __tablename__ = "orders"
    __table_args__ = (
        Index("orders_placed", "placed"),
        Index("orders_status", "status", "placed"),
        Index("orders_symbol", "symbol", "placed"),
        Index("orders_at", "at"),
        Index("orders_parent", "parent", "revision"),
    )

    order_id: str = Field(sa_column=Column(Text, primary_key=True, nullable=False))
    placed: int
    seq: int
    at: datetime = Field(sa_column=Column(Moment, nullable=False))
    symbol: str = Field(sa_type=Text)
    side: str = Field(sa_type=Text)
    type: str = Field(sa_type=Text)
    role: str = Field(sa_type=Text)
    source: str = Field(sa_type=Text)
    strategy: str = Field(sa_type=Text)
    status: str = Field(sa_type=Text)
    size: Decimal = Field(sa_column=Column(Money, nullable=False))
    filled: Decimal = Field(sa_column=Column(Money, nullable=False))
    cost: Decimal = Field(sa_column=Column(Money, nullable=False))
    limit_price: Decimal | None = Field(sa_column=Column(Money))
    trigger_price: Decimal | None = Field(sa_column=Column(Money))
    parent: str = Field(sa_type=Text)
    revision: int
    reason: str = Field(sa_type=Text)
    note: str = Field(sa_type=Text)
    payload: str = Field(sa_type=Text)  # the whole order, exact


class FillRow(Row, table=True):
    """One fill. ``realised`` is the profit of what it sold, before fees; ``entry_id`` the entry of its position."""

    __tablename__ = "fills"
    __table_args__ = (
        UniqueConstraint("account", "symbol", "trade_id"),
        Index("fills_order", "order_id"),
        Index("fills_at", "at"),
    )

    seq: int = Field(primary_key=True)
    account: str = Field(sa_type=Text)
    symbol: str = Field(sa_type=Text)
    trade_id: str = Field(sa_type=Text)
    order_id: str = Field(sa_type=Text)
    entry_id: str = Field(sa_type=Text)
    at: datetime = Field(sa_column=Column(Moment, nullable=False))
    side: str = Field(sa_type=Text)
    size: Decimal = Field(sa_column=Column(Money, nullable=False))
    price: Decimal = Field(sa_column=Column(Money, nullable=False))
    fee: Decimal = Field(sa_column=Column(Money, nullable=False))
    fee_currency: str = Field(sa_type=Text)
    fee_quote: Decimal = Field(sa_column=Column(Money, nullable=False))
    maker: bool
    realised: Decimal = Field(sa_column=Column(Money, nullable=False))
    source: str = Field(sa_type=Text)
    role: str = Field(sa_type=Text)
    strategy: str = Field(sa_type=Text)


class PositionRow(Row, table=True):
    """One open position; a flat one has no row."""

    __tablename__ = "positions"

    symbol: str = Field(sa_column=Column(Text, primary_key=True, nullable=False))
    seq: int
    size: Decimal = Field(sa_column=Column(Money, nullable=False))
    entry: Decimal = Field(sa_column=Column(Money, nullable=False))
    cost: Decimal = Field(sa_column=Column(Money, nullable=False))
    realised: Decimal = Field(sa_column=Column(Money, nullable=False))
    fees: Decimal = Field(sa_column=Column(Money, nullable=False))
    owner: str = Field(sa_type=Text)
    strategy: str = Field(sa_type=Text)
    entry_id: str = Field(sa_type=Text)
    opened_at: datetime | None = Field(sa_column=Column(Moment))
    stop: Decimal | None = Field(sa_column=Column(Money))
    target: Decimal | None = Field(sa_column=Column(Money))
    dust: bool


class ProposalRow(Row, table=True):
    """One entry that waited, or waits, for a person. ``placed`` is the event that made it, ``seq`` its last."""

    __tablename__ = "proposals"
    __table_args__ = (Index("proposals_placed", "placed"),)

    proposal_id: str = Field(sa_column=Column(Text, primary_key=True, nullable=False))
    placed: int
    seq: int
    order_id: str = Field(sa_type=Text)
    at: datetime = Field(sa_column=Column(Moment, nullable=False))
    symbol: str = Field(sa_type=Text)
    source: str = Field(sa_type=Text)
    strategy: str = Field(sa_type=Text)
    size: Decimal = Field(sa_column=Column(Money, nullable=False))
    price: Decimal = Field(sa_column=Column(Money, nullable=False))
    notional: Decimal = Field(sa_column=Column(Money, nullable=False))
    status: str = Field(sa_type=Text)  # "waiting", or the answer
    expires_at: datetime = Field(sa_column=Column(Moment, nullable=False))  # real time, as the next
    decided_at: datetime | None = Field(sa_column=Column(Moment))
    decided_by: str = Field(sa_type=Text)
    note: str = Field(sa_type=Text)
    payload: str = Field(sa_type=Text)  # the whole proposal, exact


class EquityRow(Row, table=True):
    """Equity at one moment of market time, with the prices it was taken at."""

    __tablename__ = "equity"
    __table_args__ = (Index("equity_at", "at"),)

    seq: int = Field(primary_key=True)
    at: datetime = Field(sa_column=Column(Moment, nullable=False))
    equity: Decimal = Field(sa_column=Column(Money, nullable=False))
    cash: Decimal = Field(sa_column=Column(Money, nullable=False))
    exposure: Decimal = Field(sa_column=Column(Money, nullable=False))
    heat: Decimal = Field(sa_column=Column(Money, nullable=False))
    marks: str = Field(sa_type=Text)
