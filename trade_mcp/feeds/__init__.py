"""Feeds: where prices come from. Each is a pure function of (seed or files, market time)."""

from collections.abc import Callable

from trade_mcp.feeds.replay import replay_feed
from trade_mcp.feeds.synthetic import synthetic_feed
from trade_mcp.ports import Feed

FEEDS: dict[str, Callable[..., Feed]] = {"synthetic": synthetic_feed, "replay": replay_feed}
