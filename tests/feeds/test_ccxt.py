"""Live prices: unmodified ccxt, over real sockets, from an exchange on this machine."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from server.serving import until
from trade_mcp.app import App
from trade_mcp.clock import LiveClock
from trade_mcp.domain.distances import Distance
from trade_mcp.domain.errors import BadConfig, BadInput, FeedError, NoPrice, UnknownSymbol
from trade_mcp.domain.exits import ExitPlan
from trade_mcp.domain.order import OrderRequest, Side, Source
from trade_mcp.feeds import ccxt_candles, ccxt_prices
from trade_mcp.feeds.ccxt import ccxt_feed
from trade_mcp.feeds.ccxt_candles import Series
from trade_mcp.feeds.synthetic import synthetic_feed
from trade_mcp.quant.candles import at_ms, ms_of
from trade_mcp.server.tools.market import get_order_book
from trade_mcp.venues.exchange import Exchange

from .exchanges import BTC, DEPTH, ETH, KLINES, TICKERS, Live, live
from .files import rows_of

MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live(tmp_path_factory.mktemp("live")) as found:
        yield found


@pytest.fixture(autouse=True)
def well(market: Live) -> Iterator[None]:
    yield
    market.control.clear()


def test_what_it_is(market: Live) -> None:
    feed = market.feed
    assert (feed.name, feed.identity, feed.timeframe) == ("ccxt", "ccxt:binance-practice", "1m")
    assert feed.symbols[:2] == (BTC, ETH)
    assert (feed.synthetic, feed.continuous, feed.end, feed.trouble) == (False, True, None, "")
    assert abs(feed.start - market.now) < timedelta(days=1)


def test_candles_are_those_of_the_exchange(market: Live) -> None:
    now = market.to_second(10)
    seen = market.feed.candles(BTC, "1m", now=now, limit=700)
    assert len(seen) == 700 and seen.gap_bars == 0
    assert seen.last_close_at == now.replace(second=0, microsecond=0)
    for at in (0, 350, 699):
        said = market.kline(BTC, at_ms(int(seen.open_ms[at])))
        assert rows_of(seen)[at] == (int(said[0]), *map(float, said[1:6]))
    with pytest.raises(ValueError, match="read-only"):
        seen.close[0] = 1.0


def test_a_second_question_is_answered_from_memory(market: Live) -> None:
    now = market.to_second(10)
    first = market.feed.candles(BTC, "1m", now=now, limit=60)
    market.control.add({"fault": "answer", "where": KLINES, "status": 500})
    assert rows_of(market.feed.candles(BTC, "1m", now=now, limit=60)) == rows_of(first)
    assert rows_of(market.feed.candles(BTC, "1m", now=now - 5 * MINUTE, limit=10)) == rows_of(first)[-15:-5]


def test_coarser_candles_and_bars_agree_with_the_finest(market: Live) -> None:
    now = market.to_second(10)
    fine = market.feed.candles(ETH, "1m", now=now, limit=240)
    hours = market.feed.candles(ETH, "1h", now=now, limit=2)
    inside = fine.open_ms >= hours.open_ms[-1]
    inside &= fine.open_ms < hours.open_ms[-1] + 3_600_000
    assert hours.high[-1] == fine.high[inside].max() and hours.close[-1] == fine.close[inside][-1]
    bars = market.feed.bars(ETH, after=now - 5 * MINUTE, until=now)
    assert [float(bar.close) for bar in bars] == fine.close[-5:].tolist()
    assert market.feed.bars(ETH, after=now, until=now - MINUTE) == []


def test_a_timeframe_the_exchange_lacks_is_built(market: Live) -> None:
    now = market.to_second(10)
    feed = market.feed
    feed._native = ("1m", "5m", "1h")
    try:
        built = feed.candles(BTC, "15m", now=now, limit=20)
    finally:
        feed._native = tuple(name for name in ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d"))
    own = feed.candles(BTC, "15m", now=now, limit=20)
    assert len(built) == 20 and rows_of(built)[:5] == rows_of(own)[:5]
    assert np.allclose(built.close, own.close) and (built.open_ms == own.open_ms).all()


def test_a_quote_is_of_the_moment_its_exchange_says(market: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ccxt_prices, "FRESH_S", 0.0)
    now = market.to_second(30)
    quote = market.feed.quote(BTC, now=now)
    said = market.exchange.client().fetch_ticker(BTC)
    assert (float(quote.bid), float(quote.ask)) == (said["bid"], said["ask"])
    assert quote.bid < quote.ask and quote.at <= now and quote.overdue_s(now) == 0
    assert all(number == number.normalize() for number in (quote.bid, quote.ask))


def test_an_order_book_is_sorted_by_number(market: Live) -> None:
    now = market.now
    book = market.feed.order_book(BTC, 5, now=now)
    assert [len(side) for side in (book.bids, book.asks)] == [5, 5]
    assert book.bids[0][0] < book.asks[0][0]
    market.answer(
        DEPTH, {"lastUpdateId": 1, "bids": [["9.5", "1"], ["10.5", "2"]], "asks": [["100", "1"], ["11", "3"]]}
    )
    book = market.feed.order_book(BTC, 5, now=now)
    assert book.bids == ((Decimal("10.5"), Decimal(2)), (Decimal("9.5"), Decimal(1)))
    assert book.asks[0] == (Decimal(11), Decimal(3))


def test_what_is_not_there_is_said(market: Live) -> None:
    with pytest.raises(UnknownSymbol) as unknown:
        market.feed.quote("BTCUSDT", now=market.now)
    assert unknown.value.nearest[0] == BTC
    with pytest.raises(BadInput, match="7m"):
        market.feed.candles(BTC, "7m", now=market.now, limit=5)


def test_symbols_that_do_not_trade_are_refused_at_the_start(market: Live, tmp_path: Path) -> None:
    reached = Exchange("binance", clock=LiveClock(), folder=tmp_path, url=market.exchange.url)
    with pytest.raises(BadConfig, match="BTC/USDC is no spot market at binance") as wrong:
        ccxt_feed(reached, ["BTC/USDC"])
    assert "did you mean BTC/USDT" in wrong.value.hint
    market.control.set_symbol("ETHUSDT", "HALT")
    reached = Exchange("binance", clock=LiveClock(), folder=tmp_path / "later", url=market.exchange.url)
    with pytest.raises(BadConfig, match="ETH/USDT does not trade at binance now"):
        ccxt_feed(reached, [ETH])
    market.control.set_symbol("ETHUSDT", "TRADING")


def test_prices_are_asked_for_within_the_budget(market: Live) -> None:
    budget = market.feed._exchange.budget
    fresh = ccxt_prices.Prices(market.feed._tickers, market.feed._book, boot=LiveClock().boot)
    fresh.now(ETH)  # its answer says what is used
    limit, budget.limit = budget.limit, 1
    try:
        with pytest.raises(FeedError, match="prices stops at 60%"):
            fresh.now(BTC)
    finally:
        budget.limit = limit


class Rows:
    """An exchange's candles as a table, and what was asked of it."""

    def __init__(self, *opens: int, page: int = 1000):
        self.opens, self.page = list(opens), page
        self.asked: list[tuple[int, int]] = []

    def __call__(self, since: int, limit: int) -> list[list[float]]:
        self.asked.append((since, limit))
        found = [at for at in self.opens if at * 60_000 >= since][: min(limit, self.page)]
        return [[at * 60_000, 1.0, 2.0, 0.5, 1.5, 10.0] for at in found]


