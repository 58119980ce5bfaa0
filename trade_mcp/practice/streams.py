"""Streams: the names of market streams ("btcusdt@kline_1m") and what they mean."""

import re
from collections.abc import Collection

from msgspec import Struct

NAME = re.compile(
    r"(?P<id>[A-Za-z0-9_.-]+)@(?P<kind>miniTicker|ticker|trade|aggTrade|bookTicker|avgPrice|depth|kline)"
    r"(?P<levels>5|10|20)?(_(?P<interval>\w+))?(@(?P<rate>1000|100)ms)?"
)
EVERY_S = {"bookTicker": 0.0, "kline": 2.0}  # the others every second, or at the rate of their name
ALL = {"!miniTicker@arr": "miniTicker", "!ticker@arr": "ticker"}


class Stream(Struct, frozen=True):
    """What a client may subscribe to."""

    name: str
    kind: str
    id: str | None  # "BTCUSDT"; None: all pairs
    interval: str = ""
    levels: int = 0
    every_s: float = 1.0  # at most


def parse_stream(name: str, timeframes: Collection[str]) -> Stream | None:
    """The stream of that name; None if there is no such kind of stream.

    >>> parse_stream("btcusdt@depth20@100ms", ["1m"])
    Stream(name='btcusdt@depth20@100ms', kind='depth', id='BTCUSDT', interval='', levels=20, every_s=0.1)
    >>> parse_stream("btcusdt@kline_7m", ["1m"]) is None
    True
    """
    if name in ALL:
        return Stream(name, ALL[name], None)
    found = NAME.fullmatch(name)
    if found is None:
        return None
    kind, levels, interval, rate = found["kind"], found["levels"], found["interval"], found["rate"]
    if (kind == "kline") is not (interval in timeframes) or (kind != "depth" and (levels or rate)):
        return None
    # Names are in lower case: one in capitals is taken, and nothing is ever said there.
    id_ = found["id"].upper() if found["id"] == found["id"].lower() else found["id"].lower()
    every_s = EVERY_S.get(kind, int(rate or 1000) / 1000)
    return Stream(name, kind, id_, interval or "", int(levels or 0), every_s)
