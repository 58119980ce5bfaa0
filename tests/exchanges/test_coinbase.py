"""Coinbase through unmodified ccxt: what may be lost, doubled or misread there, prices, and the whole desk."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from pydantic import SecretStr

from exchanges.coinbase import Coinbase
from exchanges.coinbase_keys import new_pem
from exchanges.known import exchange_at, translated, venue_at
from exchanges.translator import Account, Answer, Fault
from practice.running import Running, running
from trade_mcp.app import App, build
from trade_mcp.desk.reconcile import differences
from trade_mcp.domain.distances import Distance
from trade_mcp.domain.errors import (
    BadConfig,
    HeardInPart,
    NotOurs,
    OddAnswer,
    VenueRejected,
    VenueUnreachable,
)
from trade_mcp.domain.exits import ExitPlan
from trade_mcp.domain.order import OrderRequest, Side, Source, Status, TimeInForce
from trade_mcp.feeds.ccxt import ccxt_feed
from trade_mcp.logs.redact import redacted
from trade_mcp.settings import load_settings
from trade_mcp.settings.secrets import secret
from trade_mcp.venues.ccxt import CcxtVenue
from trade_mcp.venues.exchange_key import check_key
from venues.bars import BTC, STEP, limit, order
from venues.practised import practising

ORDERS, BATCH, FILLS = "POST /api/v3/brokerage/orders", "*/orders/historical/batch", "*/orders/historical/fills"
CANCELS, ACCOUNTS = "*/orders/batch_cancel", "*/accounts"
PAGE = Answer(text="<!DOCTYPE html><html>Sign in to the hotel network</html>")


@pytest.fixture(scope="module")
def practice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with practising(tmp_path_factory.mktemp("practice"), *["100"] * 200) as running:
        yield running


@pytest.fixture
def there(practice: Running) -> Iterator[Coinbase]:
    practice.control.move_on(STEP.total_seconds())  # a bar from which nothing was taken
    with translated("coinbase", practice) as translator:
        assert isinstance(translator, Coinbase)
        yield translator
    practice.control.pardon()


@pytest.fixture
def venue(there: Coinbase, tmp_path: Path) -> Iterator[CcxtVenue]:
    opened = venue_at(there, tmp_path)
    yield opened
    opened.close()


def held(there: Coinbase) -> list[dict[str, Any]]:
    """The orders of the account, by the exchange's own books."""
    (account,) = there.accounts
    return list(there.practice.control.books(account)["orders"])


def asked(there: Coinbase, target: str) -> int:
    return sum(each.target.endswith(target.removeprefix("*")) for each in there.seen)


# An answer that never came


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_lost_answer_is_found_by_our_id_and_nothing_is_sent_again(
    there: Coinbase, venue: CcxtVenue, when: Any
) -> None:
    there.faults.append(Fault(ORDERS, when=when))
    with pytest.raises(VenueUnreachable):
        venue.submit((order("a", size="0.5"),))
    report = venue.order(order("a", size="0.5"))
    assert asked(there, "/orders") == 1
    if when == "before":
        assert report is None and held(there) == []
    else:
        assert report is not None and (report.order_id, report.status) == ("a", Status.FILLED)
        assert len(held(there)) == 1


@pytest.mark.parametrize(
    "answer",
    [
        PAGE,
        Answer(status=502, text="<html>Bad gateway</html>"),
        Answer({"error": "internal_server_error"}, 500),
        Answer({"success": False, "error_response": {"error": "UNKNOWN_FAILURE_REASON", "message": ""}}),
        Answer({"success": False, "error_response": {"error": "DUPLICATE_CLIENT_ORDER_ID", "message": "known"}}),
        Answer({"success": False, "error_response": {"error": "INTERNAL", "message": ""}}),
    ],
)
def test_what_is_no_clear_no_is_unknown(there: Coinbase, venue: CcxtVenue, answer: Answer) -> None:
    there.faults.append(Fault(ORDERS, "answer", answer=answer))
    with pytest.raises(VenueUnreachable):
        venue.submit((limit("a", price="90"),))
    report = venue.order(limit("a", price="90"))
    assert report is not None and report.status is Status.WORKING
    assert len(held(there)) == 1


@pytest.mark.parametrize("said", [{"success": False}, {"success": True}, {}, []])
def test_an_answer_that_names_no_order_is_looked_into(there: Coinbase, venue: CcxtVenue, said: Any) -> None:
    there.faults.append(Fault(ORDERS, "answer", answer=Answer(said)))
    assert venue.submit((limit("a", price="90"),))[0].status is Status.WORKING
    there.faults.append(Fault(ORDERS, "answer", "before", answer=Answer(said)))
    with pytest.raises(OddAnswer):
        venue.submit((limit("b", price="90"),))
    assert venue.order(limit("b", price="90")) is None


