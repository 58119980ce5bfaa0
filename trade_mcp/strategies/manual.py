"""The page about strategies, from the code: `python -m trade_mcp.strategies.manual > docs/strategies.md`."""

from inspect import cleandoc
from typing import Any, get_args

import msgspec

from trade_mcp.strategies import STRATEGIES, build_strategy

HEAD = """# Strategies

Written by the code (`python -m trade_mcp.strategies.manual > docs/strategies.md`).

A strategy maps candles to strengths from -1 (flat) to 1 (buy). The loop blends the strategies that are on
(`[loop.weights]`, default equal), buys when the blend crosses `loop.entry_threshold` upwards, and sells what it owns
below 0. On by default: `ema_cross` and `rsi_reversion`. None is advice, and none was shown to earn money.

```toml
[strategies.macd_cross]             # on, with its defaults

[strategies.slow]                   # the same strategy again under another name
kind = "ema_cross"
timeframe = "1h"                    # its own closed bars; default: the desk's timeframe
fast = 20
slow = 50

[strategies.slow.exits]             # exits of its entries, instead of [exits]
stop = "3 ATR"

[strategies.mine]                   # your own
file = "mine.py"
period = 30                         # given to its class
```

## Your own

`mine.py` has a class `Strategy`. It runs in a process of its own: what it prints goes to stderr, and if it raises,
hangs or answers nonsense it costs its own opinion only. `trade-mcp check-strategy mine.py` tries it: shape, no
look-ahead, nothing beyond its lookback, time; the desk does the same at start. A package offers one as entry point in
the group `trade_mcp.strategies`.

```python
import numpy as np

class Strategy:
    def __init__(self, period=20):
        self.lookback = period           # candles it needs for one strength

    def strengths(self, candles):        # .open .high .low .close .volume .open_ms: arrays, oldest first
        close, out = candles.close, np.full(len(candles), np.nan)
        for i in range(self.lookback - 1, len(close)):
            window = close[i - self.lookback + 1 : i + 1]
            out[i] = 1.0 if close[i] > window.mean() else -1.0
        return out                       # one float64 for each candle, NaN for the first lookback - 1

    def explain(self, candles):
        return f"the close is {candles.close[-1]:.2f}"
```

## Built in
"""


def page() -> str:
    """The whole page."""
    return HEAD + "\n".join(_about(name) for name in STRATEGIES)


def _about(name: str) -> str:
    kind = STRATEGIES[name]
    said = cleandoc(kind.__doc__ or "").replace("\n", " ")
    lines = [
        f"\n### {name}\n",
        f"{said}\n",
        f"Wrong when {kind.wrong_when}. Lookback: {build_strategy(name).lookback} bars.",
    ]
    if fields := msgspec.structs.fields(kind):  # type: ignore[arg-type]
        lines += ["\n| parameter | default | bounds |", "|---|---|---|"]
        lines += [f"| `{field.name}` | {field.default} | {_bounds(field.type)} |" for field in fields]
    return "\n".join(lines) + "\n"


def _bounds(declared: Any) -> str:
    meta = get_args(declared)[1]
    signs = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    return ", ".join(f"{text} {getattr(meta, sign)}" for sign, text in signs.items() if getattr(meta, sign) is not None)


if __name__ == "__main__":
    print(page(), end="")
