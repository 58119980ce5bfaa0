"""What the limits look up: how symbols moved together, day by day."""

from datetime import datetime

from sqlalchemy import Column, Text
from sqlmodel import Field

from trade_mcp.store.tables.base import Moment, Row


class CorrelationRow(Row, table=True):
    """The correlations of one day of market time, made of ``days`` daily returns and pulled to their mean."""

    __tablename__ = "correlations"

    day: str = Field(sa_column=Column(Text, primary_key=True, nullable=False))
    made_at: datetime = Field(sa_column=Column(Moment, nullable=False))  # real time
    days: int
    shrinkage: float
    pairs: str = Field(sa_type=Text)  # [[symbol, symbol, correlation], ...]