def test_a_slow_answer_is_unknown_after_the_time_out(there: Coinbase, venue: CcxtVenue) -> None:
    venue.exchange.entries.timeout = 300
    there.faults.append(Fault(ORDERS, "delay", seconds=1.0))
    with pytest.raises(VenueUnreachable):
        venue.submit((limit("a", price="90"),))
    assert venue.order(limit("a", price="90")) is not None


def test_one_list_that_cannot_be_read_is_no_proof_that_the_order_is_not_there(
    there: Coinbase, venue: CcxtVenue
) -> None:
    there.faults += [Fault(ORDERS), Fault(BATCH, "answer", answer=PAGE)]
    with pytest.raises(VenueUnreachable):
        venue.submit((limit("a", price="90"),))
    with pytest.raises(VenueUnreachable):
        venue.order(limit("a", price="90"))
    assert venue.order(limit("a", price="90")) is not None


def test_our_id_is_what_the_exchange_knows_the_order_by(there: Coinbase, venue: CcxtVenue) -> None:
    venue.names.ledger = "3f9a1c2e"
    venue.submit((limit("a", price="90"),))
    assert [each["clientOrderId"] for each in held(there)] == ["3f9a1c2e-a"]
    assert [report.order_id for report in venue.open_orders()] == ["a"]


def test_the_same_id_again_answers_with_the_first_order_which_is_not_taken_for_another(
    there: Coinbase, venue: CcxtVenue, tmp_path: Path
) -> None:
    venue.submit((limit("a", price="90"),))
    (account,) = there.accounts.values()
    other = venue_at(there, tmp_path, account)
    with pytest.raises(NotOurs, match="size 1"):
        other.submit((limit("a", size="2", price="90"),))
    other.close()
    assert len(held(there)) == 1


# What it refuses


REFUSED = {
    "insufficient": limit("x", size="1001", price="100"),
    "POST_ONLY": limit("x", price="101", post_only=True),
}


@pytest.mark.parametrize("why", REFUSED)
def test_a_refusal_at_status_200_is_a_clear_no(there: Coinbase, venue: CcxtVenue, why: str) -> None:
    with pytest.raises(VenueRejected, match=f"(?i){why}"):
        venue.submit((REFUSED[why],))
    assert venue.order(REFUSED[why]) is None


def test_a_market_that_is_held_up_takes_no_entries(there: Coinbase, venue: CcxtVenue) -> None:
    venue.instruments()
    there.practice.control.set_symbol("BTCUSDT", "HALT")
    try:
        with pytest.raises(VenueRejected, match="ORDER_ENTRY_DISABLED"):
            venue.submit((limit("a", price="90"),))
        venue.exchange._file.unlink()
        venue.exchange._markets = None
        with pytest.raises(VenueRejected, match="halted"):
            venue.submit((limit("b", price="90"),))
    finally:
        there.practice.control.set_symbol("BTCUSDT", "TRADING")


def test_too_many_requests_are_unknown_and_the_desk_waits(there: Coinbase, venue: CcxtVenue) -> None:
    there.faults.append(Fault(ORDERS, "answer", "before", answer=Answer({"error": "rate_limit_exceeded"}, 429)))
    venue.instruments()
    with pytest.raises(VenueUnreachable):
        venue.submit((limit("a", price="90"),))
    with pytest.raises(VenueUnreachable, match="asked us to wait"):
        venue.balances()
    assert held(there) == []


def test_an_order_that_must_fill_at_once_or_not_at_all(there: Coinbase, venue: CcxtVenue) -> None:
    (whole,) = venue.submit((limit("a", size="0.5", price="101", time_in_force=TimeInForce.FOK),))
    (none,) = venue.submit((limit("b", size="500", price="101", time_in_force=TimeInForce.FOK),))
    assert [whole.status, none.status, none.filled] == [Status.FILLED, Status.CANCELLED, 0]
    (part,) = venue.submit((limit("c", size="250", price="101", time_in_force=TimeInForce.IOC),))
    assert part.status is Status.CANCELLED and 0 < part.filled == sum(fill.size for fill in part.fills) < 250


# Keys


