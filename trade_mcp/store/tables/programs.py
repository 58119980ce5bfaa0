"""The programs among themselves: who may act (leases), who is alive (heartbeats), what time the market has."""

from datetime import datetime

from sqlalchemy import Column, Text
from sqlmodel import Field

from trade_mcp.store.tables.base import Moment, Row


class LeaseRow(Row, table=True):
    """A role one process holds at a time. The epoch grows with every change of hands and never falls."""

    __tablename__ = "leases"

    name: str = Field(sa_column=Column(Text, primary_key=True, nullable=False))
    holder: str = Field(sa_type=Text)
    epoch: int
    expires_at: datetime = Field(sa_column=Column(Moment, nullable=False))  # real time
    host: str = Field(sa_type=Text)
    boot: str = Field(sa_type=Text)
    pid: int


class HeartbeatRow(Row, table=True):
    """The last sign of life of one program in one process. All times are real."""

    __tablename__ = "heartbeats"

    program: str = Field(sa_column=Column(Text, primary_key=True, nullable=False))
    host: str = Field(sa_column=Column(Text, primary_key=True, nullable=False))
    pid: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    started_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    at: datetime = Field(sa_column=Column(Moment, nullable=False))
    code: str = Field(sa_type=Text)
    detail: str = Field(sa_type=Text)


class MarketTimeRow(Row, table=True):
    """Market time of a replay: where it was at which real time, how fast it goes, when a program last ran. One row."""

    __tablename__ = "market_time"

    id: int = Field(primary_key=True)
    mode: str = Field(sa_type=Text)  # "speed" or "max"
    speed: float
    anchor_market: datetime = Field(sa_column=Column(Moment, nullable=False))
    anchor_real: datetime = Field(sa_column=Column(Moment, nullable=False))
    touched_real: datetime = Field(sa_column=Column(Moment, nullable=False))
    ends_at: datetime | None = Field(sa_column=Column(Moment))
