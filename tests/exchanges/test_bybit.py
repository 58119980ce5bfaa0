"""Bybit through unmodified ccxt: what may be lost, doubled or misread there, prices, and the whole desk."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from exchanges.bybit import Bybit, told
from exchanges.known import exchange_at, translated, venue_at
from exchanges.translator import Account, Answer, Fault
from practice.running import Running, running
from trade_mcp.app import App, build
from trade_mcp.desk.reconcile import differences
from trade_mcp.domain.distances import Distance
from trade_mcp.domain.errors import (
    BadConfig,
    NotOurs,
    OddAnswer,
    RefusedForTime,
    VenueRejected,
    VenueUnreachable,
)
from trade_mcp.domain.exits import ExitPlan
from trade_mcp.domain.order import OrderRequest, Side, Source, Status, TimeInForce
from trade_mcp.feeds.ccxt import ccxt_feed
from trade_mcp.settings import load_settings
from trade_mcp.venues.ccxt import CcxtVenue, open_ccxt
from trade_mcp.venues.exchange_key import check_key
from venues.bars import BTC, STEP, limit, order
from venues.practised import practising

CREATE, CANCEL = "POST /v5/order/create", "POST /v5/order/cancel"
REALTIME, HISTORY, EXECUTIONS = "GET /v5/order/realtime", "GET /v5/order/history", "GET /v5/execution/list"
PAGE = Answer(text="<!DOCTYPE html><html>Sign in to the hotel network</html>")
WORST = Decimal(101)
DAYS_MS = 86_400_000


@pytest.fixture(scope="module")
def practice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with practising(tmp_path_factory.mktemp("practice"), *["100"] * 200) as running:
        yield running


@pytest.fixture
def there(practice: Running) -> Iterator[Bybit]:
    practice.control.move_on(STEP.total_seconds())  # a bar from which nothing was taken
    with translated("bybit", practice) as translator:
        assert isinstance(translator, Bybit)
        yield translator
    practice.control.pardon()


@pytest.fixture
def venue(there: Bybit, tmp_path: Path) -> Iterator[CcxtVenue]:
    opened = venue_at(there, tmp_path)
    yield opened
    opened.close()


def held(there: Bybit) -> list[dict[str, Any]]:
    """The orders of the account, by the exchange's own books."""
    (account,) = there.accounts
    return list(there.practice.control.books(account)["orders"])


def asked(there: Bybit, target: str) -> int:
    return sum(each.target == target for each in there.seen)


def buy(order_id: str, size: str = "0.5") -> Any:
    return order(order_id, size=size, worst_price=WORST)


def patient(venue: CcxtVenue, late_s: float) -> None:
    """It waits no longer for what was acknowledged."""
    venue.can = structs.replace(venue.can, dialect=structs.replace(venue.can.dialect, late_s=late_s))


def no(code: int, message: str = "x") -> Answer:
    return Answer(told({}, 1_700_000_000_000, code, message))


# An answer that never came, or proves nothing


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_lost_answer_is_found_by_our_id_and_nothing_is_sent_again(there: Bybit, venue: CcxtVenue, when: Any) -> None:
    there.faults.append(Fault(CREATE, when=when))
    with pytest.raises(VenueUnreachable):
        venue.submit((buy("a"),))
    report = venue.order(buy("a"))
    assert asked(there, CREATE) == 1
    if when == "before":
        assert report is None and held(there) == []
    else:
        assert report is not None and (report.order_id, report.status) == ("a", Status.FILLED)
        assert len(held(there)) == 1


DOUBTFUL = {
    "a page": PAGE,
    "a page with 502": Answer(status=502, text="<html>Bad gateway</html>"),
    "server error": no(10016, "Server error."),
    "server time-out": no(10000, "Server Timeout"),
    "time-out behind it": no(170007, "Timeout waiting for response from backend server."),
    "create timeout": no(170146, "Order creation timeout."),
    "duplicate request": no(10014, "Invalid duplicate request."),
    "duplicate client id": no(170141, "Duplicate clientOrderId."),
    "submitted": no(170035, "Submitted to the system for processing!"),
    "too many visits": no(10006, "Too many visits!"),
    "a code that nobody knows": no(179_999),
}


