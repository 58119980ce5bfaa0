"""What prices do to a desk that trusts them, by the numbers of docs/faults.md: the feed's side of each.

The exchange is real to us (its own sockets, unmodified ccxt), its market is moved by hand, its faults are asked for.
"""

import math
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from server.serving import until
from trade_mcp.app import App
from trade_mcp.clock import LiveClock
from trade_mcp.domain.errors import FeedError
from trade_mcp.domain.order import OrderRequest, Side, Source
from trade_mcp.feeds import ccxt_candles, ccxt_prices, ccxt_stream
from trade_mcp.feeds.ccxt import CcxtFeed
from trade_mcp.quant.candles import at_ms, ms_of

from .exchanges import BTC, DEPTH, ETH, KLINES, TICKERS, Live, holes, live
from .files import rows_of

MINUTE = timedelta(minutes=1)
STREAMS = "stream *"


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Live]:
    with live(tmp_path) as found:
        yield found


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deadlines of seconds become tenths: what is waited for is the event, not the time."""
    monkeypatch.setattr(ccxt_stream, "FIRST_S", 1.5)
    monkeypatch.setattr(ccxt_stream, "LOOK_S", 0.2)
    monkeypatch.setattr(ccxt_stream, "PAUSES_S", (0.2,))
    monkeypatch.setattr(ccxt_prices, "FRESH_S", 0.1)
    monkeypatch.setattr(ccxt_prices, "FOLLOW_S", 1.0)


def listening(market: Live) -> CcxtFeed:
    """The feed once its stream has shown every symbol."""
    market.feed.listen()
    until(lambda: set(market.feed._prices._stream) == {BTC, ETH}, within_s=60)
    return market.feed


def fresh(market: Live) -> ccxt_prices.Prices:
    """The prices of somebody who knows none yet."""
    return ccxt_prices.Prices(market.feed._tickers, market.feed._book, boot=LiveClock().boot)


def refused(app: App, symbol: str = BTC) -> set[str]:
    """The rules that say no to a small entry now."""
    request = OrderRequest(order_id=app.new_id(), symbol=symbol, side=Side.BUY, notional=Decimal(100))
    return {verdict.rule for verdict in app.gate.preview(request, Source.MODEL).verdicts if not verdict.passed}


@pytest.mark.usefixtures("impatient")
def test_fault_13_a_stream_that_breaks_is_replaced_by_rest_and_comes_back(market: Live) -> None:
    feed = listening(market)
    market.control.add({"fault": "reset", "where": STREAMS})
    now = market.to_second(5)
    until(lambda: feed.trouble != "", within_s=60)
    until(lambda: feed.quote(BTC, now=now).at >= now - timedelta(seconds=1))
    market.control.clear()
    market.to_second(5)
    until(lambda: feed.trouble == "", within_s=60)


@pytest.mark.usefixtures("impatient")
def test_fault_14_a_stream_that_goes_silent_is_found_by_the_price_it_misses(market: Live) -> None:
    feed = listening(market)
    assert feed.trouble == ""
    market.control.add({"fault": "silent", "where": STREAMS})
    market.to_second(5)
    until(lambda: "does not follow the price of" in feed.trouble, within_s=60)
    now = market.to_second(5)
    until(lambda: feed.quote(BTC, now=now).at >= now - timedelta(seconds=1))
    assert float(feed.quote(BTC, now=now).bid) == market.exchange.client().fetch_ticker(BTC)["bid"]
    market.control.clear()
    market.to_second(5)
    until(lambda: feed.trouble == "", within_s=60)


@pytest.mark.usefixtures("impatient")
@pytest.mark.storm
def test_fault_15_a_stream_that_never_begins_is_told_and_rest_has_the_prices(
    market: Live, desk: Callable[..., App]
) -> None:
    market.control.add({"fault": "silent", "where": STREAMS})
    app = desk("watch")
    until(lambda: "sent nothing within" in app.feed.trouble, within_s=60)
    assert any("REST has taken over" in problem for problem in app.health().problems)
    now = app.clock.market()
    assert app.market.quote(BTC).overdue_s(now) == 0
    market.control.clear()
    market.to_second(5)
    until(lambda: not app.feed.trouble, within_s=60)
    assert not any("REST has taken over" in problem for problem in app.health().problems)


def test_fault_15_without_streaming_nothing_listens(market: Live, desk: Callable[..., App]) -> None:
    app = desk("watch", streaming=False)
    assert app.market.quote(BTC).bid > 0
    assert app.feed.trouble == "" and getattr(app.feed, "_stream", 0) is None


def test_fault_16_a_bar_that_still_forms_is_not_shown(market: Live) -> None:
    now = market.to_second(30)
    seen = market.feed.candles(BTC, "1m", now=now, limit=5)
    forming = market.exchange.client().fetch_ohlcv(BTC, "1m")[-1]
    assert ms_of(seen.last_close_at) == forming[0] < ms_of(now)


def test_fault_16_a_clock_ahead_of_the_exchange_makes_no_bar_final(market: Live) -> None:
    now = market.to_second(59)
    before = market.feed.candles(BTC, "1m", now=now, limit=5)
    ahead = now + timedelta(seconds=2)  # our minute is over, theirs is not: what they show is half a bar
    assert rows_of(market.feed.candles(BTC, "1m", now=ahead, limit=5)) == rows_of(before)
    assert market.feed.known_until(BTC, "1m", now=ahead) < ahead.replace(second=0, microsecond=0)
    now = market.to_second(0.5)  # now their next bar has begun

    def newest() -> int:
        return ms_of(market.feed.candles(BTC, "1m", now=now, limit=1).last_close_at)

    until(lambda: newest() == ms_of(now.replace(second=0, microsecond=0)))
    row = rows_of(market.feed.candles(BTC, "1m", now=now, limit=1))[0]
    assert row == tuple(float(each) for each in market.kline(BTC, at_ms(int(row[0])))[:6])


def test_fault_17_frozen_prices_let_no_entry_pass(
    market: Live, desk: Callable[..., App], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ccxt_prices, "FRESH_S", 0.0)
    app = desk()
    monkeypatch.setattr(app.clock, "market", lambda: market.now)
    assert "fresh_quote" not in refused(app)
    market.control.set_speed(100)
    market.control.add({"fault": "stale", "where": "GET *"})  # it shows the old price, and that it is old
    until(lambda: "fresh_quote" in refused(app))
    assert app.market.quote(BTC).overdue_s(app.clock.market()) > 30
    assert any("no new price since" in problem for problem in app.health().problems)
    market.control.set_speed(0)
    market.control.clear()
    assert "fresh_quote" not in refused(app)


def test_fault_17_a_price_without_a_time_is_as_old_as_its_last_move() -> None:
    boot = [1000.0]
    said = {"bid": "100", "ask": "101", "bidVolume": "1", "askVolume": "1", "timestamp": None}
    prices = ccxt_prices.Prices(lambda symbols: {BTC: said}, lambda symbol: {}, boot=lambda: boot[0])
    first = prices.now(BTC)
    boot[0] += 60
    again = prices.now(BTC)
    assert (again.got, again.moved) == (1060.0, first.moved)
    said["bidVolume"] = "2"
    boot[0] += 60
    assert prices.now(BTC).moved == 1120.0


@pytest.fixture
def gap(market: Live) -> Callable[[int], list[Any]]:
    """The exchange answers its candles without the newest hours of them, once."""

    def cut(count: int) -> list[Any]:
        rows = market.exchange.client().publicGetKlines({"symbol": "BTCUSDT", "interval": "1m", "limit": 1000})
        short = [*rows[: -count - 10], *rows[-10:]]
        market.answer(KLINES, short, count=1)
        return rows

    return cut


def test_fault_18_a_gap_of_hours_is_filled_when_the_exchange_has_it(
    market: Live, gap: Callable[[int], list[Any]]
) -> None:
    now = market.to_second(30)
    gap(180)
    seen = market.feed.candles(BTC, "1m", now=now, limit=300)
    assert holes(seen) == [] and len(seen) == 300


def test_fault_18_no_signal_across_a_hole(
    market: Live, gap: Callable[[int], list[Any]], desk: Callable[..., App], monkeypatch: pytest.MonkeyPatch
) -> None:
    market.to_second(30)
    rows = gap(180)
    market.answer(KLINES, rows[:-190] + rows[-10:])  # and it never has them
    app = desk()
    monkeypatch.setattr(app.clock, "market", lambda: market.now)
    view = app.signals.view(BTC, "1m")
    assert view.strength is None
    assert all("180 bars are missing before" in opinion.why for opinion in view.opinions)
    reasons = [decision.reason for decision in app.decide.step(dry_run=True).decisions]
    assert all("warming up" in reason for reason in reasons)


@pytest.mark.parametrize("bad", ["0.00000000", "-1", "NaN", "Infinity", "1e400", "", None])
def test_fault_41_a_price_that_cannot_be_is_refused(market: Live, bad: str | None) -> None:
    market.answer(TICKERS, [{"symbol": "BTCUSDT", "bidPrice": bad, "askPrice": "100", "closeTime": ms_of(market.now)}])
    market.answer(DEPTH, {"lastUpdateId": 1, "bids": [[bad, "1"]], "asks": [["100", "1"]]})
    with pytest.raises(FeedError):
        fresh(market).now(BTC)
    with pytest.raises(FeedError):
        market.feed.order_book(BTC, 5, now=market.now)


def test_fault_41_a_crossed_price_is_refused(market: Live) -> None:
    market.answer(TICKERS, [{"symbol": "BTCUSDT", "bidPrice": "101", "askPrice": "100", "closeTime": 1}])
    market.answer(DEPTH, {"lastUpdateId": 1, "bids": [["101", "1"]], "asks": [["100", "1"]]})
    with pytest.raises(FeedError, match="has no price now"):
        fresh(market).now(BTC)


def test_fault_41_the_last_price_that_could_be_stands_and_grows_old(
    market: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ccxt_prices, "FRESH_S", 0.0)
    real = market.feed.quote(BTC, now=market.now)
    market.answer(TICKERS, [{"symbol": "BTCUSDT", "bidPrice": "NaN", "askPrice": "NaN"}])
    market.answer(DEPTH, {"lastUpdateId": 1, "bids": [], "asks": []})
    market.control.move_on(100)
    now = market.now
    later = market.feed.quote(BTC, now=now)
    assert (later.bid, later.at) == (real.bid, real.at) and later.overdue_s(now) > 90


def test_fault_41_a_spike_counts_only_if_the_book_shows_it(market: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ccxt_prices, "FRESH_S", 0.0)
    real = market.feed.quote(BTC, now=market.now)
    spike = [{"symbol": "BTCUSDT", "bidPrice": "1.0", "askPrice": "1.1", "closeTime": ms_of(market.now)}]
    market.answer(TICKERS, spike)
    assert market.feed.quote(BTC, now=market.now).bid == real.bid
    market.answer(DEPTH, {"lastUpdateId": 1, "bids": [["1.0", "1"]], "asks": [["1.1", "1"]]})
    assert market.feed.quote(BTC, now=market.now).bid == Decimal(1)


@pytest.mark.parametrize(
    "row",
    [
        [math.nan, 1, 1, 1, 1, 1],
        [None, "NaN", "2", "1", "1", "1"],
        [None, "1", "2", "0", "1", "1"],
        [None, "1", "2", "-1", "1", "1"],
        [None, "1", "2", "1", "3", "1"],
        [None, "1", "2", "1", "1", "-1"],
        [None, "1", "2"],
    ],
)
def test_fault_41_a_candle_that_cannot_be_is_refused(market: Live, row: list[Any]) -> None:
    now = market.to_second(30)
    rows = market.exchange.client().publicGetKlines({"symbol": "BTCUSDT", "interval": "1m", "limit": 1000})
    bad = [rows[-5][0] if row[0] is None else "x", *row[1:], *rows[-5][6:]]
    market.answer(KLINES, [*rows[:-5], bad, *rows[-4:]])
    seen = market.feed.candles(BTC, "1m", now=now, limit=20)
    assert int(rows[-5][0]) not in seen.open_ms.tolist()
    market.control.clear()
    market.feed._series[BTC, "1m"]._holes[0].ask_at = 0.0
    assert int(rows[-5][0]) in market.feed.candles(BTC, "1m", now=now, limit=20).open_ms.tolist()
    assert ccxt_candles.HOLE_TRIES > 1
