"""OKX through unmodified ccxt: what may be lost, doubled or misread there, prices, and the whole desk."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from exchanges.known import exchange_at, translated, venue_at
from exchanges.okx import Okx, refused
from exchanges.translator import Account, Answer, Fault
from practice.running import Running, running
from trade_mcp.app import App, build
from trade_mcp.clock import LiveClock
from trade_mcp.desk.reconcile import differences
from trade_mcp.desk.tally import Verdict, tally
from trade_mcp.domain.distances import Distance
from trade_mcp.domain.errors import BadConfig, OddAnswer, RefusedForTime, VenueRejected, VenueUnreachable
from trade_mcp.domain.exits import ExitPlan
from trade_mcp.domain.lifecycle import advance
from trade_mcp.domain.order import Order, OrderRequest, Role, Side, Source, Status, TimeInForce
from trade_mcp.feeds.ccxt import ccxt_feed
from trade_mcp.settings import load_settings
from trade_mcp.venues.ccxt import CcxtVenue
from trade_mcp.venues.exchange import WEIGHT_LIMITS, Exchange
from trade_mcp.venues.exchange_budget import Purpose
from trade_mcp.venues.exchange_key import check_key
from venues.bars import BTC, STEP, limit, order
from venues.practised import new_key, practising

PLACE, LOOK, BALANCE = "POST /api/v5/trade/batch-orders", "GET /api/v5/trade/order", "GET /api/v5/account/balance"
CANCEL = "POST /api/v5/trade/cancel-order"
PAGE = Answer(text="<!DOCTYPE html><html>Sign in to the hotel network</html>")


@pytest.fixture(scope="module")
def practice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with practising(tmp_path_factory.mktemp("practice"), *["100 101 99 100"] * 90) as running_there:
        yield running_there


@pytest.fixture
def there(practice: Running) -> Iterator[Okx]:
    with translated("okx", practice) as translator:
        assert isinstance(translator, Okx)
        yield translator
    practice.control.pardon()
    practice.control.move_on(STEP.total_seconds())  # each test has a bar, of which as much may fill


@pytest.fixture
def venue(there: Okx, tmp_path: Path) -> Iterator[CcxtVenue]:
    opened = venue_at(there, tmp_path)
    opened.instruments()
    yield opened
    opened.close()


def held(there: Okx) -> list[dict[str, Any]]:
    """The orders of the account, by the exchange's own books."""
    (account,) = there.accounts
    return list(there.practice.control.books(account)["orders"])


def asked(there: Okx, target: str) -> list[Any]:
    return [each for each in there.seen if each.target == target]


def by_hand(there: Okx, **given: Any) -> None:
    """An order that no desk placed."""
    (account,) = there.accounts.values()
    there.private(account, "POST", "order", symbol="BTCUSDT", **given)


def old(asked_for: Order, **given: Any) -> Order:
    """As it was made three hours ago."""
    return structs.replace(asked_for, real_at=datetime.now(UTC) - timedelta(hours=3), **given)


# An answer that never came


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_lost_answer_is_found_by_our_id_and_nothing_is_sent_again(there: Okx, venue: CcxtVenue, when: Any) -> None:
    there.faults.append(Fault(PLACE, when=when))
    with pytest.raises(VenueUnreachable):
        venue.submit((order("a", size="0.5"),))
    with pytest.raises(VenueRejected, match="sent before"):
        venue.submit((order("a", size="0.5"),))
    report = venue.order(order("a", size="0.5"))
    assert len(asked(there, PLACE)) == 1
    if when == "before":
        assert report is None and held(there) == []
    else:
        assert report is not None and (report.order_id, report.status) == ("a", Status.FILLED)
        assert report.filled == sum(fill.size for fill in report.fills) == Decimal("0.5")
        assert len(held(there)) == 1


@pytest.mark.parametrize(
    "answer",
    [
        PAGE,
        Answer(status=502, text="<html>Bad gateway</html>"),
        Answer({"code": "50026", "data": [], "msg": "System error. Try again later"}, 500),
        refused("50004", "API endpoint request timeout.", 400),
        refused("51054", "Request timed out. Please try again.", 500),
        Answer({"code": "1", "data": [{"sCode": "51149", "sMsg": "Order timed out."}], "msg": "All operations failed"}),
        Answer({"code": "1", "data": [{"sCode": "51016", "sMsg": "Client order ID already exists."}], "msg": ""}),
        Answer({"code": "0", "data": [], "msg": ""}),
    ],
)
def test_what_is_no_clear_no_is_unknown(there: Okx, venue: CcxtVenue, answer: Answer) -> None:
    there.faults.append(Fault(PLACE, "answer", answer=answer))
    try:
        assert venue.submit((limit("a", price="90"),))[0].status is Status.WORKING  # it was looked up
    except VenueUnreachable:
        report = venue.order(limit("a", price="90"))
        assert report is not None and report.status is Status.WORKING
    assert len(held(there)) == 1


