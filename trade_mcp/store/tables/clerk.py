"""What the clerk keeps: messages on their way out, alerts already told, and jobs with their next time."""

from datetime import datetime

from sqlalchemy import Column, Index, Text
from sqlmodel import Field

from trade_mcp.store.tables.base import Moment, Row


class OutboxRow(Row, table=True):
    """One message for one channel. Once it is sent its payload is dropped. All times are real."""

    __tablename__ = "outbox"
    __table_args__ = (Index("outbox_due", "state", "next_at"),)

    id: int = Field(primary_key=True)
    channel: str = Field(sa_type=Text)
    message_id: str = Field(sa_type=Text)  # the same at every try, so that a repeat is known as one
    severity: str = Field(sa_type=Text)  # of an alert; "" of anything else
    subject: str = Field(sa_type=Text)
    payload: str = Field(sa_type=Text)
    state: str = Field(sa_type=Text)  # queued, sent, failed
    attempts: int
    made_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    next_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    error: str = Field(sa_type=Text)


class AlertRow(Row, table=True):
    """One kind of alert: when it was told (NULL: held back) and seen, and how often it came untold. Real time."""

    __tablename__ = "alerts"

    key: str = Field(sa_column=Column(Text, primary_key=True, nullable=False))
    severity: str = Field(sa_type=Text)
    text: str = Field(sa_type=Text)
    told_at: datetime | None = Field(sa_column=Column(Moment))
    seen_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    untold: int


class JobRow(Row, table=True):
    """One recurring job: next due in market time, how the last run ended. ``cursor`` is how far it has read."""

    __tablename__ = "jobs"

    name: str = Field(sa_column=Column(Text, primary_key=True, nullable=False))
    due_at: datetime | None = Field(sa_column=Column(Moment))
    ran_at: datetime | None = Field(sa_column=Column(Moment))
    outcome: str = Field(sa_type=Text)
    failures: int
    cursor: int
