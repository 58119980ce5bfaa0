"""Tables by theme, declared once: the schema that migrations must reach. Not imported where orders are placed."""

from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from trade_mcp.store.tables.base import Row
from trade_mcp.store.tables.clerk import AlertRow, JobRow, OutboxRow
from trade_mcp.store.tables.ledger import APPEND_ONLY, BookRow, EventRow
from trade_mcp.store.tables.memory import DecisionRow, SignalRow, TickRow
from trade_mcp.store.tables.metrics import MetricRow
from trade_mcp.store.tables.operator import OperatorRow
from trade_mcp.store.tables.programs import HeartbeatRow, LeaseRow, MarketTimeRow
from trade_mcp.store.tables.projections import EquityRow, FillRow, OrderRow, PositionRow, ProposalRow
from trade_mcp.store.tables.reports import ReportRow
from trade_mcp.store.tables.risk import CorrelationRow
from trade_mcp.store.tables.venue import CursorRow

metadata = Row.metadata


def ddl() -> str:
    """The whole schema as a SQLite script: what a ledger in memory is made with."""
    dialect = sqlite.dialect()
    statements = [str(CreateTable(table).compile(dialect=dialect)) for table in metadata.sorted_tables]
    for table in metadata.sorted_tables:
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        statements += [str(CreateIndex(index).compile(dialect=dialect)) for index in indexes]
    return ";\n".join((*statements, *APPEND_ONLY)) + ";"


__all__ = [
    "AlertRow",
    "BookRow",
    "CorrelationRow",
    "CursorRow",
    "DecisionRow",
    "EquityRow",
    "EventRow",
    "FillRow",
    "HeartbeatRow",
    "JobRow",
    "LeaseRow",
    "MarketTimeRow",
    "MetricRow",
    "OperatorRow",
    "OrderRow",
    "OutboxRow",
    "PositionRow",
    "ProposalRow",
    "ReportRow",
    "SignalRow",
    "TickRow",
    "ddl",
    "metadata",
]
