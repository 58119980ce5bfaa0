"""Kraken through unmodified ccxt: what may be lost, doubled or misread there, its nonces, prices, the whole desk."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import ccxt
import pytest
import structlog
from msgspec import structs

from exchanges.known import exchange_at, translated, venue_at
from exchanges.kraken import Kraken, error
from exchanges.translator import Account, Answer, Fault
from practice.running import Running, running
from trade_mcp.app import App, build
from trade_mcp.desk import breaks
from trade_mcp.desk.reconcile import differences
from trade_mcp.domain.distances import Distance
from trade_mcp.domain.errors import (
    BadConfig,
    HeardInPart,
    OddAnswer,
    RefusedForTime,
    VenueRejected,
    VenueUnreachable,
)
from trade_mcp.domain.exits import ExitPlan
from trade_mcp.domain.order import Order, OrderRequest, OrderType, Role, Side, Source, Status, TimeInForce
from trade_mcp.feeds.ccxt import ccxt_feed
from trade_mcp.settings import load_settings
from trade_mcp.venues.ccxt import CcxtVenue
from trade_mcp.venues.exchange_budget import Purpose
from trade_mcp.venues.exchange_calls import COUNTERS, Calls
from trade_mcp.venues.exchange_key import check_key
from trade_mcp.venues.exchange_nonce import WINDOW, Nonce
from venues.bars import BTC, STEP, HandClock, limit, order, stop
from venues.practised import practising

PRIVATE = "POST /0/private/"
ADD, CANCEL = f"{PRIVATE}AddOrder", f"{PRIVATE}CancelOrder"
TRADES, ENDED = f"{PRIVATE}TradesHistory", f"{PRIVATE}ClosedOrders"
STOP = ExitPlan(stop=Distance(fraction=Decimal("0.02")))
PAGE = Answer(text="<!DOCTYPE html><html>Sign in to the hotel network</html>")


@pytest.fixture(scope="module")
def practice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with practising(tmp_path_factory.mktemp("practice"), *["100"] * 200) as running:
        yield running


@pytest.fixture
def there(practice: Running) -> Iterator[Kraken]:
    practice.control.move_on(STEP.total_seconds())  # a bar from which nothing was taken
    with translated("kraken", practice) as translator:
        assert isinstance(translator, Kraken)
        yield translator
    practice.control.pardon()


@pytest.fixture
def venue(there: Kraken, tmp_path: Path) -> Iterator[CcxtVenue]:
    opened = venue_at(there, tmp_path)
    yield opened
    opened.close()


def account_of(there: Kraken) -> Account:
    return next(iter(there.accounts.values()))


def held(there: Kraken) -> list[dict[str, Any]]:
    """The orders of the account, by the exchange's own books."""
    return list(there.practice.control.books(account_of(there).key)["orders"])


def asked(there: Kraken, target: str) -> int:
    return sum(each.target == target for each in there.seen)


# An answer that never came


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("sent", [order("a", size="0.5"), stop("a", size="0.5", trigger="90")], ids=["buy", "stop"])
def test_a_lost_answer_is_found_by_our_id_and_nothing_is_sent_again(
    there: Kraken, venue: CcxtVenue, when: Any, sent: Order
) -> None:
    venue.names.ledger = "3f9a1c2e"
    there.faults.append(Fault(ADD, when=when))
    with pytest.raises(VenueUnreachable):
        venue.submit((sent,))
    report = venue.order(sent)
    with pytest.raises(VenueRejected, match="known"):
        venue.submit((sent,))
    assert asked(there, ADD) == 1
    if when == "before":
        assert report is None and held(there) == []
    else:
        assert report is not None and report.order_id == "a"
        assert report.status is (Status.WORKING if sent.type is OrderType.STOP else Status.FILLED)
        assert len(held(there)) == 1


UNCLEAR = (
    PAGE,
    Answer(status=520, text="<html>Web server is returning an unknown error</html>"),
    Answer(status=504, text=""),
    error("EService:Unavailable"),
    error("EService:Busy"),
    error("EService:Deadline elapsed"),
    error("EGeneral:Internal error[1]"),
    error("WGeneral:Slow"),
    error("EOrder:Duplicate order"),
    error("EOrder:Internal error"),
    error("EOrder:Temporarily unavailable"),
    error("EOrder:Rate limit exceeded"),
    error("EService:Market in cancel_only mode"),
    error("ENew:What nobody has heard of"),
)