@pytest.mark.parametrize("why", DOUBTFUL)
def test_what_is_no_clear_no_is_unknown(there: Bybit, venue: CcxtVenue, why: str) -> None:
    there.faults.append(Fault(CREATE, "answer", answer=DOUBTFUL[why]))
    with pytest.raises(VenueUnreachable):
        venue.submit((limit("a", price="90"),))
    report = venue.order(limit("a", price="90"))
    assert report is not None and report.status is Status.WORKING
    assert len(held(there)) == 1


def test_a_slow_answer_is_unknown_after_the_time_out(there: Bybit, venue: CcxtVenue) -> None:
    venue.exchange.entries.timeout = 300
    there.faults.append(Fault(CREATE, "delay", seconds=0.6))
    with pytest.raises(VenueUnreachable):
        venue.submit((limit("a", price="90"),))
    assert venue.order(limit("a", price="90")) is not None


def test_a_list_that_cannot_be_read_is_no_proof_that_the_order_is_not_there(there: Bybit, venue: CcxtVenue) -> None:
    for where in (REALTIME, HISTORY):
        with pytest.raises(VenueUnreachable):
            there.faults.append(Fault(where, "answer", answer=PAGE))
            venue.order(limit("a", price="90"))
    assert venue.order(limit("a", price="90")) is None


def test_another_process_that_sends_the_same_order_is_refused_and_the_first_one_found(
    there: Bybit, venue: CcxtVenue, tmp_path: Path
) -> None:
    venue.submit((buy("a"),))
    other = venue_at(there, tmp_path, there.accounts[venue.exchange.reads.apiKey])
    with pytest.raises(VenueUnreachable, match="Duplicate"):
        other.submit((buy("a"),))
    found = other.order(buy("a"))
    assert found is not None and found.status is Status.FILLED and len(held(there)) == 1
    with pytest.raises(NotOurs):
        other.order(buy("a", size="2"))
    other.close()


def test_our_id_is_what_the_exchange_knows_the_order_by(there: Bybit, venue: CcxtVenue) -> None:
    venue.names.ledger = "3f9a1c2e"
    venue.submit((limit("a", price="90"),))
    (row,) = venue.open_rows(BTC)
    assert row["clientOrderId"] == "3f9a1c2e-a"
    assert [report.order_id for report in venue.open_orders()] == ["a"]


# What was acknowledged is done later, or not at all


def test_an_order_that_was_acknowledged_lives_though_no_list_shows_it_yet(there: Bybit, venue: CcxtVenue) -> None:
    _, cursor = venue.reports_since("")
    there.slow = True
    (report,) = venue.submit((buy("a"),))
    assert (report.status, report.filled) == (Status.WORKING, 0)
    with pytest.raises(OddAnswer, match="acknowledged"):
        venue.order(structs.replace(buy("a"), venue_id=report.venue_id))
    assert venue.grace_s >= 40
    there.catch_up()
    (filled,), _ = venue.reports_since(cursor)
    assert (filled.order_id, filled.venue_id, filled.status) == ("a", report.venue_id, Status.FILLED)


def test_an_order_that_was_acknowledged_and_never_seen_is_gone_in_the_end(there: Bybit, venue: CcxtVenue) -> None:
    there.slow = True
    (report,) = venue.submit((buy("a"),))
    patient(venue, 0.0)
    assert venue.order(structs.replace(buy("a"), venue_id=report.venue_id)) is None


def test_an_order_that_was_acknowledged_may_still_be_refused(there: Bybit, venue: CcxtVenue) -> None:
    there.slow = True
    asked = limit("a", Side.SELL, "50", price="120")  # more than the account has
    (report,) = venue.submit((asked,))
    assert report.status is Status.WORKING
    there.catch_up()
    for known in (asked, structs.replace(asked, venue_id=report.venue_id)):
        found = venue.order(known)
        assert found is not None and (found.status, found.reason) == (Status.REJECTED, "EC_Others")


