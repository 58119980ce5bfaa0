"""Practice: a Binance-compatible spot exchange on this machine, and the faults it can be told to make."""
