"""Reports: which were made, of what, and where they are."""

from datetime import datetime

from sqlalchemy import Column, Index, Text
from sqlmodel import Field

from trade_mcp.store.tables.base import Moment, Row


class ReportRow(Row, table=True):
    """One report: the span it tells of (market time), when it was made (real time), and its files."""

    __tablename__ = "project_reports"
    __table_args__ = (Index("project_reports_made", "made_at"),)

    id: int = Field(primary_key=True)
    made_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    name: str = Field(sa_type=Text)
    since: datetime | None = Field(sa_column=Column(Moment))
    until: datetime | None = Field(sa_column=Column(Moment))
    summary: str = Field(sa_type=Text)
    html_file: str = Field(sa_type=Text)
    text_file: str = Field(sa_type=Text)
    json_file: str = Field(sa_type=Text)