def test_a_post_only_order_that_would_match_says_why_it_ended(there: Bybit, venue: CcxtVenue) -> None:
    (report,) = venue.submit((limit("a", price="101", post_only=True),))
    assert (report.status, report.filled, report.reason) == (Status.CANCELLED, 0, "EC_PostOnlyWillTakeLiquidity")


def test_a_cancel_that_was_acknowledged_is_none_yet(there: Bybit, venue: CcxtVenue) -> None:
    asked = limit("a", price="90")
    venue.submit((asked,))
    there.slow = True
    assert venue.cancel(asked).status is Status.WORKING
    there.catch_up()
    assert venue.cancel(asked).status is Status.CANCELLED


def test_a_cancel_may_lose(there: Bybit, venue: CcxtVenue) -> None:
    asked = limit("a", size="250", price="101")
    part = venue.submit((asked,))[0].filled
    there.slow = True
    assert venue.cancel(asked).filled == part
    for _ in range(4):
        there.practice.control.move_on(STEP.total_seconds())
    there.catch_up()
    report = venue.cancel(asked)
    assert (report.status, report.filled) == (Status.FILLED, 250)


@pytest.mark.parametrize("code", [170139, 170142, 170143, 170190, 170191])
def test_a_cancel_that_is_refused_is_looked_into(there: Bybit, venue: CcxtVenue, code: int) -> None:
    asked = limit("a", price="90")
    venue.submit((asked,))
    there.faults.append(Fault(CANCEL, "answer", "before", answer=no(code)))
    with pytest.raises(VenueRejected, match=str(code)):
        venue.cancel(asked)
    there.faults.append(Fault(CANCEL, "answer", answer=no(code)))
    assert venue.cancel(asked).status is Status.CANCELLED


# Where orders are found, and how long


def test_an_order_that_ended_is_found_after_the_exchange_restarted(there: Bybit, venue: CcxtVenue) -> None:
    _, cursor = venue.reports_since("")
    (filled,) = venue.submit((buy("filled"),))
    venue.submit((limit("gone", price="90"),))
    venue.cancel(limit("gone", price="90"))
    there.restarted = True
    for known in (buy("filled"), structs.replace(buy("filled"), venue_id=filled.venue_id)):
        assert venue.order(known) == filled
    gone = venue.order(limit("gone", price="90"))
    assert gone is not None and gone.status is Status.CANCELLED
    assert [each.order_id for each in venue.reports_since(cursor)[0]] == ["filled"]


def test_what_ended_without_a_fill_is_forgotten_and_stops_nothing(there: Bybit, venue: CcxtVenue) -> None:
    (rests,) = venue.submit((limit("a", price="90"),))
    _, cursor = venue.reports_since("")
    venue.cancel(limit("a", price="90"))
    there.restarted, there.kept_ms = True, 0
    reports, cursor = venue.reports_since(cursor)
    assert reports == [] and venue.reports_since(cursor)[0] == ()
    patient(venue, 0.0)
    ours = structs.replace(limit("a", price="90"), venue_id=rests.venue_id)
    found = venue.order(structs.replace(ours, real_at=ours.real_at - timedelta(days=2)))
    assert found is not None and (found.status, found.filled) == (Status.CANCELLED, 0)


def test_trades_without_their_order_are_booked_as_its_fills(there: Bybit, venue: CcxtVenue) -> None:
    _, cursor = venue.reports_since("")
    venue.submit((buy("a"),))
    nothing = Answer(told({"list": [], "nextPageCursor": ""}, 1))
    there.faults += [Fault(REALTIME, "answer", answer=nothing, count=2), Fault(HISTORY, "answer", answer=nothing)]
    (report,), cursor = venue.reports_since(cursor)
    assert (report.order_id, report.symbol, report.status) == ("a", BTC, Status.WORKING)
    assert report.filled == sum(fill.size for fill in report.fills) == Decimal("0.5")
    assert venue.reports_since(cursor)[0] == ()