def test_a_key_of_either_kind_signs_in(there: Coinbase, tmp_path: Path) -> None:
    cdp = there.new_account()
    old = structs.replace(there.new_account(), secret="an-old-kind-of-secret")
    there.accounts[old.key] = old
    one_line = structs.replace(cdp, secret=cdp.secret.replace("\n", "\\n"))
    for account in (cdp, one_line, old):
        exchange = exchange_at(there, tmp_path, account)
        assert check_key(exchange).trade
        exchange.close()


@pytest.mark.parametrize("kind", ["another key", "another secret", "an old kind's secret", "half a secret", "no curve"])
def test_a_key_that_is_wrong_is_said_without_it(there: Coinbase, tmp_path: Path, kind: str) -> None:
    good = there.new_account()
    wrong = {
        "another key": Account("organizations/1/apiKeys/2", good.secret),
        "another secret": Account(good.key, new_pem()),
        "an old kind's secret": Account(good.key, "s3cret-s3cret"),
        "half a secret": Account(good.key, good.secret[:120]),
        "no curve": Account(good.key, good.secret.replace("M", "N")),
    }[kind]
    with pytest.raises(BadConfig) as said:
        check_key(exchange_at(there, tmp_path, wrong))
    text = f"{said.value} {said.value.hint}"
    assert "TRADE_MCP_EXCHANGE_SECRET" in text
    assert all(line not in text for line in wrong.secret.splitlines() if not line.startswith("-----"))


def test_no_line_of_a_private_key_is_printed() -> None:
    pem = new_pem()
    assert secret("exchange_secret", SecretStr(pem.replace("\n", "\\n"))) != pem
    for text in (pem, repr(pem), pem.replace("\n", " ")):
        shown = redacted(f"ValueError: {text}")
        assert all(line not in shown for line in pem.splitlines() if not line.startswith("-----"))


def test_rights_are_looked_at_before_any_order(there: Coinbase, tmp_path: Path) -> None:
    exchange = exchange_at(there, tmp_path, there.new_account())
    there.may_transfer = True
    with pytest.raises(BadConfig, match="withdraw"):
        check_key(exchange)
    there.may_transfer, there.may_not_trade = False, True
    with pytest.raises(BadConfig, match="may not trade"):
        check_key(exchange)
    venue = venue_at(there, tmp_path)
    with pytest.raises(VenueRejected, match="PERMISSION_DENIED"):
        venue.submit((limit("a", price="90"),))