def test_a_slow_answer_is_unknown_after_the_time_out(there: Okx, venue: CcxtVenue) -> None:
    venue.exchange.entries.timeout = 300
    there.faults.append(Fault(PLACE, "delay", seconds=1.0))
    with pytest.raises(VenueUnreachable):
        venue.submit((limit("a", price="90"),))
    assert venue.order(limit("a", price="90")) is not None


def test_an_id_goes_as_letters_and_digits_and_comes_back(there: Okx, venue: CcxtVenue) -> None:
    venue.names.ledger = "3f9a1c2e"
    venue.names.book = lambda: ["a-stop-1"]
    venue.submit((limit("a-stop-1", price="90"),))
    (name,) = [each["clientOrderId"] for each in held(there)]
    assert len(name) == 32 and name.isalnum()
    assert [report.order_id for report in venue.open_orders()] == ["a-stop-1"]


def test_two_processes_with_one_id_make_one_order(there: Okx, venue: CcxtVenue, tmp_path: Path) -> None:
    venue.submit((limit("a", price="90"),))
    (account,) = there.accounts.values()
    other = venue_at(there, tmp_path, account)
    with pytest.raises(VenueUnreachable, match="51016"):  # it lives there: no refusal, but for who asks
        other.submit((limit("a", price="90"),))
    other.close()
    assert len(held(there)) == 1


def test_an_answer_that_cannot_be_had_is_no_proof_that_there_is_no_order(there: Okx, venue: CcxtVenue) -> None:
    venue.submit((limit("a", price="90"),))
    for answer in (PAGE, refused("50001", "Service temporarily unavailable.", 503), refused("51001", "no such")):
        there.faults.append(Fault(LOOK, "answer", answer=answer))
        with pytest.raises((VenueUnreachable, OddAnswer)):
            venue.order(limit("a", price="90"))


# Time


def test_an_order_that_comes_after_its_deadline_is_not_executed(there: Okx, venue: CcxtVenue) -> None:
    there.ahead_ms = 6_000  # it took as long
    with pytest.raises(RefusedForTime):
        venue.submit((limit("a", price="90"),))
    assert held(there) == []
    assert venue.submit((limit("a", price="90"),))[0].status is Status.WORKING  # the clock was measured anew
    deadlines = [int(each.headers["exptime"]) for each in asked(there, PLACE)]
    assert all(abs(at - time.time() * 1000) < 15_000 for at in deadlines) and len(deadlines) == 2
    venue.cancel(limit("a", price="90"))
    assert all("exptime" not in each.headers for each in there.seen if each.target != PLACE)


def test_a_clock_that_is_far_off_is_measured_and_a_look_asked_again(there: Okx, venue: CcxtVenue) -> None:
    there.ahead_ms = 60_000
    assert venue.balances()["BTC"].total == 10
    there.ahead_ms = -60_000
    with pytest.raises(RefusedForTime):
        venue.submit((limit("a", price="90"),))
    assert venue.submit((limit("a", price="90"),))[0].status is Status.WORKING
    assert len(held(there)) == 1


def test_the_grace_outlives_whatever_is_under_way(venue: CcxtVenue) -> None:
    assert venue.grace_s >= 30 + 5 + 10


# Refusals, and limits


def test_too_many_requests_are_unknown_and_the_desk_waits_a_moment(there: Okx, venue: CcxtVenue) -> None:
    for status in (429, 200):
        venue.exchange.budget._wait_until = 0.0
        there.faults.append(Fault(PLACE, "answer", "before", answer=refused("50011", "Rate limit reached.", status)))
        with pytest.raises(VenueUnreachable):
            venue.submit((limit(f"a{status}", price="90"),))
        with pytest.raises(VenueUnreachable, match="asked us to wait"):
            venue.balances()
        assert venue.exchange.budget.waiting_s <= 2.0
    assert held(there) == []


