"""Market events: what market streams say, in Binance's letters (WebSocket Streams, spot), in market time."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from trade_mcp.domain.market import Bar
from trade_mcp.practice.events import said
from trade_mcp.practice.exchange import Exchange
from trade_mcp.practice.listing import Pair
from trade_mcp.practice.market import Print
from trade_mcp.practice.public import day_ticker
from trade_mcp.quant.candles import ms_of

type Levels = dict[Decimal, Decimal]
type Payload = dict[str, Any]
AVERAGE_MIN = 5


def mini_ticker(pair: Pair, exchange: Exchange, at: datetime) -> Payload:
    of = day_ticker(pair, exchange, at, full=False)
    return {
        "e": "24hrMiniTicker",
        "E": of["closeTime"],
        "s": pair.id,
        "c": of["lastPrice"],
        "o": of["openPrice"],
        "h": of["highPrice"],
        "l": of["lowPrice"],
        "v": of["volume"],
        "q": of["quoteVolume"],
    }


def ticker(pair: Pair, exchange: Exchange, at: datetime) -> Payload:
    of = day_ticker(pair, exchange, at, full=True)
    return {
        "e": "24hrTicker",
        "E": of["closeTime"],
        "s": pair.id,
        "p": of["priceChange"],
        "P": of["priceChangePercent"],
        "w": of["weightedAvgPrice"],
        "x": of["prevClosePrice"],
        "c": of["lastPrice"],
        "Q": of["lastQty"],
        "b": of["bidPrice"],
        "B": of["bidQty"],
        "a": of["askPrice"],
        "A": of["askQty"],
        "o": of["openPrice"],
        "h": of["highPrice"],
        "l": of["lowPrice"],
        "v": of["volume"],
        "q": of["quoteVolume"],
        "O": of["openTime"],
        "C": of["closeTime"],
        "F": of["firstId"],
        "L": of["lastId"],
        "n": of["count"],
    }


def average_price(pair: Pair, exchange: Exchange, at: datetime) -> Payload:
    price = exchange.market.average(pair.symbol, at, AVERAGE_MIN)
    now = exchange.time.shown_ms(at)
    return {"e": "avgPrice", "E": now, "s": pair.id, "i": f"{AVERAGE_MIN}m", "w": said(price), "T": now}


def trade(each: Print, pair: Pair, exchange: Exchange, at: datetime) -> Payload:
    return {
        "e": "trade",
        "E": exchange.time.shown_ms(at),
        "s": pair.id,
        "t": each.number,
        "p": said(each.price),
        "q": said(each.size),
        "T": exchange.time.shown_ms(each.at),
        "m": each.seller_takes,
        "M": True,
    }


def agg_trade(each: Print, pair: Pair, exchange: Exchange, at: datetime) -> Payload:
    """Every trade is an aggregate of its own."""
    one = trade(each, pair, exchange, at)
    number = one.pop("t")
    return one | {"e": "aggTrade", "a": number, "f": number, "l": number}


def kline(bar: Bar, interval: str, pair: Pair, exchange: Exchange, at: datetime) -> Payload:
    """A bar as it stands at ``at``: closed, or in the making."""
    done = min(at, bar.close_at)
    step_ms = ms_of(bar.open_at + exchange.market.step) - ms_of(bar.open_at)
    first, count = 4 * (ms_of(bar.open_at) // step_ms), 4 * ((done - bar.open_at) // exchange.market.step)
    turnover = (bar.high + bar.low + bar.close) / 3 * bar.volume
    k = {
        "t": exchange.time.shown_ms(bar.open_at),
        "T": exchange.time.shown_ms(bar.close_at) - 1,
        "s": pair.id,
        "i": interval,
        "f": first if count else -1,
        "L": first + count - 1 if count else -1,
        "o": said(bar.open),
        "c": said(bar.close),
        "h": said(bar.high),
        "l": said(bar.low),
        "v": said(bar.volume),
        "n": count,
        "x": at >= bar.close_at,
        "q": said(turnover),
        "V": said(bar.volume / 2),
        "Q": said(turnover / 2),
        "B": "0",
    }
    return {"e": "kline", "E": exchange.time.shown_ms(at), "s": pair.id, "k": k}


def book_ticker(number: int, bids: Levels, asks: Levels, pair: Pair) -> Payload:
    """The best of each side; it has no event name and no time."""
    (bid, bid_size), (ask, ask_size) = next(iter(bids.items())), next(iter(asks.items()))
    return {"u": number, "s": pair.id, "b": said(bid), "B": said(bid_size), "a": said(ask), "A": said(ask_size)}


def partial_depth(number: int, bids: Levels, asks: Levels, count: int) -> Payload:
    """The best ``count`` levels of each side; it has no event name, symbol or time."""
    return {"lastUpdateId": number, "bids": _rows(bids, count), "asks": _rows(asks, count)}


def depth_update(
    numbers: tuple[int, int], bids: Levels, asks: Levels, pair: Pair, exchange: Exchange, at: datetime
) -> Payload:
    """Levels that changed, from update ``numbers[0]`` to ``numbers[1]``; size 0: the level is gone."""
    return {
        "e": "depthUpdate",
        "E": exchange.time.shown_ms(at),
        "s": pair.id,
        "U": numbers[0],
        "u": numbers[1],
        "b": _rows(bids, len(bids)),
        "a": _rows(asks, len(asks)),
    }


def _rows(levels: Levels, count: int) -> list[list[str]]:
    return [[said(price), said(size)] for price, size in list(levels.items())[:count]]