def series(rows: Rows, boot: list[float]) -> Series:
    return Series(BTC, "1m", rows, margin=timedelta(seconds=2), boot=lambda: boot[0])


def test_pages_are_put_together_and_the_beginning_is_remembered() -> None:
    rows, boot = Rows(*range(5000, 10_000), page=300), [0.0]
    of = series(rows, boot)
    seen = of.newest(at_ms(10_000 * 60_000 + 30_000), 4_000)
    assert len(seen) == 4_000 and seen.gap_bars == 0
    assert len(of.newest(at_ms(10_000 * 60_000 + 30_000), 6_000)) == 5_000
    asked = len(rows.asked)
    assert len(of.newest(at_ms(10_000 * 60_000 + 30_000), 6_000)) == 5_000
    assert len(rows.asked) == asked  # nothing lies before: nobody asks again


def test_a_bar_that_is_late_is_asked_for_again_but_not_at_once() -> None:
    rows, boot = Rows(*range(9_000, 9_999)), [0.0]
    of, now = series(rows, boot), at_ms(10_000 * 60_000 + 3_000)
    assert ms_of(of.newest(now, 10).last_close_at) == 9_999 * 60_000
    asked = len(rows.asked)
    assert of.known_until(now) < at_ms(10_000 * 60_000)
    assert len(rows.asked) == asked
    rows.opens.append(9_999)
    boot[0] += ccxt_candles.AGAIN_MOST_S
    assert of.known_until(now) == now
    assert ms_of(of.newest(now, 10).last_close_at) == 10_000 * 60_000


def test_a_bar_of_the_future_makes_no_other_final() -> None:
    rows, boot = Rows(*range(9_000, 10_000), 20_000), [0.0]
    of, now = series(rows, boot), at_ms(10_000 * 60_000 + 500)
    assert ms_of(of.newest(now, 10).last_close_at) == 9_999 * 60_000


def test_a_market_that_nobody_trades_in_holds_up_nobody() -> None:
    rows, boot = Rows(*range(9_000, 9_990)), [0.0]
    of, now = series(rows, boot), at_ms(10_000 * 60_000 + 3_000)
    assert timedelta(0) < now - of.known_until(now) <= timedelta(seconds=10)


