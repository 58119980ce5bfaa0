"""What is kept of the conversation with a venue: how far its reports were read."""

from sqlalchemy import Column, Text
from sqlmodel import Field

from trade_mcp.store.tables.base import Row


class CursorRow(Row, table=True):
    """Where the next look begins. Written with what was read, so that nothing is read past and lost."""

    __tablename__ = "venue_cursors"

    name: str = Field(sa_column=Column(Text, primary_key=True, nullable=False))
    cursor: str = Field(sa_type=Text)
