"""Stages, as the desk's own tests have them."""

from desk.conftest import ledger_at_head, stage

__all__ = ["ledger_at_head", "stage"]
