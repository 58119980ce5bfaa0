"""Feeds: where prices come from. Those that need no network are pure functions of (seed or files, market time)."""

from collections.abc import Callable
from typing import Any

from trade_mcp.feeds.replay import replay_feed
from trade_mcp.feeds.synthetic import synthetic_feed
from trade_mcp.ports import Feed


def _ccxt(*given: Any, **named: Any) -> Feed:
    from trade_mcp.feeds.ccxt import ccxt_feed  # loads ccxt: only for those who want it

    return ccxt_feed(*given, **named)


FEEDS: dict[str, Callable[..., Feed]] = {"synthetic": synthetic_feed, "replay": replay_feed, "ccxt": _ccxt}
