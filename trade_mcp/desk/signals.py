"""Signals: what every strategy thinks of a symbol at its newest closed bar, and the blend of them."""

import math
from collections.abc import Mapping
from datetime import datetime

import numpy as np
from msgspec import Struct

from trade_mcp.desk.market import Market
from trade_mcp.domain.errors import NoPrice
from trade_mcp.ports import Clock
from trade_mcp.quant.blend import blend, leader
from trade_mcp.strategies import Strategy


class Opinion(Struct, frozen=True):
    """One strategy's strength (-1..1, negative = flat; None while warming up) with the numbers behind it."""

    strategy: str
    strength: float | None
    why: str


class SymbolView(Struct, frozen=True):
    """All opinions about one symbol at the bar that closed at ``at``; ``before`` is the blend one bar earlier."""

    symbol: str
    timeframe: str
    at: datetime
    opinions: tuple[Opinion, ...]
    strength: float | None
    before: float | None
    leader: str

    def summary(self) -> str:
        """For example 'blend +0.50 (ema_cross +1.00, rsi_reversion +0.00)'."""
        parts = ", ".join(f"{o.strategy} {_signed(o.strength)}" for o in self.opinions)
        return f"blend {_signed(self.strength)} ({parts})"


class Signals:
    """Asks the configured strategies, with equal weights unless set otherwise."""

    def __init__(self, market: Market, strategies: tuple[Strategy, ...], *, weights: Mapping[str, float], clock: Clock):
        self._market, self._strategies, self._clock = market, strategies, clock
        self._weights = weights or None
        self.lookback = max((strategy.lookback for strategy in strategies), default=1)

    def view(self, symbol: str, timeframe: str | None = None) -> SymbolView:
        """The opinions at the newest closed bar. Raises UnknownSymbol, BadInput (timeframe), NoPrice."""
        candles = self._market.candles(symbol, timeframe, limit=self.lookback + 1)
        if not len(candles):
            raise NoPrice(f"{symbol} has no closed {timeframe or self._market.timeframe} bar yet", hint="wait for one")
        series = {strategy.name: strategy.strengths(candles) for strategy in self._strategies}
        newest = {name: float(values[-1]) for name, values in series.items()}
        blended = blend(series, self._weights) if series else np.full(len(candles), np.nan)
        strength = _known(float(blended[-1]))
        return SymbolView(
            symbol=symbol,
            timeframe=candles.timeframe,
            at=candles.last_close_at,
            opinions=tuple(
                Opinion(strategy.name, _known(newest[strategy.name]), strategy.explain(candles))
                for strategy in self._strategies
            ),
            strength=strength,
            before=_known(float(blended[-2])) if len(blended) > 1 else None,
            leader=leader(newest, self._weights) if strength is not None else "",
        )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _signed(value: float | None) -> str:
    return "warming up" if value is None else f"{value:+.2f}"
