"""Stops that the desk watches itself, when what that needs is missing: a price, the ledger, a watcher, an answer."""

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest
import structlog

from desk.stage import BTC, STOP_2, WARM, buy, flat, on, watched
from desk.test_order_life import sound
from faults.test_exits import _quoted, alarms
from trade_mcp.app import App
from trade_mcp.cli.up import _left
from trade_mcp.desk.watched import NO_PRICE, NOBODY, OLD_PRICE
from trade_mcp.domain.distances import Distance
from trade_mcp.domain.errors import LedgerBusy, LedgerUnwritable, NoPrice, VenueUnreachable
from trade_mcp.domain.events import Alarm, OrderRefused
from trade_mcp.domain.exits import ExitPlan
from trade_mcp.domain.order import OrderRequest, OrderType, Side, Source
from trade_mcp.office.explain import explain
from trade_mcp.ports import Rests
from trade_mcp.store import history, reads
from trade_mcp.store.verify import verify
from trade_mcp.venues.paper import PaperVenue

Stage = Callable[..., App]
FALL = [*flat(WARM + 1), (100, 100, 97, 97.5), *flat(30, 97.5)]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The failures are meant: their tracebacks would take longer than the tests."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.fixture
def on_watch(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Desks whose venue holds nothing of an exit."""
    monkeypatch.setattr(PaperVenue, "rests", Rests(stops=False, trailing=False, pairs=False))

    def begin(bars: Any = None, **more: Any) -> App:
        return stage(bars or FALL, **more)

    return begin


def bought(app: App) -> App:
    assert app.gate.submit(buy(exits=STOP_2), Source.MODEL).outcome == "placed"
    assert app.log.refresh().orders == {}
    return app


def sales(app: App) -> list[str]:
    return [order.order_id for order in reads.orders(app.engine)[0] if order.side == "sell"]


def sold_once(app: App) -> None:
    assert app.log.refresh().positions == {} and app.log.book.orders == {}
    assert len(sales(app)) == 1 and sum(r.filled for r in app.venue.reports_since("")[0] if r.side == "sell") == 1
    sound(app)


def test_without_a_price_nothing_is_sold_and_it_is_told(on_watch: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    app = bought(on_watch())

    def silent(symbol: str, **_: Any) -> Any:
        raise NoPrice("no price")

    with monkeypatch.context() as gone:
        gone.setattr(app.feed, "quote", silent)
        assert app.watch.step().unprotected == (BTC,)
        assert f"{BTC} has no live stop: {NO_PRICE}" in app.health().failing
        assert app.portfolio().unprotected == (BTC,)
    assert sales(app) == []
    watched(app)
    assert app.health().unprotected == ()
    on(app, 2)
    sold_once(app)


def test_a_price_that_stands_still_is_told_and_one_below_the_stop_still_counts(
    on_watch: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = bought(on_watch())
    seen = app.feed.quote(BTC, now=app.clock.market())
    monkeypatch.setattr(app.feed, "quote", lambda symbol, *, now: seen)
    app.clock.advance_to(app.clock.market() + timedelta(minutes=20))
    app.heartbeats.beat("watch", {})
    assert app.watch.step().unprotected == (BTC,)
    assert f"{BTC} has no live stop: {OLD_PRICE}" in app.health().failing
    monkeypatch.undo()


def test_a_stop_that_nobody_watches_protects_nothing(on_watch: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    app = bought(on_watch())
    assert app.portfolio().positions[0].protected and app.health().unprotected == ()
    real = app.clock.real
    monkeypatch.setattr(app.clock, "real", lambda: real() + timedelta(seconds=90))
    assert f"{BTC} has no live stop: {NOBODY}" in app.health().failing
    assert not app.portfolio().positions[0].protected
    receipt = app.gate.submit(buy("b", "0.5"), Source.MODEL)
    assert receipt.refused and "watcher_alive" in [verdict.rule for verdict in receipt.failed]
    watched(app)


def test_requests_that_hang_delay_the_stop_by_no_more_than_one_of_them(
    on_watch: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = bought(on_watch())
    watched(app)
    asked = []

    def hangs(*_: Any) -> Any:
        asked.append(sales(app))
        if len(asked) == 1:
            app.market.quote = _quoted(app, D(95))  # type: ignore[method-assign]
        raise VenueUnreachable("no answer within 10 s")

    for name in ("reports_since", "open_orders", "balances"):
        monkeypatch.setattr(app.venue, name, hangs)
    app.watch._audited = None
    app.watch.step()
    assert asked[0] == [] and all(sold == ["a-stop-1"] for sold in asked[1:]) and len(asked) > 1


def test_without_ink_the_stop_sells_once_and_never_again_before_that_is_written(
    on_watch: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = on_watch(paper={"holdings": {"BTC": "5"}})  # what is not the desk's could be sold by mistake
    lease = app.leases.take("watch", 600)
    bought(app)
    full(app)
    app.market.quote = _quoted(app, D(95))  # type: ignore[method-assign]
    boot = app.clock.boot()
    for later in (0, 40, 80):
        monkeypatch.setattr(app.clock, "boot", lambda later=later: boot + later)
        app.watch.step(lease)
    assert at_the_venue(app) == [("a-stop-1", D(1))] and app.log.order("a-stop-1") is None
    app.engine._write.execute("PRAGMA max_page_count = 1073741823")  # type: ignore[union-attr]
    monkeypatch.setattr(app.gate.inkless, "import_spill", busy)
    monkeypatch.setattr(app.clock, "boot", lambda: boot + 120)
    assert app.gate.close(BTC, D(1), Source.MODEL, reason="now", order_id="c").outcome == "nothing"
    app.watch.step(lease)  # there is ink again, and what left could not be written down yet
    assert at_the_venue(app) == [("a-stop-1", D(1))]
    monkeypatch.undo()
    later = app.clock.real() + timedelta(seconds=60)
    monkeypatch.setattr(app.clock, "real", lambda: later)
    for _ in range(3):
        app.watch.step(lease)
    assert app.venue.balances()["BTC"].total == 5
    assert app.log.refresh().positions == {} and app.log.book.orders == {}
    assert any("left while the ledger could not be written" in text for text in alarms(app))
    assert verify(app.engine, code="test").broken == ""
    sound(app)


def test_a_rest_that_no_venue_takes_is_not_asked_for_again_and_again(on_watch: Stage) -> None:
    app = on_watch([*flat(WARM + 1), (100, 105, 100, 105), *flat(30, 105.0)])
    plan = ExitPlan(stop=Distance(fraction=D("0.02")), target=Distance(fraction=D("0.04")))
    app.gate.submit(buy(size="1", exits=plan), Source.MODEL)
    resting = buy("dip", "0.9", type=OrderType.LIMIT, limit_price=D(99), exits=STOP_2)
    assert app.gate.submit(resting, Source.MODEL).outcome == "placed"  # while it may grow, a rest is not called dust
    sold = OrderRequest(order_id="s", symbol=BTC, side=Side.SELL, size=D("0.97"))
    assert app.gate.submit(sold, Source.MODEL).outcome == "closed"
    on(app, 3)
    assert app.log.refresh().positions[BTC].size == D("0.03") and sales(app) == ["s"]
    assert history.events(app.engine, (OrderRefused,)) == []


def test_who_ends_the_desk_hears_what_is_left_without_a_stop(on_watch: Stage) -> None:
    app = on_watch()
    assert _left(app) == ""
    assert _left(bought(app)) == "BTC/USDT: no stop rests at paper, and nothing sells until the desk runs again"


def at_the_venue(app: App) -> Sequence[tuple[str, D]]:
    return [(each.order_id, each.filled) for each in app.venue.reports_since("")[0] if each.side == "sell"]


def busy(*_: Any) -> None:
    raise LedgerBusy("another program holds it")


def full(app: App) -> None:
    """Nothing can be written any more."""
    pages = app.engine._write.execute("PRAGMA page_count").fetchone()[0]  # type: ignore[union-attr]
    app.engine._write.execute(f"PRAGMA max_page_count = {pages}")  # type: ignore[union-attr]
    with pytest.raises(LedgerUnwritable):
        for number in range(200):
            with app.log.writing() as ledger:
                ledger.append(Alarm(f"filler {number} " + "x" * 500))


def test_the_story_of_a_trade_knows_its_watched_stop(on_watch: Stage) -> None:
    app = bought(on_watch())
    on(app, 2)
    sold_once(app)
    story = explain(app.log, "a")
    assert story.trade is not None and story.trade.exit_kind == "stop"
    assert story.risked is not None and D("1.9") < story.risked < D("2.1")
