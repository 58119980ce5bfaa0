"""What could take the stop away that the desk watches, sell at it twice, or sell at a price that is none."""

import threading
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest
from msgspec import structs

from desk.stage import BTC, ETH, STEP, WARM, buy, flat, watched
from desk.test_watched_stops import at_the_venue, bought, on_watch, quiet, sales, sold_once
from faults.test_exits import _quoted
from server.serving import until
from trade_mcp import role
from trade_mcp.app import App
from trade_mcp.desk.watched import KEPT, OLD_PRICE
from trade_mcp.domain.distances import Distance
from trade_mcp.domain.errors import FeedError, NoPrice, VenueUnreachable
from trade_mcp.domain.exits import ExitPlan
from trade_mcp.domain.order import OrderRequest, OrderType, Side, Source
from trade_mcp.watcher import watching

__all__ = ["on_watch", "quiet"]
Stage = Callable[..., App]
TRAIL = ExitPlan(trail=Distance(fraction=D("0.02")))
RISE = [*flat(WARM + 1), (100, 110, 100, 110), *flat(30, 110)]


@pytest.mark.parametrize("size", ["1", "0.4"])
def test_a_sale_that_would_rest_beside_the_stop_is_refused(on_watch: Stage, size: str) -> None:
    app = bought(on_watch())
    sale = OrderRequest(
        order_id="rests", symbol=BTC, side=Side.SELL, type=OrderType.LIMIT, size=D(size), limit_price=D(105)
    )
    receipt = app.gate.submit(sale, Source.MODEL)
    assert receipt.refused and [verdict.rule for verdict in receipt.failed] == ["holdings"]
    app.market.quote = _quoted(app, D(95))  # type: ignore[method-assign]
    watched(app)
    sold_once(app)


def test_a_stop_that_is_set_behind_a_sale_that_rests_protects_nothing(on_watch: Stage) -> None:
    app = on_watch(limits={"require_stop": False}, exits={"stop": "off", "target": "off"})
    assert app.gate.submit(buy(size="0.1", exits=None), Source.MODEL).outcome == "placed"
    sale = OrderRequest(
        order_id="rests", symbol=BTC, side=Side.SELL, type=OrderType.LIMIT, size=D("0.1"), limit_price=D(105)
    )
    assert app.gate.submit(sale, Source.MODEL).outcome == "placed"
    app.gate.set_exits(BTC, ExitPlan(stop=D(98)), Source.MODEL)
    assert not app.portfolio().positions[0].protected
    assert f"{BTC} has no live stop: {KEPT}" in app.health().failing
    app.gate.cancel("rests", Source.MODEL, reason="in the way")
    assert app.portfolio().positions[0].protected


def test_a_price_that_stood_still_while_bars_raised_the_trail_sells_nothing(
    on_watch: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = bought_with(on_watch(RISE), TRAIL)
    seen = app.feed.quote(BTC, now=app.clock.market())
    with monkeypatch.context() as frozen:
        frozen.setattr(app.feed, "quote", lambda symbol, *, now: seen)
        for _ in range(3):
            later(app)
        level = app.log.refresh().position(BTC).levels.stop_price
        assert level is not None and level > seen.bid
        assert sales(app) == [] and f"{BTC} has no live stop: {OLD_PRICE}" in app.health().failing
    watched(app)
    assert sales(app) == [] and app.health().unprotected == ()


@pytest.mark.parametrize("failure", [NoPrice("none"), FeedError("refused")])
def test_bars_that_cannot_be_had_keep_no_other_trail_from_rising(
    on_watch: Stage, monkeypatch: pytest.MonkeyPatch, failure: FeedError
) -> None:
    app = on_watch(flat(300), eth=RISE)
    for order_id, symbol in (("a", BTC), ("b", ETH)):
        assert app.gate.submit(buy(order_id, "0.5", symbol, exits=TRAIL), Source.MODEL).outcome == "placed"
    bars = app.feed.bars

    def but_one(symbol: str, **more: Any) -> Any:
        if symbol == BTC:
            raise failure
        return bars(symbol, **more)

    monkeypatch.setattr(app.feed, "bars", but_one)
    for _ in range(3):
        later(app)
    assert app.log.refresh().position(ETH).levels.peak == 110


@pytest.mark.parametrize("moment", ["before it is written", "after it was written"])
def test_a_sale_that_leaves_without_ink_beside_a_close_sells_no_coin_twice(
    on_watch: Stage, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    own = {"holdings": {"BTC": "5"}}  # what is not the desk's could be sold by mistake
    app, watcher = bought(on_watch(paper=own)), on_watch(paper=own)
    lease = watcher.leases.take("watch", 600)
    assert lease is not None
    watcher.log.refresh()
    left, fit, asked = app.gate.inkless.left, app.gate._protection._fit, []

    def leaves() -> None:  # the watcher could not write a moment ago
        watcher.gate.inkless.sell(BTC, name="stop", why="the price is there", lease=lease)

    def looked(symbol: str) -> bool:
        found = left(symbol)
        if not asked:
            asked.append(symbol)
            leaves()
        return found

    def fits(*given: Any) -> bool:
        leaves()
        return fit(*given)

    if moment == "before it is written":
        monkeypatch.setattr(app.gate.inkless, "left", looked)
    else:
        monkeypatch.setattr(app.gate._protection, "_fit", fits)
    app.gate.close(BTC, D(1), Source.MODEL, reason="now", order_id="c")
    assert sum(filled for _, filled in at_the_venue(app)) <= 1
    monkeypatch.undo()


@pytest.mark.parametrize("watchers", [1, 2])
def test_a_request_that_hangs_for_longer_than_a_role_lasts_keeps_nobody_from_the_stop(
    on_watch: Stage, monkeypatch: pytest.MonkeyPatch, watchers: int
) -> None:
    monkeypatch.setattr(role, "TTL_S", 0.4)
    app = bought(on_watch())
    desks = [app, *(on_watch() for _ in range(watchers - 1))]
    stop = threading.Event()

    def hangs(_: str) -> Any:
        stop.wait(1.2)
        raise VenueUnreachable("no answer")

    for one in desks:
        one.market.quote = _quoted(one, D(95))  # type: ignore[method-assign]
        monkeypatch.setattr(one.venue, "reports_since", hangs)
    threads = [threading.Thread(target=watching, args=(one, stop), kwargs={"host": "test"}) for one in desks]
    for thread in threads:
        thread.start()
    try:
        until(lambda: sales(app) == ["a-stop-1"])
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("most", [{"max_size": D(1)}, {"max_notional": D(101)}])
def test_what_is_too_much_for_one_order_is_sold_in_several(
    on_watch: Stage, monkeypatch: pytest.MonkeyPatch, most: dict[str, D]
) -> None:
    app = on_watch()
    small = structs.replace(app.market.instrument(BTC), **most)
    monkeypatch.setattr(app.market, "_known", {**app.market._known, BTC: small})
    for order_id, size in (("a", "1"), ("b", "0.5")):
        assert app.gate.submit(buy(order_id, size), Source.MODEL).outcome == "placed"
    app.market.quote = _quoted(app, D(95))  # type: ignore[method-assign]
    watched(app)
    assert app.log.refresh().positions == {} and sales(app)[::-1] == ["a-stop-1", "a-stop-2"]


def bought_with(app: App, plan: ExitPlan) -> App:
    assert app.gate.submit(buy(exits=plan), Source.MODEL).outcome == "placed"
    return app


def later(app: App) -> None:
    app.clock.advance_to(app.clock.market() + STEP + timedelta(seconds=1))
    app.heartbeats.beat("watch", {})
    app.watch.step()
