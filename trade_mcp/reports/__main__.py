"""One report, made in a process of its own: what is wanted comes on stdin, steps and the outcome go to stdout."""

import math
import os
import signal
import sys

import msgspec

from trade_mcp.domain.errors import BadInput, TradeError
from trade_mcp.office.reporting import PastPrices
from trade_mcp.reports.files import write
from trade_mcp.reports.wanted import Failure, Line, Step, Wanted

ORPHAN_S = 10  # beyond the limit: whoever started us would have ended us by then


def main() -> None:
    wanted = msgspec.json.decode(sys.stdin.buffer.read(), type=Wanted)
    signal.alarm(math.ceil(wanted.limit_s) + ORPHAN_S)
    os.nice(10)  # the desk comes first
    try:
        _say(Line(told=write(wanted, lambda: prices(wanted), lambda *step: _say(Line(step=Step(*step))))))
    except TradeError as error:
        _say(Line(failure=Failure(error.message, error.hint, isinstance(error, BadInput))))


def prices(wanted: Wanted) -> PastPrices:
    """The candles that ``wanted`` can be told with."""
    if not wanted.feed:
        return PastPrices()
    from trade_mcp.reports.prices import prices_of
    from trade_mcp.settings import Settings

    return prices_of(Settings.model_validate({"desk": wanted.desk, "feed": wanted.feed}))


def _say(line: Line) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
