"""Exits that the exchange does not hold itself are watched by the desk, on a stop that always rests."""

from collections.abc import Callable
from decimal import Decimal as D

import pytest

from desk.stage import WARM, flat
from desk.test_order_life import stops
from storm_exchange.invariants import at_rest
from storm_exchange.sea import Sea, buy, watched
from trade_mcp.domain.distances import Distance
from trade_mcp.domain.exits import ExitPlan
from trade_mcp.domain.order import OrderType, Source
from trade_mcp.ports import Rests
from trade_mcp.store import reads

pytestmark = pytest.mark.storm
AtSea = Callable[..., Sea]
TRAIL = ExitPlan(trail=Distance(fraction=D("0.02")))


def test_a_trail_is_a_plain_stop_that_is_moved_up_and_never_down(at_sea: AtSea) -> None:
    bars = [*flat(WARM + 1), (100, 104, 100, 104), (104, 104.05, 103.5, 104), (104, 104, 101, 101.5), *flat(20, 101.5)]
    sea = at_sea(bars)
    app = sea.desk()
    app.gate.submit(buy(exits=TRAIL), Source.MODEL)
    ((name, _, trigger),) = stops(app)
    assert app.log.book.orders[name].type is OrderType.STOP
    assert trigger is not None and D(98) < trigger < D("98.1")
    sea.bars(2)
    watched(app)
    ((moved, size, raised),) = stops(app)
    assert moved != name and size == D("0.999") and raised == D("101.92")
    sea.bars()
    watched(app)
    assert stops(app) == [(moved, size, raised)]  # a twentieth of a percent is not worth a gap without a stop
    sea.bars(2)
    watched(app)
    assert app.log.refresh().positions == {}
    at_rest(app, sea.books)


@pytest.mark.parametrize("kept", [True, False], ids=["pair", "alone"])
def test_a_target_is_reached_whether_it_rests_or_is_watched(at_sea: AtSea, kept: bool) -> None:
    sea = at_sea([*flat(WARM + 2), (100, 103, 100, 103), *flat(20, 103.0)])
    app = sea.desk()
    alone = Rests(trailing=False, pairs=kept)
    app.gate._protection._exits._rests = app.watch._due._rests = alone
    plan = ExitPlan(stop=Distance(fraction=D("0.02")), target=Distance(fraction=D("0.02")))
    app.gate.submit(buy(exits=plan), Source.MODEL)
    assert len(sea.resting) == (2 if kept else 1)
    sea.bars(3)
    for _ in range(2):
        watched(app)
    assert app.log.refresh().positions == {} and sea.resting == []
    sold = next(order for order in reads.orders(app.engine)[0] if order.filled and order.side == "sell")
    assert sold.order_id == ("a-target-1" if kept else "a-take-1")
    at_rest(app, sea.books)
