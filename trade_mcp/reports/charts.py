"""Charts: PNG for a page and a mail alike, drawn large enough to be read on a phone."""

from collections.abc import Sequence
from datetime import datetime
from importlib.util import find_spec
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from trade_mcp.quant.candles import Floats, at_ms

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_IN, DPI = 4.8, 200  # shown 330 to 560 pixels wide: ten points are ten pixels on a phone
INK, GRID, BLUE, GREY, GREEN, RED = "#1f2933", "#e4e7eb", "#1d5fbf", "#8a94a0", "#1a7f4b", "#b3261e"
POINTS = 1_000  # a line shows no more
MISSING = "Without charts: they need matplotlib, which comes with pip install 'trade-mcp[charts]'."


def drawable() -> bool:
    """Whether charts can be drawn: matplotlib is an extra, for it takes 80 MB."""
    return find_spec("matplotlib") is not None


def equity_chart(
    times: Sequence[datetime], index: Floats, drawdown: Floats, *, hold: tuple[Sequence[datetime], Floats], mark: str
) -> bytes:
    """What 100 became, beside buy and hold, and below it the drawdown. ``mark`` is printed across the corner."""
    figure = _figure(3.4)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1.2))
    if len(hold[1]):
        above.plot(hold[0], 100 * hold[1], color=GREY, linewidth=1.2, label="buy and hold")
    above.plot(times, 100 * index, color=BLUE, linewidth=1.6, label="the desk")
    above.axhline(100, color=GREY, linewidth=0.7, linestyle=":")
    above.legend(loc="best", frameon=False, fontsize=9)
    above.set_title("What 100 became", loc="left", fontsize=10, color=INK)
    below.fill_between(times, -100 * drawdown, 0, color=RED, alpha=0.35, linewidth=0)
    below.set_title("Drawdown, %", loc="left", fontsize=10, color=INK)
    below.set_ylim(top=0)
    for axes in (above, below):
        _tidy(axes)
    _dates(below)
    return _png(figure, mark)


def hours_chart(net: dict[int, float], *, currency: str, mark: str) -> bytes:
    """Profit after fees by the hour of the entry."""
    figure = _figure(2.3)
    axes = figure.subplots()
    heights = [net.get(hour, 0.0) for hour in range(24)]
    axes.bar(range(24), heights, color=[GREEN if value >= 0 else RED for value in heights], width=0.8)
    axes.set_xticks(range(0, 24, 3))
    axes.set_xlim(-0.6, 23.6)
    axes.set_title(f"Net profit by hour of entry (UTC), {currency}", loc="left", fontsize=10, color=INK)
    _tidy(axes)
    return _png(figure, mark)


def excursion_chart(worst: Sequence[float], best: Sequence[float], won: Sequence[bool], *, mark: str) -> bytes:
    """Each trade by how far the price went against it and for it, in percent of the entry."""
    figure = _figure(2.9)
    axes = figure.subplots()
    for good, colour, label in ((True, GREEN, "won"), (False, RED, "lost")):
        chosen = np.array([one is good for one in won], bool)
        axes.scatter(
            100 * np.array(worst)[chosen], 100 * np.array(best)[chosen], s=14, color=colour, alpha=0.6, label=label
        )
    axes.set_xlabel("against it, %", fontsize=9)
    axes.set_ylabel("for it, %", fontsize=9)
    axes.set_title("How far the price went before the exit", loc="left", fontsize=10, color=INK)
    axes.legend(loc="best", frameon=False, fontsize=9)
    _tidy(axes)
    return _png(figure, mark)


def thinned(times_ms: np.ndarray, *lines: Floats) -> tuple[list[datetime], list[Floats]]:
    """At most so many points of ``lines`` as a picture can show, the last one kept."""
    places = np.unique(np.linspace(0, len(times_ms) - 1, min(len(times_ms), POINTS)).astype(int))
    return [at_ms(int(ms)) for ms in times_ms[places]], [line[places] for line in lines]


def _figure(height_in: float) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH_IN, height_in), dpi=DPI, layout="constrained", facecolor="white")


def _tidy(axes: "Axes") -> None:
    axes.grid(color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=9, color=GRID, labelcolor=INK)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)


def _dates(axes: "Axes") -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=3, maxticks=6)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def _png(figure: "Figure", mark: str) -> bytes:
    if mark:
        figure.text(0.99, 0.985, mark, ha="right", va="top", fontsize=8, color=RED, weight="bold")
    out = BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()
