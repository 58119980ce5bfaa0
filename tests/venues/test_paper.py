"""The paper venue's own promises: fees three ways, no cent lost, pessimism in a bar, one account per file."""

import sqlite3
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from trade_mcp.domain.distances import Distance
from trade_mcp.domain.errors import BadConfig, ForeignDatabase, ForeignLedger, SchemaNewer, VenueRejected
from trade_mcp.domain.order import Fill, OrderType, Report, Side, Status, TimeInForce
from trade_mcp.venues.paper import PaperVenue, open_paper
from venues.bars import BTC, ETH, START, STEP, BarFeed, HandClock, bars, limit, order, stop

type Opened = Callable[..., tuple[PaperVenue, HandClock]]
MEMORY = Path(":memory:")


@pytest.fixture
def opened() -> Iterator[Opened]:
    venues = []

    def open_(*prices: str, volume: str = "1000", path: Path = MEMORY, **given: Any) -> tuple[PaperVenue, HandClock]:
        clock = HandClock(given.pop("at", START + STEP))
        feed = BarFeed(bars(BTC, *prices, volume=volume), bars("BNB/USDT", *["500"] * len(prices)))
        usual: dict[str, Any] = {"quote": "USDT", "cash": Decimal(100_000), "holdings": {"BTC": Decimal(10)}}
        venues.append(open_paper(path, feed, clock, **(usual | given)))
        return venues[-1], clock

    yield open_
    for venue in venues:
        venue.close()


def owned(venue: PaperVenue) -> dict[str, Decimal]:
    return {currency: balance.total for currency, balance in venue.balances().items()}


def one_fill(reports: tuple[Report, ...]) -> Fill:
    (fill,) = reports[0].fills
    return fill


def status(venue: PaperVenue, order_id: str) -> tuple[Status, str]:
    report = venue.order(order(order_id))
    assert report is not None
    return report.status, report.reason


# --- fees


def test_a_fee_in_the_quote_currency(opened: Opened) -> None:
    venue, _ = opened("100", slippage=Decimal(0), spread=Decimal(0))
    fill = one_fill(venue.submit((order("a"),)))
    assert (fill.fee, fill.fee_currency, fill.fee_quote) == (Decimal("0.1"), "USDT", Decimal("0.1"))
    assert owned(venue) == {"USDT": Decimal("99899.9"), "BTC": Decimal(11)}


def test_a_fee_in_what_is_received(opened: Opened) -> None:
    venue, _ = opened("100", slippage=Decimal(0), fee_currency="received")
    bought = one_fill(venue.submit((order("a"),)))
    assert (bought.fee, bought.fee_currency, bought.fee_quote) == (Decimal("0.001"), "BTC", Decimal("0.1"))
    assert owned(venue) == {"USDT": Decimal(99_900), "BTC": Decimal("10.999")}
    sold = one_fill(venue.submit((order("b", Side.SELL),)))
    assert (sold.fee, sold.fee_currency) == (Decimal("0.1"), "USDT")
    assert owned(venue) == {"USDT": Decimal("99999.9"), "BTC": Decimal("9.999")}


@pytest.mark.parametrize("price", [Decimal(500), None])
def test_a_fee_in_a_third_coin_until_it_is_used_up(opened: Opened, price: Decimal | None) -> None:
    coins = {"BTC": Decimal(10), "BNB": Decimal("0.0003")}
    venue, _ = opened("100", slippage=Decimal(0), fee_currency="BNB", fee_coin_price=price, holdings=coins)
    first, second = one_fill(venue.submit((order("a"),))), one_fill(venue.submit((order("b"),)))
    assert (first.fee, first.fee_currency, first.fee_quote) == (Decimal("0.0002"), "BNB", Decimal("0.1"))
    assert (second.fee, second.fee_currency) == (Decimal("0.1"), "USDT")
    assert owned(venue) == {"USDT": Decimal("99799.9"), "BTC": Decimal(12), "BNB": Decimal("0.0001")}


