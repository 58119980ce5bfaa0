"""Office: rooms that read the ledger and tell what it says. Nothing here can send an order."""
