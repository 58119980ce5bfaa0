"""Sizing: how much to buy so that a known share of equity is lost if the stop is hit."""

from trade_mcp.domain.errors import BadInput


def fixed_risk(equity: float, risk_fraction: float, *, entry: float, stop: float) -> float:
    """Base units to buy at ``entry`` so that ``stop`` loses ``risk_fraction`` of ``equity``, before fees and slippage.

    0 for an equity that is gone. The limits on notional are not its business. Raises BadInput for a stop that is not
    below the entry, or a risk outside 0..1.

    >>> fixed_risk(10_000, 0.01, entry=100.0, stop=98.0)
    50.0
    """
    if not 0 < stop < entry < float("inf"):
        raise BadInput(
            f"the stop {stop:g} must be above zero and below the entry {entry:g}",
            hint="the size is risk / (entry - stop); a long position loses below its entry",
        )
    if not 0 <= risk_fraction <= 1:
        raise BadInput(f"risk {risk_fraction:g} is not a fraction of equity", hint="0.01 means 1 %")
    return max(equity, 0.0) * risk_fraction / (entry - stop)