def test_a_coin_without_a_price_is_refused(opened: Opened) -> None:
    with pytest.raises(BadConfig, match="KCS/USDT"):
        opened("100", fee_currency="KCS")


def test_maker_and_taker_fees_replace_the_instruments(opened: Opened) -> None:
    venue, clock = opened("100", "90", maker_fee=Decimal("0.0002"), taker_fee=Decimal("0.0005"), slippage=Decimal(0))
    assert one_fill(venue.submit((order("a"),))).fee == Decimal("0.05")
    venue.submit((limit("b", price="95"),))
    clock.bars_on()
    report = venue.order(order("b"))
    assert report is not None
    fill = one_fill((report,))
    assert fill.maker and fill.fee == fill.price * Decimal("0.0002")
    assert venue.instruments()[BTC].taker_fee == Decimal("0.0005")


# --- what a bar may do


def test_a_bar_with_stop_and_target_hits_the_stop(opened: Opened) -> None:
    venue, clock = opened("100", "100 110 90 108")
    legs = stop("s", trigger="95", group="g"), limit("t", Side.SELL, price="105", group="g")
    venue.submit(legs)
    clock.bars_on()
    assert status(venue, "s") == (Status.FILLED, "")
    assert status(venue, "t") == (Status.CANCELLED, "the other leg of its group came alive")


def test_an_order_placed_inside_a_bar_meets_only_its_close(opened: Opened) -> None:
    venue, clock = opened("100", "100 110 80 100", "100 100 94 100")
    clock.at += timedelta(minutes=2)
    venue.submit((stop("s", trigger="95"),))
    clock.bars_on()
    assert status(venue, "s") == (Status.WORKING, "")
    clock.bars_on()
    assert status(venue, "s") == (Status.FILLED, "")


def test_a_gap_through_a_stop_fills_at_the_open(opened: Opened) -> None:
    venue, clock = opened("100", "80 82 79 81", spread=Decimal(0), slippage=Decimal(0))
    venue.submit((stop("s", trigger="95"),))
    clock.bars_on()
    report = venue.order(order("s"))
    assert report is not None
    fill = one_fill((report,))
    assert (fill.price, fill.at) == (80, START + 2 * STEP)


def test_a_trailing_stop_hangs_from_the_best_price_across_a_restart(opened: Opened, tmp_path: Path) -> None:
    prices = "100", "100 120 100 119", "119 119 116 117", "117 117 113 114"
    given: dict[str, Any] = {"path": tmp_path / "paper.db", "spread": Decimal(0), "slippage": Decimal(0)}
    venue, clock = opened(*prices, **given)
    asked = order(
        "t", Side.SELL, type=OrderType.TRAILING_STOP, trigger_price="95", trailing=Distance(amount=Decimal(5))
    )
    venue.submit((asked,))
    clock.bars_on()
    assert status(venue, "t") == (Status.WORKING, "")
    venue.close()
    again, later = opened(*prices, **given)
    later.bars_on(3)
    report = again.order(asked)
    assert report is not None and one_fill((report,)).price == 115


def test_bars_are_matched_oldest_first_across_symbols() -> None:
    # The purchase costs more than it locked; the sale, a bar earlier and of another symbol, brings the money.
    clock = HandClock()
    feed = BarFeed(bars(BTC, "100", "100", "130"), bars(ETH, "10", "12", "12"))
    holdings = {"ETH": Decimal(90)}
    venue = open_paper(MEMORY, feed, clock, quote="USDT", cash=Decimal(112), holdings=holdings)
    venue.submit((stop("buy", Side.BUY, trigger="110"),))
    venue.submit((structs.replace(limit("sell", Side.SELL, "90", price="11"), symbol=ETH),))
    clock.bars_on(2)
    fills = {report.order_id: one_fill((report,)) for report in venue.reports_since("")[0]}
    assert int(fills["sell"].trade_id) < int(fills["buy"].trade_id)
    assert fills["sell"].at < fills["buy"].at
    assert fills["buy"].size == 1


