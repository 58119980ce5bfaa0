"""An exchange that is asked for no more than any other offers: no look-up by our id, no trade after an id, no OCO.

The practice exchange offers more; the venue is told that it does not.
"""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec import structs

from practice.running import Running
from trade_mcp.domain.errors import VenueRejected, VenueUnreachable
from trade_mcp.domain.order import Side, Status
from trade_mcp.ports import Rests
from trade_mcp.venues.capabilities import Dialect
from trade_mcp.venues.ccxt import CcxtVenue
from trade_mcp.venues.ccxt_names import Names
from venues.bars import STEP, limit, order, stop
from venues.practised import practising, venue_of

PRICES = ("100", "100 101 99 100", "100", "100")


@pytest.fixture
def practice(tmp_path: Path) -> Iterator[Running]:
    with practising(tmp_path, *PRICES) as running:
        yield running


@pytest.fixture
def venue(practice: Running, tmp_path: Path) -> Iterator[CcxtVenue]:
    opened = venue_of(practice, tmp_path)
    opened.can = structs.replace(opened.can, pairs=False, market_buys=False, dialect=Dialect(stops=True))
    opened.rests, opened.names = Rests(trailing=False, pairs=False), Names(opened.can.dialect)
    yield opened
    opened.close()


def test_an_order_is_found_in_the_lists_by_its_hash(practice: Running, venue: CcxtVenue) -> None:
    assert venue.order(limit("a", price="90")) is None
    practice.control.add({"fault": "reset", "where": "POST /api/v3/order", "when": "after", "count": 1})
    with pytest.raises(VenueUnreachable):
        venue.submit((limit("a", price="90"),))
    found = venue.order(limit("a", price="90"))
    assert found is not None and (found.order_id, found.status) == ("a", Status.WORKING)
    assert venue.cancel(limit("a", price="90")).status is Status.CANCELLED
    ended = venue.order(limit("a", price="90"))
    assert ended is not None and ended.status is Status.CANCELLED
    with pytest.raises(VenueRejected, match="nobody"):
        venue.cancel(limit("nobody", price="90"))


def test_a_purchase_at_the_market_goes_as_a_limit_at_the_reserved_price(venue: CcxtVenue) -> None:
    (report,) = venue.submit((order("a", size="0.5", worst_price=Decimal("101.005")),))
    assert (report.status, report.filled) == (Status.FILLED, Decimal("0.5"))
    assert all(fill.price <= Decimal("101.01") for fill in report.fills)


def test_fills_are_found_by_their_time_once(practice: Running, venue: CcxtVenue) -> None:
    venue.submit((order("before", Side.SELL),))
    _, cursor = venue.reports_since("")
    resting = limit("rests", price="99.5")
    venue.submit((resting,))
    reports, cursor = venue.reports_since(cursor)
    assert [(each.order_id, each.status) for each in reports] == [("rests", Status.WORKING)]
    practice.control.move_on(STEP.total_seconds())
    (report,), cursor = venue.reports_since(cursor)
    assert (report.order_id, report.status, report.filled) == ("rests", Status.FILLED, Decimal(1))
    assert sum(fill.size for fill in report.fills) == 1
    assert venue.reports_since(cursor) == ((), cursor)
    known = venue.order(resting)
    assert known is not None and known.fills == report.fills


def test_stop_and_target_together_are_refused_and_the_stop_rests_alone(venue: CcxtVenue) -> None:
    legs = stop("s", trigger="80", group="g"), limit("t", Side.SELL, price="120", group="g")
    with pytest.raises(VenueRejected, match="OCO"):
        venue.submit(legs)
    assert venue.submit((structs.replace(legs[0], group=""),))[0].status is Status.WORKING
    assert any("targets" in each for each in venue.can.watched)