def test_an_exit_waits_a_moment_instead_of_being_left_open(there: Okx, venue: CcxtVenue) -> None:
    venue.submit((order("a", size="0.5"),))
    there.faults.append(Fault("GET /api/v5/account/balance", "answer", answer=refused("50011", "Rate limit reached.")))
    with pytest.raises(VenueUnreachable):
        venue.balances()
    venue.exchange.budget._wait_until -= 1.5  # so much of it has passed
    (sold,) = venue.submit((order("b", Side.SELL, size="0.5", role=Role.CLOSE),))
    assert (sold.status, sold.filled) == (Status.FILLED, Decimal("0.5"))


def test_a_purchase_at_the_market_never_costs_more_than_was_reserved(there: Okx, venue: CcxtVenue) -> None:
    (report,) = venue.submit((order("a", size="250", worst_price=Decimal("100.507")),))
    (sent,) = asked(there, PLACE)
    (given,) = sent.content
    assert (given["ordType"], given["px"], given["sz"], given["tdMode"]) == ("ioc", "100.5", "250", "cash")
    assert report.status is Status.CANCELLED and 0 < report.filled == sum(fill.size for fill in report.fills) < 250
    assert all(fill.price <= Decimal("100.5") for fill in report.fills)
    venue.submit((order("b", Side.SELL, size="0.5"),))
    (given,) = asked(there, PLACE)[1].content
    assert (given["ordType"], given["tgtCcy"]) == ("market", "base_ccy")


def test_an_order_that_must_fill_at_once_or_not_at_all(there: Okx, venue: CcxtVenue) -> None:
    (whole,) = venue.submit((limit("a", size="0.5", price="101", time_in_force=TimeInForce.FOK),))
    (none,) = venue.submit((limit("b", size="500", price="101", time_in_force=TimeInForce.FOK),))
    assert [whole.status, none.status, none.filled] == [Status.FILLED, Status.CANCELLED, 0]


def test_a_maker_who_is_paid_has_a_fee_below_zero(there: Okx, venue: CcxtVenue) -> None:
    there.rebate = True
    sent = limit("a", Side.SELL, "0.5", price="100.5")
    venue.submit((sent,))
    there.practice.control.move_on(STEP.total_seconds())
    report = venue.order(sent)
    assert report is not None and report.status is Status.FILLED
    assert all(fill.maker and fill.fee == fill.fee_quote < 0 for fill in report.fills)


def test_a_symbol_that_is_suspended_takes_no_entries_and_is_no_proof_of_an_end(
    there: Okx, venue: CcxtVenue, tmp_path: Path
) -> None:
    venue.submit((limit("a", price="90"),))
    there.suspended.add("BTC-USDT")
    with pytest.raises(VenueRejected, match="51022"):
        venue.submit((limit("b", price="90"),))
    with pytest.raises(OddAnswer):
        venue.order(limit("a", price="90"))
    (account,) = there.accounts.values()
    later = venue_at(there, tmp_path / "later", account)
    with pytest.raises(VenueRejected, match="halted"):
        later.submit((limit("c", price="90"),))
    assert "halted" in later.state()["no_entries"][BTC]
    later.close()


# Keys


@pytest.mark.parametrize("wrong", ["key", "secret", "passphrase"])
def test_a_key_that_is_wrong_is_said_without_it(there: Okx, tmp_path: Path, wrong: str) -> None:
    account = structs.replace(there.new_account(), **{wrong: "something-else"})
    with pytest.raises(BadConfig) as said:
        check_key(exchange_at(there, tmp_path, account))
    text = f"{said.value} {said.value.hint}"
    assert "TRADE_MCP_EXCHANGE_PASSPHRASE" in text
    assert all(part not in text for part in (account.key, account.secret, account.passphrase))


def test_a_passphrase_that_is_missing_is_asked_for(there: Okx, tmp_path: Path) -> None:
    account = structs.replace(there.new_account(), passphrase="")
    with pytest.raises(BadConfig, match="TRADE_MCP_EXCHANGE_PASSPHRASE"):
        check_key(exchange_at(there, tmp_path, account))


