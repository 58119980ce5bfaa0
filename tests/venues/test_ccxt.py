"""The ccxt venue beyond the contract: lost answers, faults of the exchange, ids, exits that must not wait."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from practice.running import Running
from server.serving import until
from trade_mcp.domain.errors import NotOurs, RefusedForTime, VenueRejected, VenueUnreachable
from trade_mcp.domain.order import OrderType, Role, Side, Status, TimeInForce
from trade_mcp.venues.ccxt import CcxtVenue
from venues.bars import STEP, limit, order, stop
from venues.practised import exchange_of, new_key, practising, venue_of

ORDER = "* /api/v3/order"
POST = "POST /api/v3/order"


@pytest.fixture(scope="module")
def practice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with practising(tmp_path_factory.mktemp("practice"), *["100"] * 40) as running:
        yield running


@pytest.fixture
def venue(practice: Running, tmp_path: Path) -> Iterator[CcxtVenue]:
    opened = venue_of(practice, tmp_path)
    yield opened
    practice.control.clear()
    practice.control.pardon()
    opened.close()


def held(practice: Running, venue: CcxtVenue) -> list[dict[str, Any]]:
    """The orders of the account, by the exchange's own books."""
    return list(practice.control.books(venue.exchange.reads.apiKey)["orders"])


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_lost_answer_is_unknown_and_the_order_is_found_by_our_id(
    practice: Running, venue: CcxtVenue, when: str
) -> None:
    practice.control.add({"fault": "reset", "where": POST, "when": when, "count": 1})
    with pytest.raises(VenueUnreachable):
        venue.submit((order("a"),))
    report = venue.order(order("a"))
    if when == "before":
        assert report is None and held(practice, venue) == []
    else:
        assert report is not None and report.status is Status.FILLED
        assert len(held(practice, venue)) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_an_answer_of_5xx_is_unknown_and_nothing_is_resent(practice: Running, venue: CcxtVenue, status: int) -> None:
    (number,) = practice.control.add({"fault": "answer", "where": POST, "when": "after", "status": status})
    with pytest.raises(VenueUnreachable):
        venue.submit((order("a"),))
    assert [fault["struck"] for fault in practice.control.faults() if fault["number"] == number] == [1]
    assert len(held(practice, venue)) == 1


@pytest.mark.parametrize("fault", ["html", "limit", "ban"])
def test_pages_and_bans_are_unknown(practice: Running, venue: CcxtVenue, fault: str) -> None:
    practice.control.add({"fault": fault, "where": ORDER, "count": 1, "status": 200})
    with pytest.raises(VenueUnreachable) as said:
        venue.submit((order("a"),))
    assert said.value.hint


def test_a_time_out_is_unknown(practice: Running, venue: CcxtVenue) -> None:
    venue.exchange.entries.timeout = 200
    practice.control.add({"fault": "delay", "where": POST, "seconds": 0.8, "count": 1})
    with pytest.raises(VenueUnreachable):
        venue.submit((order("a"),))
    until(lambda: venue.order(order("a")) is not None)
    assert len(held(practice, venue)) == 1


def test_network_trouble_is_never_an_unknown_order(practice: Running, venue: CcxtVenue) -> None:
    venue.submit((limit("a", price="90"),))
    for fault in ("reset", "html", "answer"):
        practice.control.add({"fault": fault, "where": "GET /api/v3/order", "count": 1})
        with pytest.raises(VenueUnreachable):
            venue.order(limit("a", price="90"))
    practice.control.add({"fault": "answer", "where": "GET /api/v3/openOrders", "status": 200, "body": [], "count": 3})
    assert list(venue.open_orders()) == []  # what it says; the order itself is asked for before anybody believes it
    report = venue.order(limit("a", price="90"))
    assert report is not None and report.status is Status.WORKING


def test_an_order_that_vanished_from_the_list_is_asked_for(practice: Running, venue: CcxtVenue) -> None:
    venue.submit((limit("a", price="90"),))
    _, cursor = venue.reports_since("")
    practice.control.add({"fault": "answer", "where": "GET /api/v3/openOrders", "status": 200, "body": [], "count": 2})
    venue._changes.expect()
    reports, cursor = venue.reports_since(cursor)
    assert [(each.order_id, each.status) for each in reports] == [("a", Status.WORKING)]


