"""A clock that goes when it is told to."""

from datetime import UTC, datetime, timedelta

START = datetime(2023, 3, 1, tzinfo=UTC)
REAL = datetime(2026, 1, 1, tzinfo=UTC)


class ManualClock:
    """Market and real time apart; `pass_` moves both, and boot time, by real seconds."""

    def __init__(self, market: datetime = START, real: datetime = REAL):
        self.market_now, self.real_now, self.boot_now = market, real, 1000.0

    def market(self) -> datetime:
        return self.market_now

    def real(self) -> datetime:
        return self.real_now

    def boot(self) -> float:
        return self.boot_now

    def pass_(self, seconds: float) -> None:
        self.market_now += timedelta(seconds=seconds)
        self.real_now += timedelta(seconds=seconds)
        self.boot_now += seconds
