"""A real ledger with a small story on it, as the office's tests have it."""

from tests.office.conftest import story, told

__all__ = ["story", "told"]