def test_a_clock_that_is_wrong_is_a_clear_no(there: Coinbase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    venue = venue_at(there, tmp_path)
    venue.instruments()
    for off_s in (-130, 130):
        monkeypatch.setattr(venue.exchange.entries, "seconds", lambda off_s=off_s: int(time.time()) + off_s)
        with pytest.raises(VenueRejected, match="Authentication"):
            venue.submit((limit(f"a{off_s}", price="90"),))
    assert held(there) == []


def test_a_key_refused_because_of_the_clock_says_so(
    there: Coinbase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange = exchange_at(there, tmp_path, there.new_account())
    monkeypatch.setattr(exchange.reads, "seconds", lambda: int(time.time()) + 200)
    monkeypatch.setattr(exchange.reads, "milliseconds", lambda: int(time.time() * 1000) + 200_000)
    with pytest.raises(BadConfig) as said:
        check_key(exchange)
    assert "clock is 200 s off" in said.value.hint or "clock is 201 s off" in said.value.hint
    exchange.close()


def test_the_grace_outlives_a_request(venue: CcxtVenue) -> None:
    assert venue.grace_s >= 120 + 10


# Cancels


def test_a_cancel_that_only_began_is_followed_to_its_end(there: Coinbase, venue: CcxtVenue) -> None:
    there.slow_cancels = True
    venue.submit((limit("a", price="90"),))
    assert venue.cancel(limit("a", price="90")).status is Status.WORKING
    there.finish_cancels()
    report = venue.order(limit("a", price="90"))
    assert report is not None and report.status is Status.CANCELLED


def test_a_cancel_that_is_refused_is_no_end(there: Coinbase, venue: CcxtVenue) -> None:
    venue.submit((limit("a", price="90"),))
    refusal = {"success": False, "failure_reason": "COMMANDER_REJECTED_CANCEL_ORDER", "order_id": "x"}
    there.faults.append(Fault(CANCELS, "answer", "before", answer=Answer({"results": [refusal]})))
    with pytest.raises(VenueRejected):
        venue.cancel(limit("a", price="90"))
    assert venue.cancel(limit("a", price="90")).status is Status.CANCELLED


def test_a_cancel_without_an_answer_is_unknown(there: Coinbase, venue: CcxtVenue) -> None:
    venue.submit((limit("a", price="90"),))
    there.faults.append(Fault(CANCELS))
    with pytest.raises(VenueUnreachable):
        venue.cancel(limit("a", price="90"))
    report = venue.order(limit("a", price="90"))
    assert report is not None and report.status is Status.CANCELLED


def test_an_order_on_its_way_is_working(there: Coinbase, venue: CcxtVenue) -> None:
    (report,) = venue.submit((limit("a", price="90"),))
    row = dict(there._told_of(there.accounts[venue.exchange.reads.apiKey], held(there)[0]))
    for status, what in {"PENDING": Status.WORKING, "QUEUED": Status.WORKING, "FAILED": Status.CANCELLED}.items():
        answer = Answer({"order": row | {"status": status}})
        there.faults.append(Fault("*/orders/historical/*-*", "answer", answer=answer))
        found = venue.order(structs.replace(limit("a", price="90"), venue_id=report.venue_id))
        assert found is not None and found.status is what
    there.faults.append(
        Fault("*/orders/historical/*-*", "answer", answer=Answer({"order": row | {"status": "UNKNOWN_ORDER_STATUS"}}))
    )
    with pytest.raises(OddAnswer):
        venue.order(structs.replace(limit("a", price="90"), venue_id=report.venue_id))


# Lists of many pages


def test_nothing_is_lost_on_a_second_page(there: Coinbase, venue: CcxtVenue) -> None:
    there.page = 2
    assert {"USDT", "BTC"} <= set(venue.balances())
    _, cursor = venue.reports_since("")
    for number in range(5):
        venue.submit((limit(f"r{number}", size="0.5", price="90"),))
        venue.submit((order(f"f{number}", size="0.5"),))
    assert len(venue.open_orders()) == 5
    reports, cursor = venue.reports_since(cursor)
    assert {report.order_id for report in reports} == {f"{kind}{number}" for kind in "rf" for number in range(5)}
    assert sum(len(report.fills) for report in reports) == 5
    fresh = venue_at(there, Path(venue.exchange._file).parents[1], there.accounts[venue.exchange.reads.apiKey])
    assert {each.order_id for each in fresh.open_orders()} == {f"r{number}" for number in range(5)}
    assert all(fresh.order(order(f"f{number}", size="0.5")) is not None for number in range(5))
    fresh.close()


def test_fills_of_one_order_over_many_pages(there: Coinbase, venue: CcxtVenue) -> None:
    there.page = 1
    large = limit("a", size="250", price="101")
    venue.submit((large,))
    for _ in range(4):
        there.practice.control.move_on(STEP.total_seconds())
    report = venue.order(large)
    assert report is not None and report.status is Status.FILLED
    assert len({fill.trade_id for fill in report.fills}) == len(report.fills) > 2
    assert sum(fill.size for fill in report.fills) == 250
    assert all(fill.fee_currency == "USDT" and fill.fee == fill.fee_quote > 0 for fill in report.fills)


def test_a_page_that_is_missing_is_said(there: Coinbase, venue: CcxtVenue) -> None:
    more = {"accounts": [], "has_next": True, "cursor": ""}
    there.faults.append(Fault(ACCOUNTS, "answer", answer=Answer(more)))
    with pytest.raises(OddAnswer):
        venue.balances()
    again = {"orders": [], "has_next": True, "cursor": "same"}
    there.faults.append(Fault(BATCH, "answer", "before", count=9, answer=Answer(again)))
    with pytest.raises(OddAnswer):
        venue.open_orders()


def test_rows_under_another_name_of_the_market_are_not_left_out(there: Coinbase, venue: CcxtVenue) -> None:
    venue.submit((limit("a", price="90"),))
    row = there._told_of(there.accounts[venue.exchange.reads.apiKey], held(there)[0])
    there.faults.append(
        Fault(
            BATCH,
            "answer",
            answer=Answer({"orders": [row | {"product_id": "BTC-USDC"}], "has_next": False, "cursor": ""}),
        )
    )
    with pytest.raises(OddAnswer):
        venue.order(limit("b", price="90"))


def test_a_trade_that_was_corrected_is_not_booked_as_one(there: Coinbase, venue: CcxtVenue) -> None:
    _, cursor = venue.reports_since("")
    venue.submit((order("a", size="0.5"),))
    account = there.accounts[venue.exchange.reads.apiKey]
    fill = there._fill(account, there._trades(account, "BTCUSDT")[0], "BTC-USDT")
    reversal = {"fills": [fill | {"trade_type": "REVERSAL", "entry_id": "x"}, fill], "cursor": ""}
    there.faults.append(Fault(FILLS, "answer", count=9, answer=Answer(reversal)))
    with pytest.raises(HeardInPart, match="REVERSAL"):
        venue.reports_since(cursor)


# The rest of the account


def test_orders_of_another_hand_are_told_as_that(there: Coinbase, venue: CcxtVenue) -> None:
    venue.names.ledger = "3f9a1c2e"
    _, cursor = venue.reports_since("")
    account = there.accounts[venue.exchange.reads.apiKey]
    there.private(account, "POST", "order", symbol="BTCUSDT", side="BUY", type="MARKET", quoteOrderQty="50")
    resting = {"type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "80"}
    there.private(account, "POST", "order", symbol="BTCUSDT", side="BUY", newClientOrderId="by-hand", **resting)
    reports, _ = venue.reports_since(cursor)
    assert all(report.order_id.startswith("other:") for report in reports) and len(reports) == 2
    (bought,) = [report for report in reports if report.fills]
    assert bought.filled == bought.fills[0].size > 0
    assert [each.order_id for each in venue.open_orders()] == ["other:by-hand"]


def test_deposits_are_told_once_and_trades_are_none(there: Coinbase, venue: CcxtVenue) -> None:
    there.page = 2
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


# Prices, and the whole desk


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Coinbase]:
    with running(tmp_path / "practice") as practice, translated("coinbase", practice) as translator:
        assert isinstance(translator, Coinbase)
        yield translator


def test_prices_come_by_rest(market: Coinbase, tmp_path: Path) -> None:
    feed = ccxt_feed(exchange_at(market, tmp_path), [BTC])
    now = datetime.now(UTC)
    candles = feed.candles(BTC, "5m", now=now, limit=700)  # more than two pages of 300
    assert len(candles) == 700
    assert (candles.open_ms[1:] - candles.open_ms[:-1] == 300_000).all()
    assert candles.open_ms[-1] + 300_000 <= now.timestamp() * 1000
    quote, book = feed.quote(BTC, now=now), feed.order_book(BTC, 5, now=now)
    assert 0 < quote.bid < quote.ask and abs(quote.at - now) < timedelta(seconds=5)
    assert len(book.bids) == len(book.asks) == 5
    assert feed.instruments()[BTC].tick > 0
    feed.close()


def desk(there: Coinbase, folder: Path) -> App:
    account = there.new_account()
    env = {
        "TRADE_MCP_EXCHANGE_KEY": account.key,
        "TRADE_MCP_EXCHANGE_SECRET": account.secret.replace("\n", "\\n"),
        "TRADE_MCP_EXCHANGE_URL": there.url,
    }
    overrides: dict[str, Any] = {
        "desk": {"data_dir": str(folder / "desk"), "venue": "ccxt", "exchange": "coinbase", "symbols": BTC},
        "feed": {"name": "ccxt", "streaming": "false"},
        "limits": {"ask": "never"},
    }
    return build(load_settings(env=env, overrides=overrides), "tick")


def bought(app: App, order_id: str, size: str = "0.01") -> None:
    """Buy through the gate, with a stop and a target, and look what became of it."""
    plan = ExitPlan(stop=Distance(fraction=Decimal("0.02")), target=Distance(fraction=Decimal("0.04")))
    request = OrderRequest(order_id=order_id, symbol=BTC, side=Side.BUY, size=Decimal(size), exits=plan)
    receipt = app.gate.submit(request, Source.MODEL)
    assert receipt.outcome == "placed", receipt.message
    app.watch.step()
    (position,) = app.log.refresh().positions.values()
    assert position.size == Decimal(size)
    assert list(app.venue.open_orders()) == []  # nothing rests: the desk watches


def closed(app: App, order_id: str) -> None:
    app.gate.close(BTC, Decimal(1), Source.MODEL, reason="test", order_id=order_id)
    app.watch.step()
    book = app.log.refresh()
    assert not book.positions and not list(book.live())
    assert differences(book, app.venue) == []


@pytest.mark.storm
def test_the_desk_buys_and_closes_whether_answers_come_or_not(market: Coinbase, tmp_path: Path) -> None:
    with desk(market, tmp_path) as app:
        app.heartbeats.beat("watch", {})
        app.watch.step()
        bought(app, "heard")
        closed(app, "heard-out")
        market.faults.append(Fault(ORDERS))
        bought(app, "lost", "0.008")
        market.faults.append(Fault(ORDERS))
        closed(app, "lost-out")
        assert sum(each.target == ORDERS for each in market.seen) == 4