def test_a_hung_entry_never_holds_a_stop(practice: Running, venue: CcxtVenue) -> None:
    practice.control.add({"fault": "delay", "where": POST, "seconds": 2.0, "count": 1})
    failed: list[Exception] = []

    def enter() -> None:
        try:
            venue.submit((order("slow"),))
        except Exception as error:
            failed.append(error)

    entry = threading.Thread(target=enter)
    entry.start()
    until(lambda: any(fault["struck"] for fault in practice.control.faults()))
    began = time.monotonic()
    asked = stop("stop", trigger="80", role=Role.STOP)
    assert venue.submit((asked,))[0].status is Status.WORKING
    assert venue.cancel(asked).status is Status.CANCELLED
    assert time.monotonic() - began < 1.5 and entry.is_alive()
    entry.join()
    assert failed == []


def test_a_long_id_goes_as_its_hash_and_comes_back_through_the_book(practice: Running, venue: CcxtVenue) -> None:
    entry = "0123456789abcdef0123456789abcdef"
    asked = limit(f"{entry}-target-12", price="90")
    venue.submit((asked,))
    (kept,) = held(practice, venue)
    theirs = kept["clientOrderId"]
    assert len(theirs) == 32 and theirs != entry
    other = venue_of(practice, venue.exchange._file.parent, venue.exchange.reads.apiKey)
    assert [each.order_id for each in other.open_orders()] == [theirs]
    other.names.book = lambda: [asked.order_id]
    assert [each.order_id for each in other.open_orders()] == [asked.order_id]
    assert other.cancel(asked).status is Status.CANCELLED
    other.close()


def test_two_ledgers_on_one_account_never_mean_the_same_order(practice: Running, venue: CcxtVenue) -> None:
    venue.names.ledger = "11111111"
    long = "0123456789abcdef0123456789abcdef-stop-1"
    mine = [limit("a", price="90"), limit(long, price="89")]
    for asked in mine:
        venue.submit((asked,))
    other = venue_of(practice, venue.exchange._file.parent, venue.exchange.reads.apiKey)
    other.names.book = lambda: ["a", long]  # it has orders of these ids too, which never arrived
    for ledger in ("22222222", ""):
        other.names.ledger = ledger
        assert [other.order(asked) for asked in mine] == [None, None]
        theirs = {report.order_id for report in other.open_orders()}
        assert len(theirs) == 2 and not theirs & {"a", long}
    again = venue_of(practice, venue.exchange._file.parent, venue.exchange.reads.apiKey)
    again.names.ledger, again.names.book = "11111111", lambda: [long]
    assert {report.order_id for report in again.open_orders()} == {"a", long}
    other.close()
    again.close()


def test_a_ledger_with_an_id_takes_no_older_order_for_its_own(practice: Running, venue: CcxtVenue) -> None:
    venue.submit((limit("a", price="90"),))  # of a ledger without one, or of a person
    venue.names.ledger = "11111111"
    assert [report.order_id for report in venue.open_orders()] == ["other:a"]
    assert venue.order(limit("a", price="90")) is None


def test_what_another_hand_does_is_reported_with_its_fills(practice: Running, venue: CcxtVenue) -> None:
    _, cursor = venue.reports_since("")
    hand = exchange_of(practice, Path("/nowhere"), venue.exchange.reads.apiKey).reads
    hand.create_order("BTC/USDT", "market", "buy", "0.5", None, {"clientOrderId": "by-hand"})
    (report,), cursor = venue.reports_since(cursor)
    assert (report.order_id, report.status, report.filled) == ("by-hand", Status.FILLED, Decimal("0.5"))
    assert sum(fill.size for fill in report.fills) == report.filled
    assert venue.reports_since(cursor) == ((), cursor)


