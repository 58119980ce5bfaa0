"""An exchange at which no stop rests: the desk watches them, and sells once, whatever happens meanwhile."""

import threading
from collections.abc import Callable
from decimal import Decimal as D
from typing import Any

import pytest

from desk.stage import BTC, STOP_2, WARM, flat
from reconcile.test_other_hands import alarms
from storm_exchange.invariants import at_rest
from storm_exchange.sea import Sea, buy, watched
from storm_exchange.test_sending import GRACE, ORDER, SOON, Dead, settled
from trade_mcp.app import App
from trade_mcp.desk.reconcile import differences
from trade_mcp.desk.tally import Verdict, tally
from trade_mcp.domain.distances import Distance, parse_distance
from trade_mcp.domain.errors import VenueRejected
from trade_mcp.domain.events import TradingState
from trade_mcp.domain.exits import ExitPlan, Rung
from trade_mcp.domain.order import Order, OrderType, Role, Source, Status
from trade_mcp.server.tools.desk import get_status
from trade_mcp.store import reads
from venues.stopless import stopless

pytestmark = pytest.mark.storm
AtSea = Callable[..., Sea]
FALL = [*flat(WARM + 1), (100, 100, 97, 97.5), *flat(30, 97.5)]  # through a stop at 98


@pytest.fixture
def on_watch(at_sea: AtSea) -> AtSea:
    """Seas whose exchange has no stops."""
    return lambda bars=None, **more: at_sea(bars, stops=False, **more)


def sales(app: App) -> list[Order]:
    """What was sold or was to be, oldest first."""
    return [order for order in reversed(reads.orders(app.engine)[0]) if order.side == "sell"]


def at_the_exchange(sea: Sea) -> list[str]:
    return [order["executedQty"] for order in sea.orders if order["side"] == "SELL"]


def bought(sea: Sea, **more: Any) -> App:
    app = sea.desk()
    assert app.gate.submit(buy(**more), Source.MODEL).outcome == "placed"
    assert sea.resting == []
    return app


def sold_once(sea: Sea, app: App) -> None:
    for _ in range(3):
        watched(app)
    assert app.log.refresh().positions == {} and app.log.book.orders == {}
    assert sum(D(filled) for filled in at_the_exchange(sea)) == D("0.999")
    at_rest(app, sea.books)


def test_nothing_rests_and_the_desk_sells_once_when_the_price_is_at_the_stop(on_watch: AtSea) -> None:
    sea = on_watch(FALL)
    app = bought(sea)
    watched(app)
    assert app.log.book.stops_watched and app.log.refresh().unprotected() == []
    assert sales(app) == [] and app.portfolio().positions[0].protected
    assert all(line.verdict is Verdict.AGREES for line in tally(app.log, app.venue))
    sea.bars(2)
    watched(app)
    (sold,) = sales(app)
    assert (sold.order_id, sold.role, sold.source) == ("a-stop-1", Role.CLOSE, Source.EXIT)
    assert sold.reason == "the price reached its stop, which the desk watches"
    assert at_the_exchange(sea) == ["0.99900000"]
    sold_once(sea, app)


def test_a_gap_through_the_stop_is_sold_at_what_the_market_gives(on_watch: AtSea) -> None:
    sea = on_watch([*flat(WARM + 1), (90, 90, 88, 89), *flat(30, 89.0)])
    app = bought(sea)
    sea.bars(2)
    sold_once(sea, app)
    (sold,) = sales(app)
    assert sold.cost / sold.filled < 90


def test_a_trail_and_its_peak_stand_over_a_restart(on_watch: AtSea) -> None:
    bars = [*flat(WARM + 1), (100, 104, 100, 104), (104, 104, 102.2, 102.4), (102.4, 102.4, 101, 101.5)]
    sea = on_watch([*bars, *flat(30, 101.5)])
    app = bought(sea, exits=ExitPlan(trail=Distance(fraction=D("0.02"))))
    sea.bars(2)
    watched(app)
    app = sea.restart(app)
    assert app.log.refresh().positions[BTC].levels.stop_price == D("101.92")
    sea.bars()
    watched(app)
    assert sales(app) == []
    sea.bars()
    sold_once(sea, app)


