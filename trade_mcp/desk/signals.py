"""Signals: what every strategy thinks of a symbol at its newest closed bar, and the blend of them."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import numpy as np
from msgspec import Struct

from trade_mcp.desk.market import Market
from trade_mcp.domain.errors import NoPrice, StrategyFailed, TradeError
from trade_mcp.domain.market import timeframe_delta
from trade_mcp.quant.blend import blend, leader
from trade_mcp.quant.candles import Candles, Floats, at_ms, ms_of
from trade_mcp.strategies import Strategy

HOLE = timedelta(hours=1)  # of bars that are missing, and at least two, in a market that never closes


class Opinion(Struct, frozen=True):
    """One strategy's strength (-1..1, negative = flat) with the numbers behind it. None: it has none, ``why`` says why.

    ``at`` is the close of the bar of its own ``timeframe`` that it is about.
    """

    strategy: str
    strength: float | None
    why: str
    timeframe: str
    at: datetime
    failed: bool = False  # not warming up, but broken

    def summary(self) -> str:
        """For example 'ema_cross +1.00'."""
        return f"{self.strategy} {'failed' if self.failed else _signed(self.strength)}"


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
        return f"blend {_signed(self.strength)} ({', '.join(opinion.summary() for opinion in self.opinions)})"


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
        heard_on = [(voice, timeframe or voice.timeframe or frame) for voice in self._voices]
        bars = _Bars(self._market, symbol, frame, heard_on)
        said = {voice.name: self._heard(voice, of, bars) for voice, of in heard_on}
        known = {name: one.strengths for name, one in said.items() if one.strengths is not None}
        if self._weights and not any(self._weights.get(name, 1.0) for name in known):
            known = {}
        blended = blend(known, self._weights) if known else np.full(2, np.nan)
        strength = _known(float(blended[-1]))
        now = {name: float(values[-1]) for name, values in known.items()}
        leads = leader(now, self._weights) if strength is not None else ""
        first = next((voice.strategy for voice in self._voices if voice.name == leads), None)
        return SymbolView(
            symbol=symbol,
            timeframe=frame,
            at=bars.newest.last_close_at,
            opinions=tuple(one.opinion for one in said.values()),
            strength=strength,
            before=_known(float(blended[0])),
            leader=leads,
            standing=bool(getattr(first, "standing", False)),
            accumulates=bool(getattr(first, "accumulates", False)),
        )

    def _heard(self, voice: Voice, frame: str, bars: "_Bars") -> "_Heard":
        """What one strategy says: its strength one desk bar ago and now."""
        at = bars.newest.last_close_at

        def nothing(why: str, *, failed: bool) -> _Heard:
            return _Heard(Opinion(voice.name, None, why, frame, at, failed), None)

        try:
            candles = bars.seen(frame)
            if not len(candles):
                return _Heard(
                    Opinion(voice.name, None, f"warming up: no {frame} bar has closed yet", frame, at),
                    np.array([np.nan, np.nan]),
                )
            at = candles.last_close_at
            if self._market.continuous and (hole := _hole(candles.last(voice.strategy.lookback + 1))):
                return _Heard(Opinion(voice.name, None, f"warming up: {hole}", frame, at), np.array([np.nan, np.nan]))
            values = voice.strategy.strengths(candles)
            now, before = float(values[-1]), bars.before(candles, values)
            if math.isnan(now) and len(candles) >= voice.strategy.lookback:
                return nothing("failed: its newest strength is NaN, though it has all the bars it needs", failed=True)
            why = voice.strategy.explain(candles)
        except StrategyFailed as error:
            return nothing(f"failed: {error.why}", failed=True)
        except TradeError as error:
            return nothing(f"no data on {frame}: {error.message}", failed=True)
        except Exception as error:  # one strategy's bug must not silence the others
            return nothing(f"failed: {type(error).__name__}: {error}", failed=True)
        return _Heard(Opinion(voice.name, _known(now), why, frame, at), np.array([before, now]))


class _Heard(Struct, frozen=True):
    """An opinion with the strengths it is blended by; None: it is broken, and the others decide without it."""

    opinion: Opinion
    strengths: Floats | None


class _Bars:
    """The closed bars of one symbol that strategies see at the desk's newest bar, each timeframe read once."""

    def __init__(self, market: Market, symbol: str, frame: str, heard_on: Sequence[tuple[Voice, str]]):
        self._market, self._symbol, self._heard_on = market, symbol, heard_on
        self._read: dict[str, Candles] = {}
        self._step = timeframe_delta(frame)
        self.newest = market.candles(symbol, frame, limit=max(2, self._need(frame)))
        if not len(self.newest):
            raise NoPrice(f"{symbol} has no closed {frame} bar yet", hint="wait for one")
        self._read[frame] = self.newest
        self._now_ms = ms_of(self.newest.last_close_at)
        self._before_ms = ms_of(self.newest.each(lambda array: array[:-1]).last_close_at) if len(self.newest) > 1 else 0

    def seen(self, frame: str) -> Candles:
        """The bars of ``frame`` that had closed when the desk's newest bar did. Raises BadInput (timeframe)."""
        if frame not in self._read:
            candles = self._market.candles(self._symbol, frame, limit=self._need(frame))
            closed = _closed_by(candles, self._now_ms)
            self._read[frame] = candles.each(lambda array: array[:closed])
        return self._read[frame]

    def before(self, candles: Candles, values: Floats) -> float:
        """The strength that stood at the desk's bar before its newest one; NaN if these bars do not reach so far."""
        closed = _closed_by(candles, self._before_ms)
        return float(values[closed - 1]) if closed else math.nan

    def _need(self, frame: str) -> int:
        """Enough for every strategy on ``frame``: at the desk's newest bar, at the one before, while the next forms."""
        need = [voice.strategy.lookback for voice, of in self._heard_on if of == frame and _loads(voice)]
        return max(need, default=1) + 2 * math.ceil(self._step / timeframe_delta(frame))


def _hole(candles: Candles) -> str:
    """What is missing between these bars, "" if nothing much: a strategy would take the jump across it for a move."""
    if len(candles) < 2:
        return ""
    step_ms = candles.step.total_seconds() * 1000
    missing = np.diff(candles.open_ms) / step_ms - 1
    after = int(np.argmax(missing))
    if missing[after] < max(2, HOLE / candles.step):
        return ""
    return f"{missing[after]:.0f} bars are missing before {at_ms(int(candles.open_ms[after + 1])):%Y-%m-%d %H:%M}"


def _closed_by(candles: Candles, ms: int) -> int:
    """How many of ``candles`` had closed by then."""
    return int(np.searchsorted(candles.open_ms, ms - candles.step.total_seconds() * 1000, side="right"))


def _loads(voice: Voice) -> bool:
    """Whether its lookback can be known; why not is told when it is asked."""
    try:
        return voice.strategy.lookback > 0
    except TradeError:
        return False


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _signed(value: float | None) -> str:
    return "warming up" if value is None else f"{value:+.2f}"