def test_a_quiet_account_costs_one_look_at_its_balances(practice: Running, venue: CcxtVenue) -> None:
    venue.submit((limit("a", price="90"),))
    _, cursor = venue.reports_since("")
    (counter,) = practice.control.add({"fault": "reset", "where": "GET *", "probability": 0.0})
    assert venue.reports_since(cursor) == ((), cursor)
    assert [fault["met"] for fault in practice.control.faults() if fault["number"] == counter] == [1]
    venue.poll_s = 60.0
    assert venue.reports_since(cursor) == ((), cursor)
    assert [fault["met"] for fault in practice.control.faults() if fault["number"] == counter] == [1]


def test_a_fee_in_the_base_coin_and_balances_agree_to_the_last_digit(practice: Running, venue: CcxtVenue) -> None:
    (report,) = venue.submit((order("a", size="0.12345"),))
    expected = {"USDT": Decimal(100_000), "BTC": Decimal(10)}
    for fill in report.fills:
        expected["BTC"] += fill.size
        expected["USDT"] -= fill.size * fill.price
        expected[fill.fee_currency] -= fill.fee
        assert fill.fee_quote == fill.fee * (fill.price if fill.fee_currency == "BTC" else 1)
    assert {currency: balance.total for currency, balance in venue.balances().items()} == expected


def test_every_kind_of_order_rests_as_what_it_is(practice: Running, venue: CcxtVenue) -> None:
    orders = [
        limit("limit", price="90"),
        limit("maker", price="91", post_only=True),
        stop("stop", trigger="80"),
        order("stop-limit", Side.SELL, type=OrderType.STOP_LIMIT, trigger_price="80", limit_price="79"),
        order("take", Side.SELL, type=OrderType.TAKE_PROFIT, trigger_price="150"),
        stop("breakout", Side.BUY, trigger="120"),
    ]
    for asked in orders:
        (report,) = venue.submit((asked,))
        assert report.status is Status.WORKING
        known = venue.order(asked)
        assert known is not None
        assert (known.type, known.side, known.size) == (asked.type, asked.side, asked.size)
        assert (known.trigger_price, known.limit_price) == (asked.trigger_price, asked.limit_price)
    assert {each.order_id for each in venue.open_orders()} == {each.order_id for each in orders}


def test_ioc_takes_what_is_there_and_fok_all_or_nothing(practice: Running, venue: CcxtVenue) -> None:
    (report,) = venue.submit((limit("ioc", size="250", price="110", time_in_force=TimeInForce.IOC),))
    assert report.status is Status.EXPIRED and 0 < report.filled < 250
    practice.control.move_on(STEP.total_seconds())
    (report,) = venue.submit((limit("fok", size="250", price="110", time_in_force=TimeInForce.FOK),))
    assert (report.status, report.filled) == (Status.EXPIRED, 0)


REFUSED_HERE = {
    "a trailing stop": order("x", Side.SELL, type=OrderType.TRAILING_STOP, trigger_price="90"),
    "for the day": limit("x", price="90", time_in_force=TimeInForce.DAY),
    "fill or kill at the market": order("x", time_in_force=TimeInForce.FOK),
    "below the minimum notional at the market": order("x", size="0.01", worst_price=Decimal(101)),
}


@pytest.mark.parametrize("what", REFUSED_HERE)
def test_what_the_exchange_cannot_do_is_refused_before_it_is_asked(
    practice: Running, venue: CcxtVenue, what: str
) -> None:
    venue.instruments()
    practice.control.add({"fault": "reset", "where": "*"})
    with pytest.raises(VenueRejected):
        venue.submit((REFUSED_HERE[what],))


def test_a_clock_that_is_off_is_set_and_the_order_may_come_again(practice: Running, venue: CcxtVenue) -> None:
    practice.control.add({"fault": "clock", "seconds": -30})
    with pytest.raises(RefusedForTime):  # whether it may still be sent, the sender knows
        venue.submit((order("a"),))
    assert held(practice, venue) == []
    (report,) = venue.submit((order("a"),))
    assert report.status is Status.FILLED
    assert len(held(practice, venue)) == 1
    assert abs(venue.exchange.offset_ms - 30_000) < 2_000