def test_a_gap_beyond_what_was_locked_fills_only_what_can_be_paid(opened: Opened) -> None:
    venue, clock = opened("100", "150", cash=Decimal(120))
    venue.submit((stop("b", Side.BUY, trigger="110"),))
    clock.bars_on()
    report = venue.order(order("b"))
    assert report is not None
    assert (report.status, report.reason) == (Status.EXPIRED, "the account cannot pay for the rest")
    assert 0 < report.filled < 1
    assert 0 <= owned(venue)["USDT"] < Decimal("0.01")


def test_orders_in_one_bar_share_its_volume(opened: Opened) -> None:
    venue, clock = opened("100", "100", "100", volume="20")
    filled = [venue.submit((order(name, size="1.5"),))[0].filled for name in "ab"]
    assert filled == [Decimal("1.5"), Decimal("0.5")]
    clock.bars_on(2)
    assert status(venue, "b") == (Status.FILLED, "")


def test_a_market_without_recent_bars_fills_nothing_and_what_can_wait_waits(opened: Opened) -> None:
    venue, clock = opened("100", "100")
    clock.bars_on(5)
    assert venue.submit((order("a", Side.SELL),))[0].status is Status.WORKING
    assert venue.submit((order("b", time_in_force=TimeInForce.IOC),))[0].status is Status.EXPIRED


def test_without_any_price_a_sale_waits_and_a_purchase_is_refused(opened: Opened) -> None:
    venue, clock = opened("100", "100", at=START)
    assert venue.submit((order("a", Side.SELL),))[0].status is Status.WORKING
    with pytest.raises(VenueRejected, match="no price"):
        venue.submit((order("b"),))
    clock.bars_on(2)
    assert status(venue, "a") == (Status.FILLED, "")


@pytest.mark.parametrize(
    ("tif", "reason"), [(TimeInForce.FOK, "FOK: not all of it could be filled at once"), (TimeInForce.IOC, "")]
)
def test_fok_is_all_or_nothing_and_ioc_takes_what_is_there(opened: Opened, tif: TimeInForce, reason: str) -> None:
    venue, _ = opened("100", volume="20")
    report = venue.submit((order("a", size="3", time_in_force=tif),))[0]
    assert report.status is Status.EXPIRED
    assert report.filled == (0 if tif is TimeInForce.FOK else 2)
    assert not reason or report.reason == reason


def test_a_day_order_ends_with_its_day_even_without_bars(opened: Opened) -> None:
    venue, clock = opened("100", "100")
    venue.submit((limit("a", price="90", time_in_force=TimeInForce.DAY),))
    clock.at = START.replace(hour=23, minute=59)
    assert status(venue, "a") == (Status.WORKING, "")
    clock.at += timedelta(minutes=1)
    assert status(venue, "a") == (Status.EXPIRED, "DAY: its day is over")
    assert venue.balances()["USDT"].locked == 0


def test_a_refusal_keeps_what_was_matched_before_it(opened: Opened) -> None:
    venue, clock = opened("100", "90")
    venue.submit((limit("a", price="95"),))
    clock.bars_on()
    with pytest.raises(VenueRejected):
        venue.submit((order("b", size="0"),))
    with venue._file.reading() as db:
        assert db.execute("SELECT count(*) FROM fills").fetchone() == (1,)


def test_looking_writes_nothing_while_nothing_happens(opened: Opened) -> None:
    venue, clock = opened("100", "100", "100")
    venue.submit((limit("a", price="95"),))
    clock.bars_on()
    venue.balances()
    _, cursor = venue.reports_since("")
    clock.at += timedelta(seconds=10)
    before = venue._file._db.total_changes
    assert list(venue.open_orders()) and venue.balances() and venue.reports_since(cursor) == ([], cursor)
    assert venue._file._db.total_changes == before


# --- the file


