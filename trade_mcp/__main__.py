"""``python -m trade_mcp`` is the command ``trade-mcp``."""

from trade_mcp.cli import main

main()
