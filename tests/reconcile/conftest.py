"""The stages of the desk, for its account."""

from desk.conftest import ledger_at_head, stage

__all__ = ["ledger_at_head", "stage"]