def test_a_restart_finds_the_account_as_it_was(opened: Opened, tmp_path: Path) -> None:
    given: dict[str, Any] = {"path": tmp_path / "deep" / "paper.db"}
    venue, _ = opened("100", "90", "95", **given)
    venue.submit((order("a", size="0.5"),))
    venue.submit((limit("b", price="95"),))
    before = venue.account, venue.balances(), venue.reports_since("")
    venue.close()
    again, later = opened("100", "90", "95", **(given | {"cash": Decimal(5)}))
    assert (again.account, again.balances(), again.reports_since("")) == before
    later.bars_on()
    assert status(again, "b") == (Status.FILLED, "")


def test_a_new_account_is_a_new_instance(opened: Opened) -> None:
    (one, _), (two, _) = opened("100"), opened("100")
    assert one.account != two.account
    named, _ = opened("100", new_id=lambda: "mine")
    assert named.account == "mine"


def test_market_time_that_falls_back_matches_nothing_twice_and_sees_nothing_early(opened: Opened) -> None:
    venue, clock = opened("100", "100 120 100 119", "119 119 115.5 118", "50", spread=Decimal(0), slippage=Decimal(0))
    trail = Distance(amount=Decimal(5))
    venue.submit((order("t", Side.SELL, type=OrderType.TRAILING_STOP, trigger_price="95", trailing=trail),))
    clock.bars_on(2)
    assert status(venue, "t") == (Status.WORKING, "")
    clock.bars_on(-2)
    assert one_fill(venue.submit((order("m"),))).price == 100
    clock.bars_on(2)
    assert status(venue, "t") == (Status.WORKING, "")


def open_file(path: Path, feed: BarFeed, *, days: int = 0) -> PaperVenue:
    return open_paper(path, feed, HandClock(START + STEP + timedelta(days)), quote="USDT", cash=Decimal(1))


def test_an_account_of_a_later_time_is_refused(tmp_path: Path) -> None:
    feed, path = BarFeed(bars(BTC, "100")), tmp_path / "paper.db"
    open_file(path, feed, days=8).close()
    with pytest.raises(ForeignLedger, match="has traded until"):
        open_file(path, feed)


def test_an_account_belongs_to_one_feed(tmp_path: Path) -> None:
    path = tmp_path / "paper.db"
    open_file(path, BarFeed(bars(BTC, "100"))).close()
    with pytest.raises(ForeignLedger, match="trades bars, not other"):
        open_file(path, BarFeed(bars(BTC, "100"), identity="other"))


def test_files_of_other_programs_are_refused(tmp_path: Path) -> None:
    feed, path = BarFeed(bars(BTC, "100")), tmp_path / "other.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE songs (title TEXT)")
    other.close()
    with pytest.raises(ForeignDatabase, match="another program"):
        open_file(path, feed)
    text = tmp_path / "text.db"
    text.write_text("not a database, however one looks at it. " * 50)
    with pytest.raises(ForeignDatabase, match="not a paper account"):
        open_file(text, feed)
    with pytest.raises(BadConfig, match="cannot be opened"):
        open_file(tmp_path, feed)


def test_a_newer_account_is_refused(tmp_path: Path) -> None:
    feed, path = BarFeed(bars(BTC, "100")), tmp_path / "paper.db"
    open_file(path, feed).close()
    with sqlite3.connect(path) as newer:
        newer.execute("PRAGMA user_version = 9")
    newer.close()
    with pytest.raises(SchemaNewer, match="schema 9; this version knows 1"):
        open_file(path, feed)


# --- no cent lost

