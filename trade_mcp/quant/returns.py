"""Returns: equity through time as arrays, net of what came and went by other hands; its drawdown and its ratios.

Annualised with years of 365.25 days, for these markets never close; without a risk-free rate. Sharpe divides the mean
return by its standard deviation (n - 1), Sortino by the root mean square of the returns below zero (Sortino and Price,
1994), Calmar divides the yearly growth by the worst drawdown (Young, 1991).
"""

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from trade_mcp.quant.candles import Floats
from trade_mcp.quant.measure import Measure, few, nothing

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
YEAR_DAYS = 365.25
MIN_RETURNS = 30  # until a mean and a deviation say anything
MIN_DAYS = 30  # until growth is worth being turned into a yearly one
DAILY_FROM_DAYS = 60  # shorter periods have too few days: hours are taken


class Curve(Struct, frozen=True):
    """Equity at times (ms UTC, oldest first); ``flow`` came (+) or went (-) since the point before, not by trading."""

    at_ms: NDArray[np.int64]
    equity: Floats
    flow: Floats

    def __len__(self) -> int:
        return len(self.at_ms)

    @property
    def drawdown(self) -> Floats:
        """At each point the fall from the peak, as a fraction of it (0 at a peak); the peak moves with the flows."""
        moved = np.cumsum(self.flow)
        peak = np.maximum.accumulate(self.equity - moved) + moved
        return np.where(peak > 0, (peak - self.equity) / np.where(peak > 0, peak, 1), 0.0)

    @property
    def growth(self) -> Floats:
        """What 1 at the first point has become, flows left out; NaN from where equity was not above 0."""
        before = self.equity[:-1]
        with np.errstate(all="ignore"):
            step = (self.equity[1:] - self.flow[1:]) / np.where(before > 0, before, np.nan)
            return np.concatenate((np.ones(min(1, len(self))), np.cumprod(step)))


def max_drawdown(curve: Curve) -> float:
    """The deepest fall from the peak, as a fraction of the peak, net of flows."""
    return float(curve.drawdown.max(initial=0.0))


def grid(curve: Curve, until_ms: int) -> tuple[str, int]:
    """The steps whose returns are taken, by name and in ms: hours, or days of a long or coarse curve."""
    if not len(curve):
        return "hourly returns", HOUR_MS
    spacing = float(np.median(np.diff(curve.at_ms))) if len(curve) > 2 else 0.0
    if until_ms - int(curve.at_ms[0]) >= DAILY_FROM_DAYS * DAY_MS or spacing > HOUR_MS:
        return "daily returns", DAY_MS
    return "hourly returns", HOUR_MS


def step_returns(curve: Curve, step_ms: int, until_ms: int) -> Floats:
    """The return of every whole step from the first point on; between two points the last one holds."""
    if not len(curve):
        return np.empty(0)
    ends = np.arange(int(curve.at_ms[0]), until_ms + 1, step_ms)
    values = curve.growth[np.searchsorted(curve.at_ms, ends, side="right") - 1]
    with np.errstate(all="ignore"):
        returns = values[1:] / values[:-1] - 1
    return returns[np.isfinite(returns)]


def return_measures(curve: Curve, until_ms: int) -> dict[str, Measure]:
    """Sharpe, Sortino and Calmar of ``curve``, which holds its last value until ``until_ms``."""
    name, step_ms = grid(curve, until_ms)
    returns = step_returns(curve, step_ms, until_ms)
    per_year = YEAR_DAYS * DAY_MS / step_ms
    return {
        "sharpe": sharpe(returns, per_year, of=name),
        "sortino": sortino(returns, per_year, of=name),
        "calmar": calmar(curve, until_ms),
    }


def sharpe(returns: Floats, per_year: float, *, of: str) -> Measure:
    """Mean over standard deviation of ``returns``, for a year of ``per_year`` of them."""
    if len(returns) < MIN_RETURNS:
        return few(of, len(returns), needed=MIN_RETURNS)
    deviation = float(returns.std(ddof=1))
    if deviation <= 1e-12:
        return nothing(of, len(returns), "equity did not move")
    return Measure(value=float(returns.mean()) / deviation * per_year**0.5, sample=len(returns), of=of)


def sortino(returns: Floats, per_year: float, *, of: str) -> Measure:
    """Mean over the root mean square of what is below zero in ``returns``, for a year of ``per_year`` of them."""
    if len(returns) < MIN_RETURNS:
        return few(of, len(returns), needed=MIN_RETURNS)
    downside = float(np.sqrt((np.minimum(returns, 0.0) ** 2).mean()))
    if downside <= 1e-12:
        return nothing(of, len(returns), "equity never fell")
    return Measure(value=float(returns.mean()) / downside * per_year**0.5, sample=len(returns), of=of)


def calmar(curve: Curve, until_ms: int) -> Measure:
    """Yearly growth over the worst drawdown."""
    days = (until_ms - int(curve.at_ms[0])) / DAY_MS if len(curve) else 0.0
    if days < MIN_DAYS:
        return few("days", int(days), needed=MIN_DAYS)
    deepest, growth = max_drawdown(curve), float(curve.growth[-1])
    if deepest <= 0:
        return nothing("days", int(days), "equity never fell")
    if not growth > 0:
        return nothing("days", int(days), "equity was lost")
    return Measure(value=(growth ** (YEAR_DAYS / days) - 1) / deepest, sample=int(days), of="days")
