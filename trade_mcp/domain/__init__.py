"""Ground floor: exact values of the trade and pure functions over them. No I/O, clock, randomness or logging."""
