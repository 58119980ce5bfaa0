"""Metrics: what is left of ticks, decisions and signals when their own rows are gone: one sum for each hour."""

from datetime import datetime

from sqlalchemy import Column, Index, Text
from sqlmodel import Field

from trade_mcp.store.tables.base import Moment, Row


class MetricRow(Row, table=True):
    """What was counted and added up under ``name`` and ``label`` in ``span_s`` seconds of market time from ``at``."""

    __tablename__ = "system_metrics"
    __table_args__ = (Index("system_metrics_at", "at"),)

    name: str = Field(sa_column=Column(Text, primary_key=True, nullable=False))
    label: str = Field(sa_column=Column(Text, primary_key=True, nullable=False))
    at: datetime = Field(sa_column=Column(Moment, primary_key=True, nullable=False))
    span_s: int
    count: int
    total: float | None
    low: float | None
    high: float | None