def test_what_is_no_clear_no_is_unknown(there: Kraken, venue: CcxtVenue) -> None:
    for number, answer in enumerate(UNCLEAR):
        sent = limit(f"a{number}", price="90")
        there.faults.append(Fault(ADD, "answer", answer=answer))
        with pytest.raises(VenueUnreachable):
            venue.submit((sent,))
        report = venue.order(sent)
        assert report is not None and report.status is Status.WORKING, answer
    assert asked(there, ADD) == len(held(there)) == len(UNCLEAR)


def test_an_answer_without_a_txid_is_looked_into(there: Kraken, venue: CcxtVenue) -> None:
    there.faults.append(Fault(ADD, "answer", answer=Answer({"error": [], "result": {}})))
    assert venue.submit((limit("a", price="90"),))[0].status is Status.WORKING
    there.faults.append(Fault(ADD, "answer", "before", answer=Answer({"error": [], "result": {}})))
    with pytest.raises(OddAnswer):
        venue.submit((limit("b", price="90"),))
    assert venue.order(limit("b", price="90")) is None


def test_a_slow_answer_is_unknown_after_the_time_out(there: Kraken, venue: CcxtVenue) -> None:
    venue.exchange.entries.timeout = 300
    there.faults.append(Fault(ADD, "delay", seconds=0.6))
    with pytest.raises(VenueUnreachable):
        venue.submit((limit("a", price="90"),))
    assert venue.order(limit("a", price="90")) is not None


def test_an_order_that_arrives_after_its_deadline_is_not_taken(there: Kraken, venue: CcxtVenue) -> None:
    venue.instruments()
    venue.exchange.offset_ms += 15_000  # as if it had been sent so much earlier
    with pytest.raises(VenueUnreachable, match="Deadline"):
        venue.submit((limit("a", price="90"),))
    assert venue.order(limit("a", price="90")) is None and held(there) == []
    assert venue.grace_s >= 30


def test_one_list_that_cannot_be_read_is_no_proof_that_the_order_is_not_there(there: Kraken, venue: CcxtVenue) -> None:
    there.faults += [Fault(ADD), Fault(ENDED, "answer", answer=PAGE)]
    with pytest.raises(VenueUnreachable):
        venue.submit((order("a"),))
    with pytest.raises(VenueUnreachable):
        venue.order(order("a"))
    assert venue.order(order("a")) is not None


def test_our_id_goes_as_32_digits_and_comes_back(there: Kraken, venue: CcxtVenue) -> None:
    venue.names.ledger = "3f9a1c2e"
    venue.submit((limit("a-stop-1", price="90"),))
    (name,) = (each["clientOrderId"] for each in held(there))
    assert len(name) == 32 and set(name) <= set("0123456789abcdef")
    assert [report.order_id for report in venue.open_orders()] == ["a-stop-1"]


def test_a_clock_that_is_ahead_hides_no_order_in_the_lists(there: Kraken, venue: CcxtVenue) -> None:
    sent = order("a")
    there.faults.append(Fault(ADD))
    with pytest.raises(VenueUnreachable):
        venue.submit((sent,))
    venue.exchange.offset_ms += 600_000  # as if ours had been ten minutes ahead
    assert venue.order(structs.replace(sent, real_at=sent.real_at + timedelta(minutes=10))) is not None


# Nonces


def test_a_nonce_rises_whatever_the_clock_does() -> None:
    class Clock(HandClock):
        def real(self) -> datetime:
            return self.at

    clock = Clock()
    nonce = Nonce(clock)
    first = nonce.rise()
    clock.at -= timedelta(days=1)
    assert nonce.rise() == first + 1
    clock.at += timedelta(days=2)
    assert nonce.rise() == int(clock.at.timestamp() * 1_000_000)


def test_a_request_that_another_overtook_goes_again_at_once(there: Kraken, venue: CcxtVenue) -> None:
    there.faults.append(Fault(ADD, "answer", "before", count=2, answer=error("EAPI:Invalid nonce")))
    assert venue.submit((order("a"),))[0].status is Status.FILLED
    assert (asked(there, ADD), len(held(there))) == (3, 1)