def test_rights_and_mode_are_looked_at_before_any_order(there: Okx, tmp_path: Path) -> None:
    def account(rights: str) -> Account:
        key = new_key(there.practice, permissions=rights)
        there.accounts[key] = Account(key, *there.secret_of(key))
        return there.accounts[key]

    with pytest.raises(BadConfig, match="withdraw"):
        check_key(exchange_at(there, tmp_path, account("read+trade+withdraw")))
    reader = account("read")
    with pytest.raises(BadConfig, match="may not trade"):
        check_key(exchange_at(there, tmp_path, reader))
    with pytest.raises(VenueRejected, match=r"50120.*permission"):
        venue_at(there, tmp_path, reader).submit((limit("a", price="90"),))
    good = exchange_at(there, tmp_path, account("read+trade"))
    assert check_key(good) == (True, False)
    for mode, why in (({"acctLv": "3"}, "spot mode"), ({"acctLv": "1", "enableSpotBorrow": True}, "borrows")):
        there.mode = mode
        with pytest.raises(BadConfig, match=why):
            check_key(good)


def test_the_sandbox_says_so_in_every_request(there: Okx, tmp_path: Path) -> None:
    account = there.new_account()
    sandbox = Exchange(
        "okx",
        clock=LiveClock(),
        folder=tmp_path,
        key=account.key,
        secret=account.secret,
        passphrase=account.passphrase,
        url=there.url,
        sandbox=True,
    )
    sandbox.call(Purpose.ACCOUNT, "fetch_balance")
    assert {each.headers.get("x-simulated-trading") for each in there.seen} == {"1"}


# Orders that ended


def test_what_the_exchange_has_forgotten_is_known_by_its_fills(there: Okx, venue: CcxtVenue) -> None:
    (cancelled,) = venue.submit((limit("a", price="90"),))
    venue.cancel(limit("a", price="90"))
    venue.submit((order("b", size="0.5"),))
    venue.submit((order("c", size="250", worst_price=Decimal(101)),))
    there.forgotten = True
    assert venue.order(limit("a", price="90", venue_id=cancelled.venue_id)) is None  # too young to be forgotten
    found = venue.order(old(limit("a", price="90"), venue_id=cancelled.venue_id))
    assert found is not None and (found.status, found.filled) == (Status.CANCELLED, 0)
    whole, part = (venue.order(old(order(name, size=size))) for name, size in (("b", "0.5"), ("c", "250")))
    assert whole is not None and (whole.status, whole.filled) == (Status.FILLED, Decimal("0.5"))
    assert part is not None and part.status is Status.CANCELLED
    assert 0 < part.filled == sum(fill.size for fill in part.fills) < 250
    assert venue.order(old(order("never"))) is None
    resting = venue.submit((limit("d", price="90"),))[0]
    there.faults.append(Fault(LOOK, "answer", answer=refused("51603", "Order does not exist")))
    still = venue.order(old(limit("d", price="90"), venue_id=resting.venue_id))
    assert still is not None and still.status is Status.WORKING  # the list of those that rest knows better
    with pytest.raises(OddAnswer, match="nor all"):
        venue.order(old(order("b", size="2"), filled=Decimal(1), venue_id=whole.venue_id))


def test_fills_that_come_later_than_the_order_are_waited_for(there: Okx, venue: CcxtVenue) -> None:
    _, cursor = venue.reports_since("")
    there.hidden_fills = 1
    sent = order("a", size="0.5")
    (report,) = venue.submit((sent,))
    assert (report.status, report.filled, report.fills) == (Status.FILLED, Decimal("0.5"), ())
    assert [event.order.status for event in advance(sent, report)] == [Status.WORKING]  # type: ignore[union-attr]
    _, cursor = venue.reports_since(cursor)
    there.hidden_fills = 0
    venue._changes.expect()
    (report,), _ = venue.reports_since(cursor)
    assert report.filled == sum(fill.size for fill in report.fills) == Decimal("0.5")


# Lists of many pages


def test_fills_that_lag_behind_are_read_at_the_next_look(there: Okx, venue: CcxtVenue) -> None:
    _, cursor = venue.reports_since("")
    there.hidden_fills = 1
    (placed,) = venue.submit((order("a", size="0.5"),))
    assert (placed.filled, placed.fills) == (Decimal("0.5"), ())
    reports, cursor = venue.reports_since(cursor)
    assert reports == []
    there.hidden_fills = 0
    (report,), _ = venue.reports_since(cursor)  # though the balances say nothing new
    assert (report.order_id, len(report.fills)) == ("a", 1)


