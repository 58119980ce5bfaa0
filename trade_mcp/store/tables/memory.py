"""The desk's memory: what it saw, what it decided and why, and how each tick went. Outside the hash chain."""

from datetime import datetime

from sqlalchemy import Column, Index, Text, text
from sqlmodel import Field

from trade_mcp.store.tables.base import Moment, Row


class SignalRow(Row, table=True):
    """One opinion of one strategy."""

    __tablename__ = "signals"
    __table_args__ = (Index("signals_symbol", "symbol", "id"), Index("signals_tick", "tick"))

    id: int = Field(primary_key=True)
    tick: int
    at: datetime = Field(sa_column=Column(Moment, nullable=False))
    symbol: str = Field(sa_type=Text)
    timeframe: str = Field(sa_type=Text)
    strategy: str = Field(sa_type=Text)
    strength: float | None
    reason: str = Field(sa_type=Text)
    detail: str = Field(sa_type=Text)


class DecisionRow(Row, table=True):
    """What was done about one symbol, or why nothing was."""

    __tablename__ = "decisions"
    __table_args__ = (
        Index("decisions_symbol", "symbol", "id"),
        Index("decisions_tick", "tick"),
        Index("decisions_order", "order_id", sqlite_where=text("order_id != ''")),
    )

    id: int = Field(primary_key=True)
    tick: int
    at: datetime = Field(sa_column=Column(Moment, nullable=False))
    real_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    symbol: str = Field(sa_type=Text)
    action: str = Field(sa_type=Text)
    reason: str = Field(sa_type=Text)
    strength: float | None
    order_id: str = Field(sa_type=Text)
    detail: str = Field(sa_type=Text)


class TickRow(Row, table=True):
    """One pass of a program, step by step."""

    __tablename__ = "tick_reports"
    __table_args__ = (Index("tick_reports_program", "program", "id"),)

    id: int = Field(primary_key=True)
    program: str = Field(sa_type=Text)
    at: datetime = Field(sa_column=Column(Moment, nullable=False))
    real_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    duration_ms: float
    outcome: str = Field(sa_type=Text)
    detail: str = Field(sa_type=Text)
