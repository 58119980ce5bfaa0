"""How alembic reaches a ledger: the file of the program that calls, or ``-x ledger=PATH`` on the command line.

All pending migrations are one transaction: a kill leaves the schema as it was.
"""

import sqlite3
from pathlib import Path

import sqlalchemy as sa

from alembic import context


def ledger() -> Path:
    """The file to migrate."""
    given = context.config.attributes.get("ledger") or context.get_x_argument(as_dictionary=True).get("ledger")
    if not given:
        raise SystemExit("which ledger? alembic -x ledger=PATH ...")
    return Path(given)


def connect() -> sqlite3.Connection:
    """A connection whose transactions are begun by SQLAlchemy alone, so that they hold DDL too."""
    connection = sqlite3.connect(ledger(), isolation_level=None, timeout=30)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def tables() -> sa.MetaData | None:
    """What ``alembic check`` and ``--autogenerate`` compare with; a plain upgrade needs none and starts faster."""
    if "ledger" in context.config.attributes:
        return None
    from trade_mcp.store.tables import metadata

    return metadata


engine = sa.create_engine("sqlite://", creator=connect, poolclass=sa.NullPool)
sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=tables())
    with context.begin_transaction():
        context.run_migrations()
