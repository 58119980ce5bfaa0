"""Signals: what every strategy thinks of a symbol at its newest closed bar, and the blend of them."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

import numpy as np
from msgspec import Struct

from trade_mcp.desk.market import Market
from trade_mcp.domain.errors import BadInput, FeedError, NoPrice, StrategyFailed
from trade_mcp.quant.blend import blend, leader
from trade_mcp.quant.candles import Candles, Floats
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
    standing: bool = False  # the leader's opinion counts at every bar, not only when it begins
    accumulates: bool = False  # the leader adds to what it holds

    def summary(self) -> str:
        """For example 'blend +0.50 (ema_cross +1.00, rsi_reversion +0.00)'."""
        parts = ", ".join(f"{o.strategy} {_signed(o.strength)}" for o in self.opinions)
        return f"blend {_signed(self.strength)} ({parts})"


class Voice(Protocol):
    """A strategy as it was configured: under which name, and on which timeframe (None: the desk's)."""

    @property
    def name(self) -> str: ...

    @property
    def strategy(self) -> Strategy: ...

    @property
    def timeframe(self) -> str | None: ...


class Signals:
    """Asks the configured strategies, with equal weights unless set otherwise. One that fails costs its own opinion."""

    def __init__(self, market: Market, voices: Sequence[Voice], *, weights: Mapping[str, float]):
        self._market, self._voices = market, voices
        self._weights = weights or None

    def view(self, symbol: str, timeframe: str | None = None) -> SymbolView:
        """The opinions at the newest closed bar of the desk's timeframe, each strategy on its own; of all on
        ``timeframe`` if one is given. Raises UnknownSymbol, BadInput (timeframe), NoPrice.
        """
        frame = timeframe or self._market.timeframe
        bars: dict[str, Candles] = {}
        newest = self._candles(symbol, frame, bars)
        said = [
            self._heard(voice, symbol, timeframe or voice.timeframe or frame, newest=newest, bars=bars)
            for voice in self._voices
        ]
        known = {one.name: one.strengths for one in said if one.strengths is not None}
        counts = bool(known) and not (self._weights and not any(self._weights.get(name, 1.0) for name in known))
        blended = blend(known, self._weights) if counts else np.full(2, np.nan)
        strength = _known(float(blended[-1]))
        now = {name: float(values[-1]) for name, values in known.items()}
        leads = leader(now, self._weights) if strength is not None else ""
        first = next((voice.strategy for voice in self._voices if voice.name == leads), None)
        return SymbolView(
            symbol=symbol,
            timeframe=frame,
            at=newest.last_close_at,
            opinions=tuple(one.opinion for one in said),
            strength=strength,
            before=_known(float(blended[0])),
            leader=leads,
            standing=bool(getattr(first, "standing", False)),
            accumulates=bool(getattr(first, "accumulates", False)),
        )

    def _candles(self, symbol: str, frame: str, bars: dict[str, Candles]) -> Candles:
        """The newest closed bars of ``frame``, enough for every strategy, read once."""
        if frame not in bars:
            need = max((voice.strategy.lookback for voice in self._voices), default=1) + 1
            bars[frame] = self._market.candles(symbol, frame, limit=need)
            if not len(bars[frame]):
                raise NoPrice(f"{symbol} has no closed {frame} bar yet", hint="wait for one")
        return bars[frame]

    def _heard(self, voice: Voice, symbol: str, frame: str, *, newest: Candles, bars: dict[str, Candles]) -> "Heard":
        """What one strategy says: its strength one desk bar ago and now."""
        try:
            candles = self._candles(symbol, frame, bars).last(voice.strategy.lookback + 1)
            values = voice.strategy.strengths(candles)
            now = float(values[-1])
            # A bar of its own timeframe that closed before the desk's newest one has said the same a bar ago.
            fresh = candles.last_close_at == newest.last_close_at
            before = (float(values[-2]) if len(values) > 1 else math.nan) if fresh else now
            why = voice.strategy.explain(candles)
        except StrategyFailed as error:
            return Heard(voice.name, Opinion(voice.name, None, f"failed: {error.why}"), None)
        except (FeedError, BadInput) as error:
            return Heard(voice.name, Opinion(voice.name, None, f"no data on {frame}: {error.message}"), None)
        return Heard(voice.name, Opinion(voice.name, _known(now), why), np.array([before, now]))


class Heard(Struct, frozen=True):
    """An opinion with the strengths it is blended by; None: it has none, and the others decide without it."""

    name: str
    opinion: Opinion
    strengths: Floats | None


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _signed(value: float | None) -> str:
    return "warming up" if value is None else f"{value:+.2f}"