def test_what_filled_and_ended_long_ago_stops_nothing(there: Bybit, venue: CcxtVenue) -> None:
    large = limit("a", size="250", price="101")
    _, cursor = venue.reports_since("")
    (placed,) = venue.submit((large,))
    assert Decimal(0) < placed.filled < 250
    venue.cancel(structs.replace(large, venue_id=placed.venue_id))
    there.ahead_ms, there.restarted = 10 * DAYS_MS, True
    venue.exchange.measure_clock()
    old = structs.replace(large, real_at=large.real_at - timedelta(days=10), venue_id=placed.venue_id)
    found = venue.order(old)
    assert found is not None and found.status is Status.CANCELLED
    assert sum(fill.size for fill in found.fills) == found.filled == placed.filled
    (report,), cursor = venue.reports_since(cursor)
    assert (report.order_id, report.filled) == ("a", placed.filled)
    assert venue.reports_since(cursor)[0] == ()


def test_nothing_is_lost_on_a_second_page(there: Bybit, venue: CcxtVenue, tmp_path: Path) -> None:
    there.page = 2
    _, cursor = venue.reports_since("")
    for number in range(5):
        venue.submit((limit(f"r{number}", size="0.5", price="90"),))
        venue.submit((buy(f"f{number}"),))
    assert len(venue.open_orders()) == 5
    reports, cursor = venue.reports_since(cursor)
    assert {report.order_id for report in reports} == {f"{kind}{number}" for kind in "rf" for number in range(5)}
    assert sum(len(report.fills) for report in reports) == 5
    fresh = venue_at(there, tmp_path, there.accounts[venue.exchange.reads.apiKey])
    assert all(fresh.order(buy(f"f{number}")) is not None for number in range(5))
    fresh.close()


def test_fills_of_one_order_over_many_pages(there: Bybit, venue: CcxtVenue) -> None:
    there.page = 1
    large = limit("a", size="250", price="101")
    venue.submit((large,))
    for _ in range(4):
        there.practice.control.move_on(STEP.total_seconds())
    report = venue.order(large)
    assert report is not None and report.status is Status.FILLED
    assert len({fill.trade_id for fill in report.fills}) == len(report.fills) > 2
    assert sum(fill.size for fill in report.fills) == 250


def test_after_a_long_absence_week_by_week_is_read(there: Bybit, venue: CcxtVenue) -> None:
    _, cursor = venue.reports_since("")
    long_ago = json.loads(cursor)
    for seen in long_ago.values():
        seen["at"] -= 20 * DAYS_MS
    venue.submit((buy("a"),))
    before = asked(there, EXECUTIONS)
    (report,), cursor = venue.reports_since(json.dumps(long_ago))
    assert (report.order_id, len(report.fills)) == ("a", 1)
    assert asked(there, EXECUTIONS) - before >= 6  # three weeks of each of two symbols
    assert all(datetime.now(UTC).timestamp() * 1000 - seen["at"] < DAYS_MS for seen in json.loads(cursor).values())


def test_an_old_order_is_looked_for_in_the_weeks_since(there: Bybit, venue: CcxtVenue) -> None:
    old = limit("a", price="90")
    old = structs.replace(old, real_at=old.real_at - timedelta(days=20), venue_id="1800000000000000099")
    with pytest.raises(OddAnswer):
        venue.order(old)
    assert asked(there, HISTORY) == 3


# What a fill is


def test_a_purchase_at_the_market_goes_as_a_limit_at_the_reserved_price(there: Bybit, venue: CcxtVenue) -> None:
    (report,) = venue.submit((order("a", size="250", worst_price=Decimal(100)),))
    assert report.status is Status.CANCELLED  # what is to be had up to there
    assert report.filled == sum(fill.size for fill in report.fills) < 250
    assert all(fill.price <= 100 for fill in report.fills)
    (sent,) = [json.loads(each.body) for each in there.seen if each.target == CREATE]
    assert (sent["orderType"], sent["timeInForce"], sent["price"], sent["qty"]) == ("Limit", "IOC", "100", "250")


