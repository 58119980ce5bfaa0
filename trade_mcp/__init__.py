"""trade-mcp: a small ledger with opinions around it."""

__version__ = "0.1.0"