def test_the_fills_of_an_order_are_all_read_however_many(there: Okx, venue: CcxtVenue) -> None:
    there.parts = 250  # more than two pages
    _, cursor = venue.reports_since("")
    (report,) = venue.submit((order("a", size="2.5"),))
    assert len({fill.trade_id for fill in report.fills}) == 250
    assert sum(fill.size for fill in report.fills) == Decimal("2.5")
    assert {fill.fee_currency for fill in report.fills} == {"BTC"} and all(fill.fee > 0 for fill in report.fills)
    by_hand(there, side="SELL", type="MARKET", quantity="2.5")
    reports, _ = venue.reports_since(cursor)
    assert [len(each.fills) for each in reports] == [250, 250]


def test_orders_that_rest_are_all_read_however_many(there: Okx, venue: CcxtVenue) -> None:
    there.copies = 70
    for price in ("80", "81", "82"):
        by_hand(there, side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.1", price=price)
    assert len({report.venue_id for report in venue.open_orders()}) == 210
    assert len(asked(there, "GET /api/v5/trade/orders-pending")) == 3


def test_a_page_that_never_ends_is_said(there: Okx, venue: CcxtVenue) -> None:
    by_hand(there, side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.1", price="80")
    (row,) = there._pending(structs.replace(there.seen[-1], query=""), *there.accounts.values())["data"]
    answer = Answer({"code": "0", "data": [row] * 100, "msg": ""})
    there.faults.append(Fault("GET /api/v5/trade/orders-pending", "answer", count=3, answer=answer))
    with pytest.raises(OddAnswer, match="without an end"):
        venue.open_orders()


# The rest of the account


def test_orders_of_another_hand_are_told_as_that(there: Okx, venue: CcxtVenue) -> None:
    venue.names.ledger = "3f9a1c2e"
    _, cursor = venue.reports_since("")
    by_hand(there, side="BUY", type="MARKET", quoteOrderQty="50")
    by_hand(there, side="BUY", type="LIMIT", timeInForce="GTC", quantity="1", price="80", newClientOrderId="byhand")
    reports, _ = venue.reports_since(cursor)
    assert len(reports) == 2 and all(report.order_id.startswith("other:") for report in reports)
    (bought,) = [report for report in reports if report.fills]
    assert bought.filled == bought.fills[0].size > 0
    assert [each.order_id for each in venue.open_orders()] == ["other:byhand"]


def test_a_cancel_whose_answer_is_lost_is_looked_up(there: Okx, venue: CcxtVenue) -> None:
    venue.submit((limit("a", price="90"),))
    there.faults.append(Fault(CANCEL))
    with pytest.raises(VenueUnreachable):
        venue.cancel(limit("a", price="90"))
    report = venue.cancel(limit("a", price="90"))
    assert report.status is Status.CANCELLED


def test_what_moves_into_the_trading_account_is_told_once(there: Okx, venue: CcxtVenue) -> None:
    moved, cursor = venue.transfers_since("")
    assert not moved
    venue.submit((order("a", size="0.5"),))
    key = venue.exchange.reads.apiKey
    there.practice.control.transfer(key, "USDT", "500")
    there.practice.control.transfer(key, "BTC", "-0.25")
    moved, cursor = venue.transfers_since(cursor)
    assert sorted((each.currency, each.amount) for each in moved) == [
        ("BTC", Decimal("-0.25")),
        ("USDT", Decimal(500)),
    ]
    assert all(abs(each.at - datetime.now(UTC)) < timedelta(minutes=5) for each in moved)
    assert list(venue.transfers_since(cursor)[0]) == []


def test_the_cancel_timer_is_set_in_seconds_and_taken_back(there: Okx, venue: CcxtVenue) -> None:
    venue.cancel_all_after(60.0)
    venue.cancel_all_after(0.0)
    assert [each.content for each in asked(there, "POST /api/v5/trade/cancel-all-after")] == [
        {"timeOut": 60},
        {"timeOut": 0},
    ]


def test_the_accounts_own_fees_are_those_of_its_markets(venue: CcxtVenue) -> None:
    instrument = venue.instruments()[BTC]
    assert (instrument.maker_fee, instrument.taker_fee) == (Decimal("0.001"), Decimal("0.001"))
    assert instrument.max_notional == 1_000_000


# Prices, and the whole desk


@pytest.fixture
def market(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Okx]:
    monkeypatch.setitem(WEIGHT_LIMITS, "okx", 10**6)  # ccxt pauses between requests where nobody counts them for us
    with running(tmp_path / "practice") as practice, translated("okx", practice) as translator:
        assert isinstance(translator, Okx)
        yield translator


def test_prices_come_by_rest(market: Okx, tmp_path: Path) -> None:
    feed = ccxt_feed(exchange_at(market, tmp_path), [BTC])
    now = datetime.now(UTC)
    for timeframe, step_ms, limit_ in (("5m", 300_000, 700), ("6h", 21_600_000, 50)):
        candles = feed.candles(BTC, timeframe, now=now, limit=limit_)
        assert len(candles) == limit_ and (candles.open_ms[1:] - candles.open_ms[:-1] == step_ms).all()
        assert candles.open_ms[-1] + step_ms <= now.timestamp() * 1000 < candles.open_ms[-1] + 2 * step_ms + 5_000
    quote, book = feed.quote(BTC, now=now), feed.order_book(BTC, 5, now=now)
    assert 0 < quote.bid < quote.ask and abs(quote.at - now) < timedelta(seconds=5)
    assert len(book.bids) == len(book.asks) == 5 and book.bids[0][0] < book.asks[0][0]
    assert feed.instruments()[BTC].tick > 0
    feed.close()


def desk(there: Okx, folder: Path, account: Account) -> App:
    env = {
        "TRADE_MCP_EXCHANGE_KEY": account.key,
        "TRADE_MCP_EXCHANGE_SECRET": account.secret,
        "TRADE_MCP_EXCHANGE_PASSPHRASE": account.passphrase,
        "TRADE_MCP_EXCHANGE_URL": there.url,
    }
    overrides: dict[str, Any] = {
        "desk": {"data_dir": str(folder / "desk"), "venue": "ccxt", "exchange": "okx", "symbols": BTC},
        "feed": {"name": "ccxt", "streaming": "false"},
        "limits": {"ask": "never"},
    }
    return build(load_settings(env=env, overrides=overrides), "tick")


def entry(app: App) -> None:
    plan = ExitPlan(stop=Distance(fraction=Decimal("0.02")), target=Distance(fraction=Decimal("0.04")))
    request = OrderRequest(order_id="mine", symbol=BTC, side=Side.BUY, size=Decimal("0.01"), exits=plan)
    receipt = app.gate.submit(request, Source.MODEL)
    assert receipt.outcome != "refused", receipt.message


def out(app: App) -> None:
    app.gate.close(BTC, Decimal(1), Source.MODEL, reason="test", order_id="out")
    app.watch.step()
    book = app.log.refresh()
    assert not any(position.levels.stop_price and not position.dust for position in book.positions.values())
    assert not list(book.live()) and differences(book, app.venue) == []


@pytest.mark.storm
def test_the_desk_buys_watches_its_exits_and_closes(market: Okx, tmp_path: Path) -> None:
    with desk(market, tmp_path, market.new_account()) as app:
        app.heartbeats.beat("watch", {})
        app.watch.step()
        entry(app)
        app.watch.step()
        (position,) = app.log.refresh().positions.values()
        assert Decimal("0.0099") < position.size <= Decimal("0.01")  # the fee is taken from what was bought
        can = app.venue.can  # type: ignore[attr-defined]
        assert position.levels.stop_price and list(app.venue.open_orders()) == []  # nothing rests: the desk watches
        assert [line for line in tally(app.log, app.venue) if line.verdict is not Verdict.AGREES] == []
        market.forgotten = True  # as after a weekend
        app.venue.can = structs.replace(can, dialect=structs.replace(can.dialect, forgets_s=0.0))  # type: ignore[attr-defined]
        assert [line for line in tally(app.log, app.venue) if line.verdict is not Verdict.AGREES] == []
        market.forgotten = False
        out(app)


@pytest.mark.storm
def test_the_desk_finds_out_about_lost_answers_and_doubles_nothing(market: Okx, tmp_path: Path) -> None:
    account = market.new_account()
    with desk(market, tmp_path, account) as app:
        app.heartbeats.beat("watch", {})
        app.watch.step()
        market.faults.append(Fault(PLACE))
        entry(app)
        assert [order.status for order in app.log.refresh().live()] == [Status.PENDING]
    with desk(market, tmp_path, account) as app:  # another process
        app.heartbeats.beat("watch", {})
        app.watch.step()
        (position,) = app.log.refresh().positions.values()
        assert position.size > 0
        market.ahead_ms = 60_000  # and its clock is far off by now
        out(app)
        placed = [each for each in market.practice.control.books(account.key)["orders"] if each["side"] == "BUY"]
        assert len(placed) == 1