def test_a_sale_at_the_market_is_of_coins(there: Bybit, venue: CcxtVenue) -> None:
    (report,) = venue.submit((order("a", Side.SELL, "1.5"),))
    assert (report.status, report.filled, report.fills[0].fee_currency) == (Status.FILLED, Decimal("1.5"), "USDT")
    (sent,) = [json.loads(each.body) for each in there.seen if each.target == CREATE]
    assert (sent["orderType"], sent["marketUnit"], sent["qty"]) == ("Market", "baseCoin", "1.5")


def test_a_part_that_filled_is_kept_when_the_rest_is_cancelled(there: Bybit, venue: CcxtVenue) -> None:
    (report,) = venue.submit((limit("a", size="250", price="101", time_in_force=TimeInForce.IOC),))
    assert report.status is Status.CANCELLED
    assert 0 < report.filled == sum(fill.size for fill in report.fills) < 250


def test_a_fee_is_of_the_coin_that_the_exchange_names(there: Bybit, venue: CcxtVenue) -> None:
    row = there.executions
    there.routes[EXECUTIONS] = there._signed(
        lambda account, asked: {
            **(answer := row(account, asked)),
            "list": [each | {"feeCurrency": "ETH", "execFee": "0.01"} for each in answer["list"]],
        }
    )
    (report,) = venue.submit((buy("a"),))
    (fill,) = report.fills
    assert (fill.fee_currency, fill.fee) == ("ETH", Decimal("0.01"))
    assert Decimal("0.09") < fill.fee_quote < Decimal("0.11")  # at 10 USDT each


# Who asks, and when


def test_a_clock_that_is_off_is_set_and_an_order_is_left_to_its_sender(there: Bybit, venue: CcxtVenue) -> None:
    venue.instruments()
    there.ahead_ms = 30_000
    with pytest.raises(RefusedForTime):
        venue.submit((buy("a"),))
    assert asked(there, CREATE) == 1 and held(there) == []
    (report,) = venue.submit((buy("a"),))
    assert report.status is Status.FILLED
    assert abs(venue.exchange.offset_ms + 30_000) < 2_000
    found = venue.order(buy("a"))
    assert found is not None and len(held(there)) == 1


def test_a_clock_of_ours_that_is_ahead_hides_no_order(there: Bybit, venue: CcxtVenue) -> None:
    there.ahead_ms = -600_000
    with pytest.raises(VenueUnreachable):
        there.faults.append(Fault(CREATE))
        venue.exchange.measure_clock()
        venue.submit((limit("a", price="90"),))
    assert venue.order(limit("a", price="90")) is not None


def test_a_wrong_key_and_a_wrong_secret_say_what_to_check(there: Bybit, tmp_path: Path) -> None:
    account = there.new_account()
    for wrong in (Account("of-somebody-else", account.secret), Account(account.key, "not-the-secret")):
        exchange = exchange_at(there, tmp_path, wrong)
        exchange.markets()
        with pytest.raises(BadConfig) as said:
            check_key(exchange)
        assert "TRADE_MCP_EXCHANGE_KEY" in said.value.hint
        assert wrong.secret not in str(said.value) and wrong.key not in str(said.value)
        exchange.close()


def test_what_a_key_may_do_is_asked_before_any_order(there: Bybit, tmp_path: Path) -> None:
    def refused(**may: bool) -> str:
        for name, value in may.items():
            setattr(there, name, value)
        exchange = exchange_at(there, tmp_path, there.new_account())
        exchange.markets()
        with pytest.raises(BadConfig) as said:
            check_key(exchange)
        exchange.close()
        return str(said.value)

    assert "may not trade" in refused(may_trade=False)
    assert "can withdraw" in refused(may_trade=True, may_withdraw=True)
    assert "only support SPOT" in refused(may_withdraw=False, unified=False)  # an account of the old kind


def test_a_key_that_lost_its_right_to_trade_is_told_so(there: Bybit, venue: CcxtVenue) -> None:
    there.may_trade = False
    with pytest.raises(VenueRejected, match="Permission denied") as said:
        venue.submit((buy("a"),))
    assert "permission" in said.value.hint and "unified account" not in said.value.message


