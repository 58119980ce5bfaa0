"""Public endpoints: time, symbols and prices. Anybody may ask."""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

from trade_mcp.domain.market import Bar, timeframe_delta
from trade_mcp.practice.context import Call
from trade_mcp.practice.errors import ApiError, illegal, no_such_symbol
from trade_mcp.practice.events import said
from trade_mcp.practice.exchange import Exchange
from trade_mcp.practice.listing import Pair
from trade_mcp.practice.market import Print
from trade_mcp.quant.candles import at_ms


def ping(call: Call) -> dict[str, Any]:
    return {}


def time(call: Call) -> dict[str, Any]:
    return {"serverTime": call.exchange.now_ms()}


def exchange_info(call: Call) -> dict[str, Any]:
    asked = _pairs(call) if call.params.has("symbol") or call.params.has("symbols") else None
    for name in ("permissions", "showPermissionSets", "symbolStatus"):
        call.params.text(name)
    listing = call.exchange.listing
    return {
        "timezone": "UTC",
        "serverTime": call.exchange.now_ms(),
        "rateLimits": listing.rate_limits,
        "exchangeFilters": [],
        "symbols": [pair.entry for pair in (asked or listing.pairs.values())],
    }


def depth(call: Call) -> dict[str, Any]:
    pair, limit = call.pair(), call.params.count("limit", 100, 5000)
    at = call.exchange.time.book_at(call.at)
    number, bids, asks = call.exchange.market.depth(pair.symbol, at, limit)
    return {"lastUpdateId": number, "bids": _levels(bids), "asks": _levels(asks)}


def trades(call: Call) -> list[dict[str, Any]]:
    pair, limit = call.pair(), call.params.count("limit", 500, 1000)
    first = call.params.integer("fromId")
    found = _prints(call, pair, limit, first)
    return [public_trade(each, call.exchange) for each in found]


def agg_trades(call: Call) -> list[dict[str, Any]]:
    pair, limit = call.pair(), call.params.count("limit", 500, 1000)
    start, end = _times(call)
    found = _prints(call, pair, limit, call.params.integer("fromId"))
    return [
        {
            "a": each.number,
            "p": said(each.price),
            "q": said(each.size),
            "f": each.number,
            "l": each.number,
            "T": call.exchange.time.shown_ms(each.at),
            "m": each.seller_takes,
            "M": True,
        }
        for each in found
        if (start is None or each.at >= start) and (end is None or each.at <= end)
    ]


def klines(call: Call) -> list[list[Any]]:
    pair, interval = call.pair(), call.params.need("interval")
    call.params.text("timeZone")
    start, end = _times(call)
    limit = call.params.count("limit", 500, 1000)
    bars = call.exchange.market.klines(pair.symbol, interval, call.at, start=start, end=end, limit=limit)
    return [_kline(bar, call.exchange) for bar in bars]


def average_price(call: Call) -> dict[str, Any]:
    pair = call.pair()
    minutes = int(pair.number("NOTIONAL", "avgPriceMins")) or 5
    price = call.exchange.market.average(pair.symbol, call.at, minutes)
    return {"mins": minutes, "price": said(price), "closeTime": call.exchange.time.shown_ms(call.at)}


def ticker_24hr(call: Call) -> Any:
    kind = call.params.choice("type", frozenset({"FULL", "MINI"}), ApiError(-1139, "Invalid ticker type.")) or "FULL"
    call.params.text("symbolStatus")
    return _one_or_many(call, [day_ticker(pair, call.exchange, call.at, full=kind == "FULL") for pair in _pairs(call)])


def ticker_price(call: Call) -> Any:
    call.params.text("symbolStatus")
    market = call.exchange.market
    found = [{"symbol": p.id, "price": said(market.last_price(p.symbol, call.at))} for p in _pairs(call)]
    return _one_or_many(call, found)


def book_ticker(call: Call) -> Any:
    call.params.text("symbolStatus")
    return _one_or_many(call, [best(pair, call.exchange, call.at) for pair in _pairs(call)])


def system_status(call: Call) -> dict[str, Any]:
    return {"status": 0, "msg": "normal"}


def nothing(call: Call) -> list[Any]:
    """Lists of what this exchange has not: margin pairs, coins and networks."""
    return []


def no_symbols(call: Call) -> dict[str, Any]:
    """The derivatives' exchangeInfo."""
    now = call.exchange.now_ms()
    return {"timezone": "UTC", "serverTime": now, "rateLimits": [], "exchangeFilters": [], "assets": [], "symbols": []}


# Shapes that streams use as well


