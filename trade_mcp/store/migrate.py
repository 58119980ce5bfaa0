"""Migrate: alembic to head, in a process of its own: ``python -m trade_mcp.store.migrate LEDGER``."""

import sys
from pathlib import Path

from alembic.config import Config

from alembic import command
from trade_mcp.store.schema import scripts


def upgrade(path: Path) -> None:
    """Bring the ledger at ``path`` to the newest schema in one transaction."""
    config = Config()
    config.set_main_option("script_location", str(scripts()).replace("%", "%%"))
    config.attributes["ledger"] = path
    command.upgrade(config, "head")


if __name__ == "__main__":
    upgrade(Path(sys.argv[1]))