def test_a_nonce_that_stays_too_low_is_said_and_the_order_may_come_again(there: Kraken, venue: CcxtVenue) -> None:
    venue.instruments()
    there.faults.append(Fault(ADD, "answer", "before", count=3, answer=error("EAPI:Invalid nonce")))
    with pytest.raises(RefusedForTime) as said:
        venue.submit((order("a"),))
    assert str(WINDOW) in (said.value.hint or "")
    assert venue.submit((order("a"),))[0].status is Status.FILLED
    assert len(held(there)) == 1


def test_all_clients_of_two_programs_share_a_key_with_a_nonce_window(there: Kraken, tmp_path: Path) -> None:
    there.nonce_window = WINDOW
    account = there.new_account()
    exchanges = [exchange_at(there, tmp_path, account) for _ in range(2)]
    failed: list[Exception] = []

    def asks(client: Any) -> None:
        try:
            for _ in range(6):
                client.fetch_balance()
        except Exception as no:
            failed.append(no)

    clients = [client for each in exchanges for client in (each.reads, each.entries, each.exits)]
    for exchange in exchanges:
        exchange.markets()
    threads = [threading.Thread(target=asks, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failed == []
    used = [int(each.fields["nonce"]) for each in there.seen if each.method == "POST"]
    assert len(set(used)) == len(used) == 36


# What it refuses


def test_a_refusal_at_status_200_is_a_clear_no(there: Kraken, venue: CcxtVenue) -> None:
    dear, takes = limit("dear", size="1001", price="100"), limit("takes", price="101", post_only=True)
    for why, refused in {"Insufficient funds": dear, "Post only": takes}.items():
        with pytest.raises(VenueRejected, match=why):
            venue.submit((refused,))
        assert venue.order(refused) is None


UNNAMED = (  # by ccxt
    "EOrder:Cost minimum not met",
    "EOrder:Tick size check failed",
    "EOrder:Orders limit exceeded",
    "EGeneral:Invalid arguments:volume minimum not met",
    "EQuery:Unknown asset pair",
    "EAccount:Invalid permissions:BTC trading restricted for XX.",
    "EGeneral:Permission denied",
)


def test_refusals_that_ccxt_has_no_name_for_are_a_clear_no(there: Kraken, venue: CcxtVenue) -> None:
    for what in UNNAMED:
        there.faults.append(Fault(ADD, "answer", "before", answer=error(what)))
        with pytest.raises(VenueRejected, match=what.split(":")[1]):
            venue.submit((limit(what, price="90"),))


def test_the_same_id_is_refused_while_its_order_rests(there: Kraken, venue: CcxtVenue, tmp_path: Path) -> None:
    venue.submit((limit("a", price="90"),))
    other = venue_at(there, tmp_path, account_of(there))
    with pytest.raises(VenueUnreachable, match="Duplicate"):
        other.submit((limit("a", price="90"),))
    other.close()
    assert len(held(there)) == 1


def test_a_market_that_is_held_up_takes_no_entries(there: Kraken, venue: CcxtVenue) -> None:
    venue.instruments()
    there.practice.control.set_symbol("BTCUSDT", "HALT")
    try:
        with pytest.raises(VenueUnreachable, match="cancel_only"):
            venue.submit((limit("a", price="90"),))
        venue.exchange._file.unlink()
        venue.exchange._markets = None
        with pytest.raises(VenueRejected, match="halted"):
            venue.submit((limit("b", price="90"),))
    finally:
        there.practice.control.set_symbol("BTCUSDT", "TRADING")


def test_an_order_that_must_fill_at_once_or_not_at_all(there: Kraken, venue: CcxtVenue) -> None:
    (whole,) = venue.submit((limit("a", size="0.5", price="101", time_in_force=TimeInForce.FOK),))
    (none,) = venue.submit((limit("b", size="500", price="101", time_in_force=TimeInForce.FOK),))
    assert [whole.status, none.status, none.filled] == [Status.FILLED, Status.CANCELLED, 0]
    (part,) = venue.submit((limit("c", size="250", price="101", time_in_force=TimeInForce.IOC),))
    assert part.status is Status.CANCELLED and 0 < part.filled == sum(fill.size for fill in part.fills) < 250


# The calls it counts


def test_a_quiet_look_costs_one_call_and_a_whole_one_four_for_all_symbols(there: Kraken, venue: CcxtVenue) -> None:
    venue.submit((limit("a", price="90"),))
    _, cursor = venue.reports_since("")
    before = there.calls
    venue.reports_since(cursor)
    assert there.calls - before == 1
    venue._changes.expect()
    venue.reports_since(cursor)
    assert there.calls - before == 1 + 4
    kraken = COUNTERS["kraken"]
    looks = 1 / venue.can.dialect.poll_s + 3 / 30  # a second: quiet ones, and what a whole one costs more
    audits = 4 / 60  # what rests, deposits, withdrawals, balances
    assert looks + audits < 0.85 * kraken.per_s


def test_calls_are_counted_with_it_by_all_programs_and_orders_are_free(
    there: Kraken, venue: CcxtVenue, tmp_path: Path
) -> None:
    venue.balances()
    ours, theirs = (Calls(COUNTERS["kraken"], tmp_path / "calls", venue.exchange.clock) for _ in range(2))
    venue.exchange.budget.calls = ours
    for _ in range(10):
        venue.balances()
    assert 0.6 < theirs.share <= 10 / 15
    assert theirs.take(2, share=0.8) == 0
    assert 20 < ours.take(1, share=0.8) < 30  # it falls by one in three seconds, and is let fall far
    assert ours.take(1, share=1.0) == 0  # of exits
    answer = venue.exchange.call(Purpose.ENTRY, "create_order", BTC, "limit", "buy", "1", "90")
    venue.exchange.call(Purpose.EXIT, "cancel_order", answer["id"], BTC)


def test_what_it_says_of_its_count_is_heeded(there: Kraken, venue: CcxtVenue, tmp_path: Path) -> None:
    venue.balances()
    budget = venue.exchange.budget
    budget.calls = Calls(COUNTERS["kraken"], tmp_path / "calls", venue.exchange.clock)
    there.faults.append(Fault(f"{PRIVATE}BalanceEx", "answer", "before", answer=error("EAPI:Rate limit exceeded")))
    with pytest.raises(VenueUnreachable, match="Rate limit"):
        venue.balances()
    venue.exchange.patience_s = 0.0
    with pytest.raises(VenueUnreachable, match="nothing was sent"):
        venue.balances()
    budget.calls = Calls(COUNTERS["kraken"], tmp_path, venue.exchange.clock)  # a file that cannot be used
    venue.balances()
    there.faults.append(Fault(f"{PRIVATE}BalanceEx", "answer", "before", answer=error("EGeneral:Temporary lockout")))
    for said in ("lockout", "asked us to wait 300 s"):
        with pytest.raises(VenueUnreachable, match=said):
            venue.balances()


# Keys


@pytest.mark.parametrize("kind", ["another key", "another secret"])
def test_a_key_that_is_wrong_is_said_without_it(there: Kraken, tmp_path: Path, kind: str) -> None:
    good, other = there.new_account(), there.new_account()
    wrong = Account("another-key", good.secret) if kind == "another key" else Account(good.key, other.secret)
    with pytest.raises(BadConfig) as said:
        check_key(exchange_at(there, tmp_path, wrong))
    text = f"{said.value} {said.value.hint}"
    assert "TRADE_MCP_EXCHANGE_SECRET" in text
    assert wrong.secret not in text and wrong.key not in text


def test_half_a_secret_is_said_before_anything_is_sent(there: Kraken, tmp_path: Path) -> None:
    good = there.new_account()
    with pytest.raises(BadConfig, match="base64") as said:
        check_key(exchange_at(there, tmp_path, Account(good.key, good.secret[:-5])))
    assert good.secret[:-5] not in f"{said.value} {said.value.hint}" and there.seen == []


def test_rights_are_looked_at_before_any_order(there: Kraken, tmp_path: Path) -> None:
    exchange = exchange_at(there, tmp_path, there.new_account())
    with structlog.testing.capture_logs() as logged:
        found = check_key(exchange)
    assert found.trade is True and found.withdraw is False
    assert str(WINDOW) in logged[0]["hint"]
    there.nonce_window = WINDOW
    with structlog.testing.capture_logs() as logged:
        check_key(exchange)
    assert logged == []
    there.permissions.append("withdraw-funds")
    with pytest.raises(BadConfig, match="withdraw"):
        check_key(exchange)
    there.permissions = ["query-funds"]
    with pytest.raises(BadConfig, match="may not trade"):
        check_key(exchange)
    venue = venue_at(there, tmp_path)
    with pytest.raises(VenueRejected, match="Permission denied"):
        venue.submit((limit("a", price="90"),))


# Cancels


def test_a_cancel_without_an_answer_is_unknown_and_is_found_out(there: Kraken, venue: CcxtVenue) -> None:
    venue.submit((limit("a", price="90"),))
    there.faults.append(Fault(CANCEL))
    with pytest.raises(VenueUnreachable):
        venue.cancel(limit("a", price="90"))
    assert venue.cancel(limit("a", price="90")).status is Status.CANCELLED


def test_a_timer_cancels_everything_unless_it_is_set_again(there: Kraken, venue: CcxtVenue) -> None:
    venue.submit((limit("a", price="90"),))
    venue.cancel_all_after(60)
    there._timers[account_of(there).key] -= 61
    assert list(venue.open_orders()) == []
    venue.submit((limit("b", price="90"),))
    venue.cancel_all_after(60)
    venue.cancel_all_after(0)
    assert there._timers == {} and len(venue.open_orders()) == 1


# Lists of many pages


def test_nothing_is_lost_on_a_second_page(there: Kraken, venue: CcxtVenue, tmp_path: Path) -> None:
    there.page = 2
    _, cursor = venue.reports_since("")
    for number in range(5):
        venue.submit((limit(f"r{number}", size="0.5", price="90"),))
        venue.submit((order(f"f{number}", size="0.5"),))
    reports, cursor = venue.reports_since(cursor)
    assert {report.order_id for report in reports} == {f"{kind}{number}" for kind in "rf" for number in range(5)}
    assert sum(len(report.fills) for report in reports) == 5
    fresh = venue_at(there, tmp_path, account_of(there))
    assert all(fresh.order(order(f"f{number}", size="0.5")) is not None for number in range(5))
    fresh.close()


def test_a_symbol_without_trades_makes_no_look_longer(there: Kraken, venue: CcxtVenue) -> None:
    _, cursor = venue.reports_since("")
    venue.submit((order("a", size="0.5"),))
    _, cursor = venue.reports_since(cursor)
    hour_ago = {symbol: {**seen, "at": seen["at"] - 3_600_000} for symbol, seen in json.loads(cursor).items()}
    (again,), cursor = venue.reports_since(json.dumps({**hour_ago, BTC: {"at": hour_ago[BTC]["at"]}}))
    assert [fill.trade_id for fill in again.fills]
    kept = {symbol: seen["at"] for symbol, seen in json.loads(cursor).items()}
    assert kept["ETH/USDT"] == kept[BTC] > hour_ago[BTC]["at"]
    assert venue.reports_since(cursor)[0] == ()


def test_fills_of_one_order_over_many_pages(there: Kraken, venue: CcxtVenue) -> None:
    there.page = 1
    _, cursor = venue.reports_since("")
    large = limit("a", size="250", price="101")
    venue.submit((large,))
    for _ in range(4):
        there.practice.control.move_on(STEP.total_seconds())
    report = venue.order(large)
    assert report is not None and report.status is Status.FILLED
    assert len({fill.trade_id for fill in report.fills}) == len(report.fills) > 2
    assert sum(fill.size for fill in report.fills) == 250
    assert all(fill.fee_currency == "USDT" and fill.fee == fill.fee_quote > 0 for fill in report.fills)
    (told,), _ = venue.reports_since(cursor)
    assert told.fills == report.fills


def test_as_many_fills_as_are_told_at_once(there: Kraken, tmp_path: Path) -> None:
    venue = venue_at(there, tmp_path, there.new_account("USDT=300000"))
    large = limit("a", size="2000", price="101")
    venue.submit((large,))
    for _ in range(20):
        there.practice.control.move_on(STEP.total_seconds())
    report = venue.order(large)
    assert report is not None and report.status is Status.FILLED
    assert (len(report.fills), sum(fill.size for fill in report.fills)) == (20, 2000)
    venue.close()


def test_a_page_that_is_missing_is_said(there: Kraken, venue: CcxtVenue) -> None:
    _, cursor = venue.reports_since("")
    venue.submit((order("a"),))
    short = Answer({"error": [], "result": {"trades": {}, "count": 5}})
    there.faults.append(Fault(TRADES, "answer", "before", count=2, answer=short))
    with pytest.raises(HeardInPart) as part:
        venue.reports_since(cursor)
    assert "0 of 5" in str(part.value)
    venue._changes.expect()
    assert [report.order_id for report in venue.reports_since(part.value.cursor)[0]] == ["a"]


# The rest of the account


def test_orders_of_another_hand_are_told_as_that(there: Kraken, venue: CcxtVenue) -> None:
    venue.names.ledger = "3f9a1c2e"
    _, cursor = venue.reports_since("")
    account = account_of(there)
    there.private(account, "POST", "order", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.5")
    high = {"type": "TAKE_PROFIT", "quantity": "1", "stopPrice": "120"}
    there.private(account, "POST", "order", symbol="BTCUSDT", side="SELL", newClientOrderId="by-hand", **high)
    reports, _ = venue.reports_since(cursor)
    assert all(report.order_id.startswith("other:") for report in reports) and len(reports) == 2
    (bought,) = [report for report in reports if report.fills]
    assert bought.filled == bought.fills[0].size > 0
    (resting,) = venue.open_orders()
    assert (resting.order_id, resting.type, resting.trigger_price) == (
        "other:by-hand",
        OrderType.TAKE_PROFIT,
        Decimal(120),
    )


def test_orders_name_their_market_by_its_other_name(there: Kraken, tmp_path: Path) -> None:
    for _ in range(2):  # asked for, and then from the list that is kept
        exchange = exchange_at(there, tmp_path, there.new_account())
        exchange.markets()
        row = {"id": "O1", "descr": {"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "price": "1"}, "vol": "1"}
        for client in (exchange.reads, exchange.entries, exchange.exits):
            assert client.parse_order(row)["symbol"] == "BTC/USD"
        exchange.close()


def test_deposits_are_told_once_however_many(there: Kraken, venue: CcxtVenue, monkeypatch: pytest.MonkeyPatch) -> None:
    moved, cursor = venue.transfers_since("")
    assert not moved
    key = account_of(there).key
    for number in range(4):
        there.practice.control.transfer(key, "USDT", f"{number + 1}00")
    there.practice.control.transfer(key, "BTC", "-0.25")
    moved, cursor = venue.transfers_since(cursor)
    assert sorted((each.currency, each.amount) for each in moved) == [
        ("BTC", Decimal("-0.25")),
        *(("USDT", Decimal(each)) for each in (100, 200, 300, 400)),
    ]
    assert all(abs(each.at - datetime.now(UTC)) < timedelta(minutes=5) for each in moved)
    assert list(venue.transfers_since(cursor)[0]) == []


# Prices, and the whole desk


@pytest.fixture
def market(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kraken]:
    monkeypatch.setattr(ccxt.kraken, "throttle", lambda *_: None)  # a second after each question for prices
    with running(tmp_path / "practice") as practice, translated("kraken", practice) as translator:
        assert isinstance(translator, Kraken)
        yield translator


def test_prices_come_by_rest(market: Kraken, tmp_path: Path) -> None:
    feed = ccxt_feed(exchange_at(market, tmp_path), [BTC])
    now = datetime.now(UTC)
    candles = feed.candles(BTC, "5m", now=now, limit=700)
    assert len(candles) == 700
    assert (candles.open_ms[1:] - candles.open_ms[:-1] == 300_000).all()
    assert candles.open_ms[-1] + 300_000 <= now.timestamp() * 1000
    assert 700 < len(feed.candles(BTC, "5m", now=now, limit=2000)) < 720  # there are no more
    quote, book = feed.quote(BTC, now=now), feed.order_book(BTC, 5, now=now)
    assert 0 < quote.bid < quote.ask and abs(quote.at - now) < timedelta(seconds=5)
    assert len(book.bids) == len(book.asks) == 5
    assert feed.instruments()[BTC].tick > 0
    feed.close()


def desk(there: Kraken, folder: Path) -> App:
    account = there.new_account()
    env = {
        "TRADE_MCP_EXCHANGE_KEY": account.key,
        "TRADE_MCP_EXCHANGE_SECRET": account.secret,
        "TRADE_MCP_EXCHANGE_URL": there.url,
    }
    overrides: dict[str, Any] = {
        "desk": {"data_dir": str(folder / "desk"), "venue": "ccxt", "exchange": "kraken", "symbols": BTC},
        "feed": {"name": "ccxt", "streaming": "false"},
        "limits": {"ask": "never"},
    }
    app = build(load_settings(env=env, overrides=overrides), "tick")
    assert isinstance(app.venue, CcxtVenue)
    app.venue.exchange.budget.calls = None  # a story takes a day's pauses together
    app.venue.poll_s = 0.0
    return app


@pytest.mark.storm
def test_the_desk_buys_its_stop_rests_and_it_closes(market: Kraken, tmp_path: Path) -> None:
    with desk(market, tmp_path) as app:
        app.heartbeats.beat("watch", {})
        app.watch.step()
        plan = ExitPlan(stop=Distance(fraction=Decimal("0.02")), target=Distance(fraction=Decimal("0.04")))
        request = OrderRequest(order_id="mine", symbol=BTC, side=Side.BUY, size=Decimal("0.01"), exits=plan)
        receipt = app.gate.submit(request, Source.MODEL)
        assert receipt.outcome == "placed", receipt.message
        app.watch.step()
        book = app.log.refresh()
        (position,) = book.positions.values()
        assert position.size == Decimal("0.01") and book.unprotected() == []
        (report,) = app.venue.open_orders()  # the stop rests; the desk watches the target
        assert (report.order_id, report.type, report.size) == ("mine-stop-1", OrderType.STOP, Decimal("0.01"))
        assert [each.role for each in book.exits(BTC)] == [Role.STOP]
        assert differences(book, app.venue) == []
        app.gate.close(BTC, Decimal(1), Source.MODEL, reason="test", order_id="out")
        app.watch.step()
        book = app.log.refresh()
        assert not book.positions and not list(book.live())
        assert list(app.venue.open_orders()) == []
        assert differences(book, app.venue) == []


@pytest.mark.storm
def test_a_stop_whose_answer_is_lost_protects_once(market: Kraken, tmp_path: Path) -> None:
    with desk(market, tmp_path) as app:
        app.heartbeats.beat("watch", {})
        app.watch.step()
        market.faults.append(Fault(ADD, count=2))  # of the entry and of its stop
        request = OrderRequest(order_id="mine", symbol=BTC, side=Side.BUY, size=Decimal("0.01"), exits=STOP)
        app.gate.submit(request, Source.MODEL)
        for _ in range(3):
            app.watch.step()
            for pending in [each for each in app.log.refresh().live() if each.status is Status.PENDING]:
                app.reconcile._sender.settle(structs.replace(pending))
        book = app.log.refresh()
        assert book.unprotected() == []
        assert len(app.venue.open_orders()) == 1
        assert asked(market, ADD) == 2
        assert differences(book, app.venue) == []


@pytest.mark.storm
def test_what_its_rounding_takes_is_written_down_and_is_no_break(
    market: Kraken, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaks, "LAG_S", 0.0)
    market.decimals = 6
    with desk(market, tmp_path) as app:
        request = OrderRequest(order_id="mine", symbol=BTC, side=Side.BUY, size=Decimal("0.0123"), exits=STOP)
        app.heartbeats.beat("watch", {})
        app.watch.step()
        assert app.gate.submit(request, Source.MODEL).outcome == "placed"
        app.watch.step()
        before = app.log.refresh()
        ((currency, ours, theirs),) = differences(before, app.venue)
        assert currency == "USDT" and 0 < abs(ours - theirs) <= app.venue.rounding("USDT") == Decimal("0.000001")
        external = before.external["USDT"]
        app.reconcile.balances()
        book = app.log.refresh()
        assert differences(book, app.venue) == [] and not book.breaks
        assert book.external["USDT"] == external + theirs - ours
        market.decimals = 2  # more than its rounding explains
        app.reconcile.balances()
        assert "USDT" in app.log.refresh().breaks
