"""A process that trades one desk after another: ``python -m desk_races.racer``, a Round on a line of stdin for each.

It builds the desk of the round and says "ready"; the next line names the moment of the system's monotonic clock at
which it submits. Then it says how that ended, as an Outcome.
"""

import sys
import time

import msgspec
from msgspec import Struct

from trade_mcp.app import build
from trade_mcp.domain.order import OrderRequest, Source
from trade_mcp.settings import load_settings


class Round(Struct):
    """One desk, and what this process asks of it."""

    folder: str
    limits: dict[str, str | int]
    request: OrderRequest


class Outcome(Struct):
    outcome: str
    failed: tuple[str, ...]  # rules
    error: str


def race(turn: Round) -> Outcome:
    settings = load_settings(env={}, overrides={"desk": {"data_dir": turn.folder}, "limits": turn.limits})
    with build(settings, "race") as app:
        app.heartbeats.beat("watch", {})
        print("ready", flush=True)
        start = float(sys.stdin.readline())
        while time.monotonic() < start:
            pass
        receipt = app.gate.submit(turn.request, Source.MODEL)
        return Outcome(receipt.outcome, tuple(v.rule for v in receipt.verdicts if not v.passed), "")


if __name__ == "__main__":
    for line in sys.stdin:
        try:
            outcome = race(msgspec.json.decode(line, type=Round))
        except Exception as error:
            outcome = Outcome("error", (), repr(error))
        print(msgspec.json.encode(outcome).decode(), flush=True)
