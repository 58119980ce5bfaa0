"""Store: the ledger on disk, its projections, and the small mutable tables beside it. The only place with SQL text."""
