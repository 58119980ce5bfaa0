"""The operator's passphrase, as a salted slow hash. Not part of the events: those are shown and copied around."""

from datetime import datetime

from sqlalchemy import Column, Text
from sqlmodel import Field

from trade_mcp.store.tables.base import Moment, Row


class OperatorRow(Row, table=True):
    """One row. ``failures`` counts wrong tries in a row, ``not_before`` is the real time of the next one."""

    __tablename__ = "operator"

    id: int = Field(primary_key=True)
    hash: str = Field(sa_type=Text)
    failures: int
    not_before: datetime | None = Field(sa_column=Column(Moment))
