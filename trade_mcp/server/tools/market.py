"""Market tools: what trades here, for how much, and how it got there."""

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

from trade_mcp.domain.errors import TradeError
from trade_mcp.domain.instrument import ZERO, Instrument
from trade_mcp.office.plain import number
from trade_mcp.quant.candles import Candles, at_ms
from trade_mcp.server import errors
from trade_mcp.server.shapes import Body, Refused
from trade_mcp.server.strict import Within
from trade_mcp.server.tool import Entry
from trade_mcp.server.tools.arguments import Symbol, Timeframe
from trade_mcp.server.tools.parts import brief_number

if TYPE_CHECKING:
    from trade_mcp.app import App

FOUND, ROWS, ROWS_MOST = 25, 24, 200
LEVELS, DEPTH = 10, 50


def find_instruments(desk: "App", *, text: Annotated[str, "part of a symbol; all if left out"] = "") -> Body:
    """Find symbols, with price step (tick), size step (lot), minimums and fee. Start here if unsure of a symbol.

    Only those with `trades` true may be ordered.
    """
    found = sorted(desk.market.search(text), key=lambda one: one.symbol not in desk.market.symbols)
    body: Body = {"found": len(found), "instruments": [_instrument(one, desk) for one in found[:FOUND]]}
    if len(found) > FOUND:
        body["truncated"] = f"the first {FOUND} of {len(found)}; give more of the symbol"
    return body


def get_quotes(
    desk: "App", *, symbols: Annotated[list[str] | None, Within(1, 20), "default: all the desk trades"] = None
) -> Body:
    """Bid and ask now. `overdue_s` says the feed is late; the gate refuses entries on stale prices."""
    asked = symbols or list(desk.market.symbols[:20])
    quotes = [_quote(symbol, desk) for symbol in asked]
    if all("error" in quote for quote in quotes):
        raise Refused(quotes[0] if len(quotes) == 1 else {"quotes": quotes})
    return {"quotes": quotes}


def get_candles(
    desk: "App",
    *,
    symbol: Symbol,
    timeframe: Timeframe = None,
    limit: Annotated[int, Within(1, ROWS_MOST), f"default {ROWS}, at most {ROWS_MOST}"] = ROWS,
) -> Body:
    """Closed OHLCV bars, oldest first; `at` is the bar's open. The bar still forming is never shown."""
    candles = desk.market.candles(symbol, timeframe or None, limit=limit)
    return {
        "symbol": candles.symbol,
        "timeframe": candles.timeframe,
        "columns": "at,open,high,low,close,volume",
        "rows": _rows(candles),
        "missing_bars": candles.gap_bars or None,
    }


def get_order_book(
    desk: "App", *, symbol: Symbol, depth: Annotated[int, Within(1, DEPTH), f"levels a side, default {LEVELS}"] = LEVELS
) -> Body:
    """Resting orders, best first, each "price,size": whether the size you want is there, and how far down.

    Only live prices have one.
    """
    book = desk.market.order_book(symbol, depth)
    (bid, _), (ask, _) = book.bids[0], book.asks[0]
    return {
        "symbol": book.symbol,
        "at": book.at,
        "spread": brief_number((ask - bid) / ask),
        "columns": "price,size",
        "bids": _levels(book.bids),
        "asks": _levels(book.asks),
        "bids_worth": brief_number(sum((price * size for price, size in book.bids), ZERO)),
        "asks_worth": brief_number(sum((price * size for price, size in book.asks), ZERO)),
    }


def _levels(side: Sequence[tuple[Decimal, Decimal]]) -> list[str]:
    return [f"{number(price)},{number(size)}" for price, size in side]


def _instrument(one: Instrument, desk: "App") -> Body:
    return {
        "symbol": one.symbol,
        "trades": one.symbol in desk.market.symbols,
        "tick": one.tick,
        "lot": one.lot,
        "min_size": one.min_size,
        "min_notional": one.min_notional,
        "taker_fee": one.taker_fee,
    }


def _quote(symbol: str, desk: "App") -> Body:
    try:
        quote = desk.market.quote(symbol)
    except TradeError as error:
        return {"symbol": symbol} | errors.failure(error)
    overdue = quote.overdue_s(desk.clock.market())
    return {
        "symbol": quote.symbol,
        "bid": quote.bid,
        "ask": quote.ask,
        "at": quote.at,
        "overdue_s": round(overdue) or None,
    }


def _rows(candles: Candles) -> list[str]:
    times = (f"{at_ms(int(ms)):%Y-%m-%dT%H:%MZ}" for ms in candles.open_ms)
    prices = zip(candles.open, candles.high, candles.low, candles.close, strict=True)
    shown = (",".join(_digits(float(price)) for price in four) for four in prices)
    volumes = (f"{float(volume):.6g}" for volume in candles.volume)
    return [",".join(row) for row in zip(times, shown, volumes, strict=True)]


def _digits(price: float) -> str:
    text = f"{price:.10f}".rstrip("0").rstrip(".")
    return text if len(text) <= 12 else f"{price:.8g}"


TOOLS = (
    Entry(find_instruments, "Find instruments"),
    Entry(get_quotes, "Quotes now"),
    Entry(get_candles, "Candles"),
    Entry(get_order_book, "Order book"),
)
