"""Statistical numbers: float64 arrays over candles. They meet exact money only at `Instrument.round_size`."""
