"""The page about strategies, from the code: `python -m trade_mcp.strategies.manual > docs/strategies.md`."""

from inspect import cleandoc
from textwrap import fill
from typing import Any, get_args

import msgspec

from trade_mcp.strategies import STRATEGIES, build_strategy

WIDTH = 120
HEAD = """# Strategies

Written by the code (`uv run python -m trade_mcp.strategies.manual > docs/strategies.md`).

A strategy maps candles to strengths from -1 (flat) to 1 (buy). The loop blends the strategies that are on
(`[loop.weights]`, default equal), buys when the blend crosses `loop.entry_threshold` upwards, and sells what it bought
when the blend falls below 0; 0 itself means "hold". The trade counts for the strategy that pulled the blend most. On by
default: `ema_cross` and `rsi_reversion`. None is advice, and none was shown to earn money.

```toml
[strategies.macd_cross]             # on, with its defaults

[strategies.rsi_reversion]
enabled = false                     # off

[strategies.slow]                   # the same strategy again: any name, and whose kind it is
kind = "ema_cross"
timeframe = "1h"                    # default: the desk's
fast = 20
slow = 50

[strategies.slow.exits]             # exits of its entries, instead of [exits]
stop = "3 ATR"

[strategies.mine]                   # your own
file = "mine.py"                    # relative to this file
period = 30                         # given to its class
```

A strategy on a timeframe of its own sees the bars of it that had closed when the desk's newest bar closed, never one
that is forming; its strength stands until its next bar closes. While one strategy is warming up there is no blend, so
no entry.

## Your own

`mine.py` has a class `Strategy`, made with the parameters of its table:

```python
import numpy as np


class Strategy:
    def __init__(self, period=20):
        self.lookback = period  # candles it needs for one strength

    def strengths(self, candles):  # .open .high .low .close .volume .open_ms: arrays, oldest first, read-only
        close, out = candles.close, np.full(len(candles), np.nan)
        for i in range(self.lookback - 1, len(close)):
            window = close[i - self.lookback + 1 : i + 1]
            out[i] = 1.0 if close[i] > window.mean() else -1.0
        return out  # one float64 for each candle, NaN for the first lookback - 1

    def explain(self, candles):  # if you like: one sentence about the newest candle
        return f"the close is {candles.close[-1]:.2f}"
```

A msgspec `Struct` or a dataclass does as well; its types and bounds are then checked. An installed package offers one
as an entry point of the group `trade_mcp.strategies`, and `kind` is the name of that entry point.

`trade-mcp check-strategy mine.py` tries it on made-up candles, and says what is wrong: its shape and range, the same
answer twice, nothing from the future (later candles replaced by noise change nothing earlier), nothing from beyond its
lookback (older candles cut off change nothing later), and its time. `serve`, `loop`, `tick` and `up` do the same at
start, and refuse one that fails. `watch` and `halt` never load it.

It runs in a process of its own, without the desk's secrets; what it prints goes to stderr. One that raises, or answers
nonsense, costs its own opinion only: the others decide, decisions and `get_signals` say "failed" with the reason, and
an alarm tells you once. One that does not answer within 2 s is ended and left alone for a minute, then for two, up to
an hour. That it runs apart guards against accidents, not against malice: it is a program of yours, with your rights.

## Built in
"""


def page() -> str:
    """The whole page."""
    return HEAD + "".join(_about(name) for name in STRATEGIES)


def _about(name: str) -> str:
    kind, made = STRATEGIES[name], build_strategy(name)
    said = cleandoc(kind.__doc__ or "").replace("``", "`").split("\n\n")
    parts = [f"\n### {name}", *map(_wrapped, said), _wrapped(f"**Wrong when** {kind.wrong_when}.")]
    why = cleandoc(kind.lookback.__doc__ or "").replace("``", "`")
    parts.append(_wrapped(f"**Lookback** {made.lookback} with the defaults. {why}"))
    if fields := msgspec.structs.fields(kind):  # type: ignore[arg-type]
        rows = ["| parameter | default | bounds | what |", "|---|---|---|---|"]
        rows += [f"| `{f.name}` | {f.default:g} | {_bounds(f.type)} | {_meta(f.type).description} |" for f in fields]
        parts.append("\n".join(rows))
    return "\n\n".join(parts) + "\n"


def _wrapped(text: str) -> str:
    return fill(" ".join(text.split()), WIDTH, break_on_hyphens=False)


def _meta(declared: Any) -> msgspec.Meta:
    meta: msgspec.Meta = get_args(declared)[1]
    return meta


def _bounds(declared: Any) -> str:
    meta = _meta(declared)
    signs = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    return ", ".join(f"{text} {getattr(meta, sign)}" for sign, text in signs.items() if getattr(meta, sign) is not None)


if __name__ == "__main__":
    print(page(), end="")