SIZES = st.integers(1, 3000).map(lambda n: str(Decimal(n) / 1000))
CENTS = st.integers(8_000, 12_500).map(lambda n: str(Decimal(n) / 100))
SIDES = st.sampled_from(list(Side))
ACTS = st.one_of(
    st.tuples(st.just("market"), SIDES, SIZES, CENTS, st.sampled_from(list(TimeInForce))),
    st.tuples(st.just("limit"), SIDES, SIZES, CENTS, st.sampled_from(list(TimeInForce))),
    st.tuples(st.just("stop"), SIDES, SIZES, CENTS, st.just(TimeInForce.GTC)),
    st.tuples(st.just("oco"), SIDES, SIZES, CENTS, st.just(TimeInForce.GTC)),
    st.tuples(st.just("cancel"), SIDES, SIZES, CENTS, st.just(TimeInForce.GTC)),
    st.tuples(st.just("wait"), SIDES, SIZES, CENTS, st.just(TimeInForce.GTC)),
)
PRICES = ("100", "101 110 95 99", "98 99 85 90", "95 124 95 120", "121 122 100 104", "104", "90 92 88 91", "110")


def act(venue: PaperVenue, clock: HandClock, name: str, what: tuple[str, Side, str, str, TimeInForce]) -> None:
    kind, side, size, price, tif = what
    match kind:
        case "wait":
            clock.at += STEP / 2
        case "cancel":
            for report in venue.open_orders()[:1]:
                venue.cancel(order(report.order_id))
        case "market":
            venue.submit((order(name, side, size, time_in_force=tif),))
        case "limit":
            venue.submit((limit(name, side, size, price=price, time_in_force=tif),))
        case "stop":
            venue.submit((stop(name, side, size, trigger=price),))
        case "oco":
            target = limit(f"{name}-t", Side.SELL, size, price=str(Decimal(price) + 10), group=name)
            venue.submit((stop(f"{name}-s", Side.SELL, size, trigger=price, group=name), target))


@settings(max_examples=60, deadline=None)
@given(st.lists(ACTS, max_size=25), st.sampled_from(["quote", "received", "BNB"]), st.sampled_from(["3", "20", "1000"]))
def test_money_is_conserved_to_the_last_digit(
    acts: list[tuple[str, Side, str, str, TimeInForce]], fee_currency: str, volume: str
) -> None:
    deposit = {"USDT": Decimal("400.123"), "BTC": Decimal("3.5"), "BNB": Decimal("0.001")}
    clock = HandClock()
    feed = BarFeed(bars(BTC, *PRICES, volume=volume), bars("BNB/USDT", *["537.3"] * len(PRICES)))
    holdings = {"BTC": deposit["BTC"], "BNB": deposit["BNB"]}
    venue = open_paper(
        MEMORY, feed, clock, quote="USDT", cash=deposit["USDT"], holdings=holdings, fee_currency=fee_currency
    )
    cursor, seen = "", {}
    for index, what in enumerate(acts):
        try:
            act(venue, clock, f"o{index}", what)
        except VenueRejected as refused:
            assert any(digit in refused.message for digit in "0123456789")
        changed, cursor = venue.reports_since(cursor)
        seen |= {report.order_id: report for report in changed}
    balances = venue.balances()
    changed, _ = venue.reports_since(cursor)
    seen |= {report.order_id: report for report in changed}
    assert seen == {report.order_id: report for report in venue.reports_since("")[0]}
    expected = dict(deposit)
    for report in seen.values():
        assert report.filled == sum(fill.size for fill in report.fills)
        assert report.size is not None and report.filled <= report.size
        for fill in report.fills:
            expected["BTC"] += fill.side.sign * fill.size
            expected["USDT"] -= fill.side.sign * fill.size * fill.price
            expected[fill.fee_currency] -= fill.fee
            value = {"USDT": Decimal(1), "BTC": fill.price, "BNB": Decimal("537.3")}[fill.fee_currency]
            assert fill.fee_quote == fill.fee * value > 0
    assert {currency: balance.total for currency, balance in balances.items()} == {
        c: a for c, a in expected.items() if a
    }
    assert all(balance.free >= 0 and balance.locked >= 0 for balance in balances.values())
    if not venue.open_orders():
        assert not any(balance.locked for balance in balances.values())
    venue.close()