def test_a_stop_that_moved_to_break_even_sells_there(on_watch: AtSea) -> None:
    bars = [*flat(WARM + 1), (100, 102.5, 100, 102.4), (102.4, 102.4, 100.2, 100.3), (100.3, 100.3, 100, 100.05)]
    sea = on_watch([*bars, *flat(30, 100.05)])
    plan = ExitPlan(stop=parse_distance("2%"), break_even=parse_distance("1R"))
    app = bought(sea, exits=plan)
    sea.bars(2)
    watched(app)
    assert sales(app) == []
    sea.bars(2)
    sold_once(sea, app)


def test_a_target_and_the_steps_of_a_ladder_are_watched_beside_the_stop(on_watch: AtSea) -> None:
    sea = on_watch([*flat(WARM + 1), (100, 102.5, 100, 102.5), (102.5, 104.5, 102.5, 104.5), *flat(30, 104.5)])
    rungs = (Rung(D("0.5"), parse_distance("2%")),)
    app = bought(sea, exits=ExitPlan(stop=parse_distance("2%"), target=parse_distance("4%"), rungs=rungs))
    sea.bars(2)
    watched(app)
    assert app.log.refresh().positions[BTC].size < D("0.6")
    sea.bars(2)
    sold_once(sea, app)
    assert [order.order_id for order in sales(app)] == ["a-rung-1-1", "a-take-1"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_sale_whose_answer_is_lost_is_never_made_twice(on_watch: AtSea, when: str) -> None:
    sea = on_watch(FALL)
    app = bought(sea)
    sea.bars(2)
    sea.fault("drop", ORDER, when=when, count=1)
    watched(app)
    watched(app)
    assert len(sales(app)) == 1  # nobody knows: it is not sent again
    for seconds in (SOON, GRACE):
        sea.pass_(seconds)
        watched(app)
    sold_once(sea, app)
    assert [order.status for order in sales(app)][-1] is Status.FILLED
    told = [text for text in alarms(app) if "goes on trying" in text]
    assert len(told) == (1 if when == "before" else 0)


def test_a_process_that_dies_between_decision_and_send_leaves_the_stop_to_the_next(on_watch: AtSea) -> None:
    sea = on_watch(FALL)
    app = bought(sea)
    sea.bars(2)

    def dies(orders: tuple[Order, ...]) -> Any:
        raise Dead

    app.venue.submit = dies  # type: ignore[method-assign]
    with pytest.raises(Dead):
        app.watch.step()
    again = sea.restart(app)
    watched(again)
    assert at_the_exchange(sea) == [] and len(sales(again)) == 1  # it may have left
    sea.pass_(60)
    watched(again)
    sold_once(sea, again)


def test_a_sale_in_part_is_followed_by_the_rest(on_watch: AtSea) -> None:
    sea = on_watch(FALL)
    app = bought(sea)
    sea.fault("partial", "fill BTCUSDT", fraction="0.4", count=2)
    sea.bars(2)
    for _ in range(4):
        watched(app)
        sea.pass_(10)
        sea.bars()
    sold_once(sea, app)


def test_a_sale_that_is_refused_is_tried_again_less_and_less_often_and_told(on_watch: AtSea) -> None:
    sea = on_watch(FALL)
    app = bought(sea)
    real = app.venue.submit

    def refuses(orders: tuple[Order, ...]) -> Any:
        raise VenueRejected("not today")

    app.venue.submit = refuses  # type: ignore[method-assign]
    sea.bars(2)
    for _ in range(20):
        watched(app)
    assert len(sales(app)) == 1
    assert any("BTC/USDT has no live stop" in each and "not sold yet" in each for each in app.health().failing)
    for _ in range(8):
        sea.pass_(30)
        for _ in range(5):
            watched(app)
    assert len(sales(app)) == 9
    assert len([text for text in alarms(app) if "came to nothing (not today); the desk goes on trying" in text]) == 1
    app.venue.submit = real  # type: ignore[method-assign]
    sea.pass_(30)
    sold_once(sea, app)
    assert app.health().unprotected == ()


def test_two_watchers_at_the_same_moment_sell_once(on_watch: AtSea) -> None:
    sea = on_watch(FALL)
    app, other = bought(sea), sea.desk()
    sea.bars(2)
    threads = [threading.Thread(target=desk.gate.protect, args=(BTC,)) for desk in (app, other) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sales(app)) == 1
    sold_once(sea, app)
    watched(other)
    at_rest(other, sea.books)


def test_while_halted_the_stop_sells_and_after_part_was_closed_it_sells_the_rest(on_watch: AtSea) -> None:
    sea = on_watch(FALL)
    app = bought(sea)
    assert app.gate.close(BTC, D("0.4"), Source.MODEL, reason="part", order_id="part").outcome == "closed"
    app.gate.set_state(TradingState.HALTED, Source.OPERATOR, reason="enough")
    sea.bars(2)
    sold_once(sea, app)
    assert [order.order_id for order in sales(app)] == ["part", "a-stop-1"]


def test_a_stop_that_is_set_tighter_counts_at_once_and_over_a_restart(on_watch: AtSea) -> None:
    sea = on_watch([*flat(WARM + 1), (100, 100, 99, 99.2), *flat(30, 99.2)])
    app = bought(sea)
    receipt = app.gate.set_exits(BTC, ExitPlan(stop=D("99.5")), Source.MODEL)
    assert receipt.outcome == "exits_set" and receipt.legs == ()
    app = sea.restart(app)
    sea.bars(2)
    sold_once(sea, app)


def test_what_a_person_hands_over_is_watched_too(on_watch: AtSea) -> None:
    sea = on_watch(FALL, holdings="BTC=0.5")
    app = sea.desk()
    held = app.takeover.coins(BTC, size=None, entry=None, reason="watch it", takeover_id="t")
    assert held.size == D("0.5") and held.levels.stop_price is not None and sea.resting == []
    sea.bars(2)
    watched(app)
    assert app.log.refresh().positions == {} and at_the_exchange(sea) == ["0.50000000"]
    assert differences(app.log.book, app.venue) == []


def test_orders_with_a_trigger_are_refused_with_the_reason(on_watch: AtSea) -> None:
    sea = on_watch()
    app = sea.desk()
    receipt = app.gate.submit(buy(type=OrderType.STOP, trigger_price=D(101)), Source.MODEL)
    assert receipt.outcome == "nothing" and "do not rest at this exchange" in receipt.message
    assert sea.orders == []


def test_a_person_is_told_what_rests_nowhere(on_watch: AtSea) -> None:
    app = bought(on_watch())
    said = get_status(app)["exchange"]["watched_by_the_desk"]
    assert said[0] == "stops (nothing rests; if the desk does not run, nothing sells)"


def test_stops_that_rested_are_taken_back_when_the_desk_begins_to_watch_them(at_sea: AtSea) -> None:
    sea = at_sea(FALL)
    app = sea.desk()
    app.gate.submit(buy(exits=STOP_2), Source.MODEL)
    assert len(sea.resting) == 1 and not app.log.book.stops_watched
    with stopless():
        app = sea.restart(app)
        watched(app)
        assert sea.resting == [] and app.log.refresh().stops_watched and app.log.book.unprotected() == []
    app = sea.restart(app)
    watched(app)
    assert len(sea.resting) == 1 and not app.log.refresh().stops_watched
    settled(sea, app)