def best(pair: Pair, exchange: Exchange, at: datetime) -> dict[str, str]:
    _, bids, asks = exchange.market.depth(pair.symbol, at, 1)
    return {
        "symbol": pair.id,
        "bidPrice": said(bids[0][0]),
        "bidQty": said(bids[0][1]),
        "askPrice": said(asks[0][0]),
        "askQty": said(asks[0][1]),
    }


def day_ticker(pair: Pair, exchange: Exchange, at: datetime, *, full: bool) -> dict[str, Any]:
    market = exchange.market
    day, last = market.day(pair.symbol, at), market.last_bar(pair.symbol, at)
    assert last is not None
    newest = market.prints_of(last)[-1]
    shown: dict[str, Any] = {
        "symbol": pair.id,
        "openPrice": said(day.open),
        "highPrice": said(day.high),
        "lowPrice": said(day.low),
        "lastPrice": said(day.last),
        "volume": said(day.volume),
        "quoteVolume": said(day.turnover),
        "openTime": exchange.time.shown_ms(at) - 86_400_000,
        "closeTime": exchange.time.shown_ms(at),
        "firstId": newest.number - 4 * day.bars + 1,
        "lastId": newest.number,
        "count": 4 * day.bars,
    }
    if not full:
        return shown
    change = day.last - day.open
    top = best(pair, exchange, at)
    mean = day.turnover / day.volume if day.volume else day.last
    return shown | {
        "priceChange": said(change),
        "priceChangePercent": f"{change / day.open * 100:.3f}",
        "weightedAvgPrice": said(mean),
        "prevClosePrice": said(day.before),
        "lastQty": said(newest.size),
        **{name: top[name] for name in ("bidPrice", "bidQty", "askPrice", "askQty")},
    }


def public_trade(each: Print, exchange: Exchange) -> dict[str, Any]:
    return {
        "id": each.number,
        "price": said(each.price),
        "qty": said(each.size),
        "quoteQty": said(each.price * each.size),
        "time": exchange.time.shown_ms(each.at),
        "isBuyerMaker": each.seller_takes,
        "isBestMatch": True,
    }


def _kline(bar: Bar, exchange: Exchange) -> list[Any]:
    turnover = (bar.high + bar.low + bar.close) / 3 * bar.volume
    opened, closed = exchange.time.shown_ms(bar.open_at), exchange.time.shown_ms(bar.close_at) - 1
    prices = [said(number) for number in (bar.open, bar.high, bar.low, bar.close, bar.volume)]
    trades_ = 4 * ((bar.close_at - bar.open_at) // timeframe_delta(exchange.market.feed.timeframe))
    half = (said(bar.volume / 2), said(turnover / 2))
    return [opened, *prices, closed, said(turnover), trades_ if bar.volume else 0, *half, "0"]


def _levels(levels: list[tuple[Decimal, Decimal]]) -> list[list[str]]:
    return [[said(price), said(size)] for price, size in levels]


def _pairs(call: Call) -> list[Pair]:
    """Those of ``symbol`` or ``symbols``, or all that have a price."""
    one, several = call.params.text("symbol"), call.params.text("symbols")
    if one is not None and several is not None:
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    if one is not None:
        return [call.exchange.pair(one)]
    if several is None:
        return list(call.exchange.listing.pairs.values())
    try:
        names = json.loads(several)
    except ValueError:
        names = None
    if not isinstance(names, list) or not names:
        raise illegal("symbols", '^\\[("[A-Z0-9-_.]{1,20}"(,"[A-Z0-9-_.]{1,20}"){0,}){0,1}\\]$')
    if not all(isinstance(name, str) for name in names):
        raise no_such_symbol()
    if len(set(names)) < len(names):
        raise ApiError(-1151, "Symbol is present multiple times in the list.")
    return [call.exchange.pair(name) for name in names]


def _one_or_many(call: Call, found: list[dict[str, Any]]) -> Any:
    return found[0] if call.params.has("symbol") else found


def _times(call: Call) -> tuple[datetime | None, datetime | None]:
    """startTime and endTime as market times."""
    shift = call.exchange.time.shift_ms
    start, end = call.params.integer("startTime"), call.params.integer("endTime")
    return (None if start is None else at_ms(start - shift)), (None if end is None else at_ms(end - shift))


def _prints(call: Call, pair: Pair, limit: int, first: int | None) -> list[Print]:
    found = call.exchange.market.prints(pair.symbol, call.at, bars=1000 if first is not None else limit // 4 + 1)
    if first is None:
        return found[-limit:]
    return [each for each in found if each.number >= first][:limit]