def test_old_bars_stay_known_while_the_exchange_is_away() -> None:
    rows, boot = Rows(*range(9_000, 10_000)), [0.0]
    of, now = series(rows, boot), at_ms(10_000 * 60_000 + 3_000)
    before = rows_of(of.newest(now, 20))

    def gone(since: int, limit: int) -> list[list[float]]:
        raise FeedError("no route to it")

    of._fetch = gone
    later = now + 10 * MINUTE
    assert rows_of(of.newest(later, 20)) == before
    assert of.known_until(later) == at_ms(10_000 * 60_000)
    empty = Series(BTC, "1m", gone, margin=timedelta(seconds=2), boot=lambda: boot[0])
    with pytest.raises(FeedError, match="no route to it"):
        empty.newest(later, 5)


def test_tickers_without_a_price_are_read_from_the_book(market: Live) -> None:
    market.answer(TICKERS, [{"symbol": "BTCUSDT", "bidPrice": "0.00000000", "askPrice": "0.00000000"}])
    fresh = ccxt_prices.Prices(market.feed._tickers, market.feed._book, boot=LiveClock().boot)
    seen, book = fresh.now(BTC), market.feed.order_book(BTC, 1, now=market.now)
    assert (seen.bid, seen.ask) == (book.bids[0][0], book.asks[0][0])


def test_one_symbol_that_is_refused_costs_the_others_nothing(market: Live) -> None:
    refusal = {"fault": "answer", "where": TICKERS, "status": 400, "body": {"code": -1121, "msg": "Invalid symbol."}}
    market.control.add(refusal | {"count": 2})  # of both together, and of the first alone
    assert set(market.feed._tickers((BTC, ETH))) == {ETH}
    market.control.add(refusal)
    with pytest.raises(FeedError, match="refused asking for prices"):
        market.feed._tickers((BTC,))


def test_live_market_time_is_the_clock_however_long_the_start_takes(market: Live, tmp_path: Path) -> None:
    reached = Exchange(
        "binance", clock=LiveClock(), folder=market.feed._exchange._file.parent.parent, url=market.exchange.url
    )
    feed = ccxt_feed(reached, [BTC])  # as of an exchange elsewhere: its time is ours
    before = LiveClock().real()
    assert timedelta(0) <= feed.start - before + timedelta(milliseconds=5) < timedelta(seconds=5)
    feed.close()


@pytest.mark.storm
def test_a_paper_desk_buys_at_live_prices_and_is_stopped_by_live_bars(
    market: Live, desk: Callable[..., App], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ccxt_prices, "FRESH_S", 0.0)
    monkeypatch.setattr(ccxt_candles, "AGAIN_S", 0.0)
    app = desk()
    monkeypatch.setattr(app.clock, "market", lambda: market.now)
    listed = {each["symbol"]: each for each in market.exchange.client().publicGetExchangeInfo()["symbols"]}
    steps = {each["filterType"]: each for each in listed["BTCUSDT"]["filters"]}
    instrument = app.market.instrument(BTC)
    assert instrument.tick == Decimal(steps["PRICE_FILTER"]["tickSize"]).normalize()
    assert instrument.min_notional == Decimal(steps["NOTIONAL"]["minNotional"])
    exits = ExitPlan(stop=Distance(fraction=Decimal("0.0005")))
    request = OrderRequest(order_id="entry", symbol=BTC, side=Side.BUY, notional=Decimal(200), exits=exits)
    receipt = app.gate.submit(request, Source.MODEL)
    quote = app.market.quote(BTC)
    assert receipt.outcome == "placed", receipt.message
    assert abs(app.log.refresh().position(BTC).entry / quote.ask - 1) < Decimal("0.001")
    bought_at, stop = market.now, app.log.refresh().position(BTC).levels.stop_price
    assert stop is not None
    market.control.move_on(6 * 3600)

    def stopped() -> bool:
        app.watch.step()
        return BTC not in app.log.refresh().positions

    until(stopped)
    (sale,) = [fill for fill in app.venue.reports_since("")[0] for fill in fill.fills if fill.side is Side.SELL]
    (bar,) = [bar for bar in market.feed.bars(BTC, after=bought_at, until=market.now) if bar.close_at == sale.at]
    assert bar.low <= stop and abs(sale.price / stop - 1) < Decimal("0.01")


def test_the_order_book_as_a_tool(market: Live, desk: Callable[..., App]) -> None:
    body = get_order_book(desk(), symbol=BTC, depth=3)
    assert (len(body["bids"]), len(body["asks"]), body["columns"]) == (3, 3, "price,size")
    assert len(str(body["spread"])) < 16
    with pytest.raises(NoPrice, match="synthetic prices come without an order book"):
        synthetic_feed().order_book(BTC, 3, now=market.now)
