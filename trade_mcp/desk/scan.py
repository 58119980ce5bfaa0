"""Scan: every symbol's blended strength beside how much it trades, the strongest first."""

import math
from datetime import timedelta

from msgspec import Struct

from trade_mcp.desk.market import Market
from trade_mcp.desk.signals import Signals
from trade_mcp.domain.errors import TradeError

DAY = timedelta(days=1)


class Scanned(Struct, frozen=True):
    """One symbol. ``change`` (a fraction) and ``volume`` (quote currency) are of the last 24 h of bars."""

    symbol: str
    strength: float | None
    before: float | None
    leader: str
    change: float
    volume: float


def scan(market: Market, signals: Signals, *, everything: bool) -> tuple[list[Scanned], int]:
    """The symbols the desk trades (or all with prices) by strength, then by volume; and how many have no answer."""
    found, left = [], 0
    bars = max(2, int(DAY / market.step))
    for symbol in market.priced if everything else market.symbols:
        try:
            view = signals.view(symbol)
            day = market.candles(symbol, limit=bars)
        except TradeError:
            left += 1
            continue
        change = float(day.close[-1] / day.open[0] - 1)
        volume = float((day.close * day.volume).sum())
        found.append(Scanned(symbol, view.strength, view.before, view.leader, change, volume))
    found.sort(key=lambda one: (-(one.strength if one.strength is not None else -math.inf), -one.volume))
    return found, left