def test_a_halted_symbol_takes_no_entry(practice: Running, tmp_path: Path) -> None:
    practice.control.set_symbol("ETHUSDT", "BREAK")
    try:
        venue = venue_of(practice, tmp_path)
        with pytest.raises(VenueRejected, match="halted or delisted"):
            venue.submit((structs.replace(limit("a", price="9"), symbol="ETH/USDT"),))
        venue.close()
    finally:
        practice.control.set_symbol("ETHUSDT", "TRADING")


def test_a_symbol_halted_since_says_so(practice: Running, venue: CcxtVenue) -> None:
    venue.instruments()
    practice.control.set_symbol("ETHUSDT", "BREAK")
    try:
        with pytest.raises(VenueRejected, match=r"(?i)closed") as said:
            venue.submit((structs.replace(limit("a", price="9"), symbol="ETH/USDT"),))
        assert "halted" in said.value.hint
    finally:
        practice.control.set_symbol("ETHUSDT", "TRADING")


def test_entries_stop_before_exits_when_the_budget_is_nearly_used(practice: Running, venue: CcxtVenue) -> None:
    venue.submit((limit("a", price="90"),))
    venue.exchange.budget.note({"X-MBX-USED-WEIGHT-1M": "4900"})
    with pytest.raises(VenueUnreachable, match="nothing was sent"):
        venue.submit((order("b"),))
    assert venue.cancel(limit("a", price="90")).status is Status.CANCELLED


def test_two_venues_with_one_key_do_not_mind_each_other(practice: Running, tmp_path: Path) -> None:
    key = new_key(practice)
    one, two = (venue_of(practice, tmp_path / name, key) for name in "ab")
    one.submit((limit("a", price="90"),))
    assert [each.order_id for each in two.open_orders()] == ["a"]
    assert two.cancel(limit("a", price="90")).status is Status.CANCELLED
    one.close()
    two.close()


def test_money_that_comes_and_goes_is_told_once(practice: Running, tmp_path: Path) -> None:
    venue = venue_of(practice, tmp_path)
    key = venue.exchange.reads.apiKey
    assert venue.transfers_since("")[0] == []
    _, cursor = venue.transfers_since("")
    practice.control.transfer(key, "USDT", "250.5")
    practice.control.transfer(key, "BTC", "-0.25")
    moved, cursor = venue.transfers_since(cursor)
    assert [(each.currency, each.amount) for each in moved] == [("USDT", Decimal("250.5")), ("BTC", Decimal("-0.25"))]
    assert venue.transfers_since(cursor)[0] == []
    venue.close()


@pytest.mark.parametrize("what", ["size 2", "side sell", "s older"])
def test_another_order_by_an_id_of_ours_is_not_taken_for_ours(practice: Running, venue: CcxtVenue, what: str) -> None:
    sent = {"size 2": order("a", size="2"), "side sell": order("a", Side.SELL), "s older": order("a")}[what]
    other = venue_of(practice, venue.exchange._file.parent, venue.exchange.reads.apiKey)
    other.submit((sent,))
    other.close()
    later = timedelta(minutes=5) if what == "s older" else timedelta()
    ours = order("a")
    with pytest.raises(NotOurs, match=what):
        venue.order(structs.replace(ours, real_at=ours.real_at + later))
    assert venue.order(sent) is not None


WITHOUT = {
    "has no stops": {"orderTypes": ["LIMIT", "MARKET"]},
    "takes no stop and target together": {"ocoAllowed": False},
}


@pytest.mark.parametrize("why", WITHOUT)
def test_what_could_not_be_protected_is_not_bought(practice: Running, tmp_path: Path, why: str) -> None:
    first = venue_of(practice, tmp_path)
    first.instruments()
    first.close()
    (file,) = (tmp_path / "markets").iterdir()
    kept = json.loads(file.read_bytes())
    for market in kept["spot"]:
        market["info"] |= WITHOUT[why]
    file.write_text(json.dumps(kept))
    venue = venue_of(practice, tmp_path, first.exchange.reads.apiKey)
    with pytest.raises(VenueRejected, match=why):
        venue.submit((order("a"),))
    assert why in venue.state()["no_entries"]["BTC/USDT"]
    assert venue.submit((order("b", Side.SELL, role=Role.CLOSE),))[0].status is Status.FILLED
    venue.close()