def test_the_account_is_asked_for_no_more_than_is_needed(there: Bybit, tmp_path: Path) -> None:
    exchange = exchange_at(there, tmp_path, there.new_account())
    venue = open_ccxt(exchange, exchange.clock, account="bybit:test", symbols=(BTC,))
    opening = [each.target.removeprefix("GET /v5/") for each in there.seen]
    assert sorted(opening) == [
        "account/fee-rate",
        "account/wallet-balance",
        "market/instruments-info",
        "market/time",
        "user/query-api",
    ]
    there.seen.clear()
    venue.submit((limit("a", price="90"),))
    venue.cancel(limit("a", price="90"))
    # Nothing stands before an order: its send_by was checked just then.
    assert [each.target for each in there.seen] == [CREATE, REALTIME, REALTIME, CANCEL, REALTIME]
    venue.close()


def test_a_ban_silences_everything_for_its_time(there: Bybit, venue: CcxtVenue) -> None:
    there.faults.append(Fault(CREATE, "answer", "before", answer=Answer(status=403, text="access too frequent")))
    with pytest.raises(VenueUnreachable):
        venue.submit((buy("a"),))
    assert 590 < venue.exchange.budget.waiting_s <= 600
    with pytest.raises(VenueUnreachable, match="nothing was sent"):
        venue.order(buy("a"))


def test_a_halted_symbol_takes_no_entry(there: Bybit, venue: CcxtVenue) -> None:
    instrument = venue.instruments()["ETH/USDT"]
    assert instrument.max_size == Decimal(venue.exchange.reads.market("ETH/USDT")["limits"]["amount"]["max"]) / 3
    ours = structs.replace(limit("a", price="9"), symbol="ETH/USDT")
    there.practice.control.set_symbol("ETHUSDT", "BREAK")
    try:
        with pytest.raises(VenueRejected, match="not available"):
            venue.submit((ours,))
        venue.exchange._markets_last = timedelta(0)
        venue.exchange._load_markets()  # as on the next day: it is not in the list
        with pytest.raises(VenueRejected, match="halted or delisted"):
            venue.submit((ours,))
        assert venue.order(structs.replace(ours, order_id="b")) is None  # and can be asked about all the same
        assert venue.reports_since("")[0] == []
    finally:
        there.practice.control.set_symbol("ETHUSDT", "TRADING")


# The rest of the account


def test_orders_of_another_hand_are_told_as_that(there: Bybit, venue: CcxtVenue) -> None:
    venue.names.ledger = "3f9a1c2e"
    _, cursor = venue.reports_since("")
    account = there.accounts[venue.exchange.reads.apiKey]
    there.private(account, "POST", "order", symbol="BTCUSDT", side="BUY", type="MARKET", quoteOrderQty="50")
    resting = {"type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "80"}
    there.private(account, "POST", "order", symbol="BTCUSDT", side="BUY", **resting)
    reports, _ = venue.reports_since(cursor)
    assert all(report.order_id.startswith("other:") for report in reports) and len(reports) == 2
    (bought,) = [report for report in reports if report.fills]
    assert bought.filled == bought.fills[0].size > 0
    (open_,) = venue.open_orders()
    assert (open_.order_id.startswith("other:"), open_.limit_price, open_.size) == (True, 80, 1)


def test_money_that_moves_is_told_once_and_trades_are_none(there: Bybit, venue: CcxtVenue) -> None:
    there.page = 1
    assert not venue.transfers_since("")[0]
    _, cursor = venue.transfers_since("")
    venue.submit((buy("a"),))
    key = venue.exchange.reads.apiKey
    for coin, amount in (("USDT", "500"), ("USDT", "0.5"), ("BTC", "-0.25")):
        there.practice.control.transfer(key, coin, amount)
    moved, cursor = venue.transfers_since(cursor)
    assert sorted((each.currency, each.amount) for each in moved) == [
        ("BTC", Decimal("-0.25")),
        ("USDT", Decimal("0.5")),
        ("USDT", Decimal(500)),
    ]
    assert all(abs(each.at - datetime.now(UTC)) < timedelta(minutes=5) for each in moved)
    assert list(venue.transfers_since(cursor)[0]) == []


# Prices, and the whole desk


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Bybit]:
    with running(tmp_path / "practice") as practice, translated("bybit", practice) as translator:
        assert isinstance(translator, Bybit)
        yield translator


def test_prices_come_by_rest(market: Bybit, tmp_path: Path) -> None:
    feed = ccxt_feed(exchange_at(market, tmp_path), [BTC])
    now = datetime.now(UTC)
    candles = feed.candles(BTC, "5m", now=now, limit=1200)  # more than one page of 1000
    assert len(candles) == 1200
    assert (candles.open_ms[1:] - candles.open_ms[:-1] == 300_000).all()
    assert candles.open_ms[-1] + 300_000 <= now.timestamp() * 1000
    quote, book = feed.quote(BTC, now=now), feed.order_book(BTC, 5, now=now)
    assert 0 < quote.bid < quote.ask and abs(quote.at - now) < timedelta(seconds=5)
    assert len(book.bids) == len(book.asks) == 5
    assert feed.instruments()[BTC].tick > 0
    feed.close()


def desk(there: Bybit, folder: Path) -> App:
    account = there.new_account()
    env = {
        "TRADE_MCP_EXCHANGE_KEY": account.key,
        "TRADE_MCP_EXCHANGE_SECRET": account.secret,
        "TRADE_MCP_EXCHANGE_URL": there.url,
    }
    overrides: dict[str, Any] = {
        "desk": {"data_dir": str(folder / "desk"), "venue": "ccxt", "exchange": "bybit", "symbols": BTC},
        "feed": {"name": "ccxt", "streaming": "false"},
        "limits": {"ask": "never"},
    }
    return build(load_settings(env=env, overrides=overrides), "tick")


def entry(app: App, order_id: str, size: str) -> None:
    plan = ExitPlan(stop=Distance(fraction=Decimal("0.02")), target=Distance(fraction=Decimal("0.04")))
    request = OrderRequest(order_id=order_id, symbol=BTC, side=Side.BUY, size=Decimal(size), exits=plan)
    receipt = app.gate.submit(request, Source.MODEL)
    assert receipt.outcome == "placed", receipt.message


def out(app: App, order_id: str) -> None:
    app.gate.close(BTC, Decimal(1), Source.MODEL, reason="test", order_id=order_id)
    app.watch.step()
    book = app.log.refresh()
    assert not [each for each in book.positions.values() if not each.dust] and not list(book.live())
    assert differences(book, app.venue) == []


@pytest.mark.storm
def test_the_desk_buys_watches_its_exits_and_closes(market: Bybit, tmp_path: Path) -> None:
    with desk(market, tmp_path) as app:
        assert isinstance(app.venue, CcxtVenue)
        app.venue.poll_s = 0.0
        for client in (app.venue.exchange.reads, app.venue.exchange.entries, app.venue.exchange.exits):
            client.enableRateLimit = False
        app.heartbeats.beat("watch", {})
        app.watch.step()
        entry(app, "mine", "0.01")
        app.watch.step()
        (position,) = app.log.refresh().positions.values()
        assert Decimal("0.0099") < position.size < Decimal("0.01")  # the fee is taken from what was bought
        assert list(app.venue.open_orders()) == []  # nothing rests: the desk watches
        assert app.log.book.unprotected() == []
        out(app, "out")
        # Once more, with an exchange that is slow, and an answer that is lost.
        market.slow = True
        entry(app, "late", "0.008")
        app.watch.step()
        assert [order.status for order in app.log.refresh().live()] == [Status.WORKING]
        market.catch_up()
        market.slow = False
        app.watch.step()
        (position,) = [each for each in app.log.refresh().positions.values() if not each.dust]
        assert Decimal("0.0079") < position.size < Decimal("0.008")
        market.faults.append(Fault(CREATE))
        out(app, "lost")
        assert asked(market, CREATE) == 4
