"""What every venue does, whichever it is: the desk relies on nothing else. A new venue needs a stage here."""

import contextlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec import Struct, structs

from exchanges.known import TRANSLATORS, translated, venue_at
from practice.running import Running
from trade_mcp.domain.errors import VenueRejected
from trade_mcp.domain.lifecycle import ENDS
from trade_mcp.domain.order import Order, OrderType, Report, Side, Status
from trade_mcp.ports import Venue
from trade_mcp.venues import VENUES
from trade_mcp.venues.ccxt import CcxtVenue
from venues.bars import BTC, ETH, STEP, BarFeed, HandClock, bars, limit, order, stop
from venues.practised import new_key, practising, venue_of

CASH, COINS = Decimal(100_000), Decimal(10)
DEPOSIT = f"USDT={CASH},BTC={COINS}"
# Bar by bar; the stage opens after the first one. A tenth of 1000 BTC may fill in each.
MARKET = ("100", "100 101 99 100", "100 106 100 105", "105 105 90 91", "91", "91")


class Stage(Struct):
    """A venue on which ``MARKET`` is played, with CASH of USDT and COINS of BTC in a new account."""

    venue: Venue
    next_bar: Callable[[], None]
    whole_history: bool = True  # "" asks it for everything that ever happened; else for what happens from then on


def paper_stage(folder: Path, _: pytest.FixtureRequest) -> Iterator[Stage]:
    clock = HandClock()
    feed = BarFeed(bars(BTC, *MARKET), bars(ETH, *["10"] * len(MARKET)))
    venue = VENUES["paper"](folder / "paper.db", feed, clock, quote="USDT", cash=CASH, holdings={"BTC": COINS})
    yield Stage(venue, clock.bars_on)
    venue.close()  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def rounds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A practice exchange on which ``MARKET`` is played again and again, once for each stage."""
    with practising(tmp_path_factory.mktemp("rounds"), *MARKET * 50 * (1 + len(TRANSLATORS))) as practice:
        yield practice


def ccxt_stage(folder: Path, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """Against the practice exchange, through unmodified ccxt and real sockets."""
    practice: Running = request.getfixturevalue("rounds")
    yield from moving(venue_of(practice, folder, new_key(practice, DEPOSIT)), practice)


def moving(venue: CcxtVenue, practice: Running) -> Iterator[Stage]:
    moved = 0

    def next_bar() -> None:
        nonlocal moved
        moved += 1
        practice.control.move_on(STEP.total_seconds())

    yield Stage(venue, next_bar, whole_history=False)
    venue.close()
    practice.control.move_on((len(MARKET) - moved) * STEP.total_seconds())
    practice.control.pardon()  # each stage has a whole minute's weight


def translated_stage(name: str) -> Callable[[Path, pytest.FixtureRequest], Iterator[Stage]]:
    """On an exchange that speaks another API, with the market of the practice exchange behind it."""

    def stage(folder: Path, request: pytest.FixtureRequest) -> Iterator[Stage]:
        with translated(name, request.getfixturevalue("rounds")) as there:
            venue = venue_at(there, folder, there.new_account(DEPOSIT))
            yield from moving(venue, there.practice)

    return stage


STAGES = {
    "paper": paper_stage,
    "ccxt": ccxt_stage,
    **{name: translated_stage(name) for name in TRANSLATORS},
}
STOPS_REST = ("ccxt", "kraken", "paper")  # where the venue holds a stop by itself; elsewhere the desk watches it
PAIRS_REST = ("ccxt", "paper")  # where it holds a stop and a target as one


def test_every_venue_has_a_stage() -> None:
    assert set(VENUES) <= set(STAGES)


@pytest.fixture(params=sorted(STAGES))
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    yield from STAGES[request.param](tmp_path, request)


@pytest.fixture(params=STOPS_REST)
def stop_stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    yield from STAGES[request.param](tmp_path, request)


@pytest.fixture(params=PAIRS_REST)
def pair_stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    yield from STAGES[request.param](tmp_path, request)


def submit(stage: Stage, *orders: Order) -> Report:
    return stage.venue.submit(orders)[0]


def known(stage: Stage, asked: Order) -> Report:
    report = stage.venue.order(asked)
    assert report is not None
    return report


def owned(stage: Stage) -> dict[str, Decimal]:
    return {currency: balance.total for currency, balance in stage.venue.balances().items()}


def free(stage: Stage, currency: str) -> Decimal:
    return stage.venue.balances()[currency].free


def locked(stage: Stage) -> dict[str, Decimal]:
    return {currency: balance.locked for currency, balance in stage.venue.balances().items() if balance.locked}


def test_a_venue_says_who_it_is_and_what_trades(stage: Stage) -> None:
    assert stage.venue.name and stage.venue.account and stage.venue.grace_s > 0
    assert stage.venue.instruments()[BTC].base == "BTC"


def test_a_new_account_owns_its_deposit(stage: Stage) -> None:
    assert owned(stage) == {"USDT": CASH, "BTC": COINS}
    assert list(stage.venue.open_orders()) == []
    assert list(stage.venue.reports_since("")[0]) == []


def test_a_market_order_fills_and_money_moves_by_its_fills(stage: Stage) -> None:
    report = submit(stage, order("a", size="0.5"))
    assert (report.order_id, report.status, report.filled) == ("a", Status.FILLED, Decimal("0.5"))
    (fill,) = report.fills
    assert (fill.side, fill.size, fill.maker) == (Side.BUY, Decimal("0.5"), False)
    assert fill.price >= 100 and fill.fee > 0
    expected = {"USDT": CASH - fill.size * fill.price, "BTC": COINS + fill.size}
    expected[fill.fee_currency] -= fill.fee
    assert owned(stage) == expected


def test_a_limit_order_locks_what_it_may_spend_and_a_cancel_frees_it(stage: Stage) -> None:
    asked = limit("a", size="2", price="98")
    assert submit(stage, asked).status is Status.WORKING
    assert Decimal(196) <= locked(stage)["USDT"] < Decimal(197)
    assert free(stage, "USDT") == CASH - locked(stage)["USDT"]
    report = stage.venue.cancel(asked)
    assert (report.status, report.filled) == (Status.CANCELLED, 0)
    assert locked(stage) == {}
    assert owned(stage) == {"USDT": CASH, "BTC": COINS}


def test_a_resting_sell_locks_the_coins(stage: Stage) -> None:
    submit(stage, limit("a", Side.SELL, "4", price="120"))
    assert locked(stage) == {"BTC": Decimal(4)}
    with pytest.raises(VenueRejected, match=r"(?i)6|insufficient"):
        submit(stage, order("b", Side.SELL, "7"))
    assert submit(stage, order("c", Side.SELL, "6")).status is Status.FILLED


def test_a_limit_order_fills_when_the_price_comes_never_worse(stage: Stage) -> None:
    asked = limit("a", price="99.5")
    submit(stage, asked)
    stage.next_bar()
    report = known(stage, asked)
    assert (report.status, report.filled) == (Status.FILLED, 1)
    assert all(fill.price <= Decimal("99.5") and fill.maker for fill in report.fills)
    stage.next_bar()
    assert known(stage, asked) == report


def test_an_order_larger_than_the_market_fills_in_parts(stage: Stage) -> None:
    asked = limit("a", size="250", price="101")
    first = submit(stage, asked)
    assert first.status is Status.WORKING
    assert 0 < first.filled < 250
    seen = first
    for _ in range(4):
        stage.next_bar()
        report = known(stage, asked)
        assert report.fills[: len(seen.fills)] == seen.fills
        assert report.filled == sum(fill.size for fill in report.fills) >= seen.filled
        seen = report
    assert (seen.status, seen.filled) == (Status.FILLED, 250)
    assert len({fill.trade_id for fill in seen.fills}) == len(seen.fills) > 2


def test_a_cancel_keeps_the_part_that_filled(stage: Stage) -> None:
    asked = limit("a", size="250", price="101")
    part = submit(stage, asked).filled
    report = stage.venue.cancel(asked)
    assert (report.status, report.filled) == (Status.CANCELLED, part)
    stage.next_bar()
    assert known(stage, asked) == report
    assert locked(stage) == {}


def test_a_cancel_after_the_fill_says_filled(stage: Stage) -> None:
    asked = limit("a", price="99.5")
    submit(stage, asked)
    stage.next_bar()
    assert stage.venue.cancel(asked).status is Status.FILLED
    assert stage.venue.cancel(asked).status is Status.FILLED


def test_an_id_it_does_not_know_is_none_and_cannot_be_cancelled(stage: Stage) -> None:
    assert stage.venue.order(order("nobody")) is None
    with pytest.raises(VenueRejected, match="nobody"):
        stage.venue.cancel(order("nobody"))


def test_the_same_id_twice_is_refused_and_trades_once(stage: Stage) -> None:
    first = submit(stage, order("a"))
    before = owned(stage)
    with pytest.raises(VenueRejected, match="a is known"):
        submit(stage, order("a", size="2"))
    assert owned(stage) == before
    assert known(stage, order("a")) == first


def oco(stop_at: str, target_at: str, size: str = "3") -> tuple[Order, Order]:
    return (
        stop("s", size=size, trigger=stop_at, group="g"),
        limit("t", Side.SELL, size, price=target_at, group="g"),
    )


def test_an_oco_is_placed_as_one_and_locks_once(pair_stage: Stage) -> None:
    reports = pair_stage.venue.submit(oco("95", "105"))
    assert [(r.order_id, r.status) for r in reports] == [("s", Status.WORKING), ("t", Status.WORKING)]
    assert locked(pair_stage) == {"BTC": Decimal(3)}
    assert {report.order_id for report in pair_stage.venue.open_orders()} == {"s", "t"}


def test_the_leg_that_fills_cancels_the_other(pair_stage: Stage) -> None:
    legs = oco("95", "105")
    pair_stage.venue.submit(legs)
    pair_stage.next_bar()
    pair_stage.next_bar()  # up to 106
    pair_stage.next_bar()  # down to 90
    assert [known(pair_stage, leg).status for leg in legs] == [Status.CANCELLED, Status.FILLED]
    assert owned(pair_stage)["BTC"] == COINS - 3


def test_the_stop_that_fills_cancels_the_target(pair_stage: Stage) -> None:
    legs = oco("95", "107")
    pair_stage.venue.submit(legs)
    for _ in range(4):
        pair_stage.next_bar()
    stopped, target = (known(pair_stage, leg) for leg in legs)
    assert [stopped.status, target.status] == [Status.FILLED, Status.CANCELLED]
    assert all(fill.price <= 95 for fill in stopped.fills)


@pytest.mark.parametrize("leg", [0, 1])
def test_cancelling_one_leg_cancels_both(pair_stage: Stage, leg: int) -> None:
    legs = oco("95", "105")
    pair_stage.venue.submit(legs)
    pair_stage.venue.cancel(legs[leg])
    assert [known(pair_stage, each).status for each in legs] == [Status.CANCELLED] * 2
    assert locked(pair_stage) == {}


def test_legs_that_do_not_belong_together_are_refused_whole(pair_stage: Stage) -> None:
    stopped, target = oco("95", "105")
    with pytest.raises(VenueRejected):
        pair_stage.venue.submit((stopped, structs.replace(target, group="other")))
    with pytest.raises(VenueRejected):
        pair_stage.venue.submit((stopped, structs.replace(target, size=Decimal("0.00001"))))
    assert pair_stage.venue.order(stopped) is None


def test_reports_since_misses_nothing_and_repeats_nothing(stage: Stage) -> None:
    resting, large = limit("rests", price="99.5"), limit("large", size="250", price="110")
    submit(stage, resting)
    reports, cursor = stage.venue.reports_since("")
    assert [(report.order_id, report.status) for report in reports] == [("rests", Status.WORKING)]
    again, same = stage.venue.reports_since(cursor)
    assert (list(again), same) == ([], cursor)
    stage.next_bar()
    reports, cursor = stage.venue.reports_since(cursor)
    assert [(report.order_id, report.status) for report in reports] == [("rests", Status.FILLED)]
    submit(stage, large)
    stage.venue.cancel(large)
    reports, cursor = stage.venue.reports_since(cursor)
    (report,) = reports
    assert (report.order_id, report.status) == ("large", Status.CANCELLED)
    assert 0 < report.filled == sum(fill.size for fill in report.fills)
    stage.next_bar()
    assert list(stage.venue.reports_since(cursor)[0]) == []
    if stage.whole_history:
        assert {each.order_id for each in stage.venue.reports_since("")[0]} == {"rests", "large"}


def test_open_orders_are_those_that_rest(stage: Stage) -> None:
    submit(stage, order("filled"))
    asked = limit("rests", Side.SELL, "2", price="120.5")
    submit(stage, asked)
    (report,) = stage.venue.open_orders()
    assert (report.order_id, report.symbol, report.side, report.type) == ("rests", BTC, Side.SELL, OrderType.LIMIT)
    assert (report.size, report.limit_price, report.trigger_price) == (2, Decimal("120.5"), None)
    assert report == known(stage, asked)


def test_a_stop_rests_locks_its_coins_and_is_found(stop_stage: Stage) -> None:
    asked = stop("rests", size="4", trigger="95.5")
    submit(stop_stage, asked)
    assert locked(stop_stage) == {"BTC": Decimal(4)}
    (report,) = stop_stage.venue.open_orders()
    assert (report.order_id, report.symbol, report.side, report.type) == ("rests", BTC, Side.SELL, OrderType.STOP)
    assert (report.size, report.trigger_price, report.limit_price) == (4, Decimal("95.5"), None)
    assert report == known(stop_stage, asked)
    assert stop_stage.venue.cancel(asked).status is Status.CANCELLED
    assert locked(stop_stage) == {}


def test_a_stop_that_is_reached_sells_under_its_own_id(stop_stage: Stage) -> None:
    asked = stop("s", size="3", trigger="95")
    submit(stop_stage, asked)
    _, cursor = stop_stage.venue.reports_since("")
    for _ in range(3):  # down to 90
        stop_stage.next_bar()
    report = known(stop_stage, asked)
    assert (report.status, report.filled) == (Status.FILLED, 3)
    assert all(fill.price <= 95 for fill in report.fills)
    assert {each.order_id for each in stop_stage.venue.reports_since(cursor)[0]} == {"s"}
    assert owned(stop_stage)["BTC"] == COINS - 3


REFUSED = {
    "below the minimum notional": limit("x", size="0.05", price="99"),
    "no multiple of the lot": limit("x", size="1.000001", price="99"),
    "no multiple of the tick": limit("x", price="99.001"),
    "a trigger off the tick": stop("x", trigger="90.005"),
    "above the maximum size": limit("x", Side.SELL, "1e9", price="101"),
    "no limit price": order("x", type=OrderType.LIMIT),
    "no trigger price": order("x", Side.SELL, type=OrderType.STOP),
    "no distance": order("x", Side.SELL, type=OrderType.TRAILING_STOP, trigger_price="90"),
    "a symbol that does not trade": structs.replace(limit("x", price="99"), symbol="NO/USDT"),
    "more cash than there is": limit("x", size="1001", price="100"),
    "more cash than there is, to rest": limit("x", size="1200", price="99"),
    "more coins than there are": order("x", Side.SELL, "10.5"),
    "size that is no number": order("x", size="NaN"),
    "price that is no number": limit("x", price="NaN"),
    "size of zero": order("x", size="0"),
    "negative size": order("x", size="-1"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_it_refuses_and_nothing_happened(stage: Stage, why: str) -> None:
    with pytest.raises(VenueRejected):
        submit(stage, REFUSED[why])
    assert stage.venue.order(REFUSED[why]) is None
    assert owned(stage) == {"USDT": CASH, "BTC": COINS}
    assert locked(stage) == {}


def test_a_post_only_order_that_would_match_never_trades(stage: Stage) -> None:
    asked = limit("x", price="101", post_only=True)
    with contextlib.suppress(VenueRejected):  # some take it, and cancel it at once
        assert submit(stage, asked).status in ENDS
    left = stage.venue.order(asked)
    assert left is None or (left.status in ENDS and left.filled == 0)
    assert owned(stage) == {"USDT": CASH, "BTC": COINS}
    assert locked(stage) == {}


def test_an_order_that_arrives_late_is_refused_and_unknown(stage: Stage) -> None:
    late = order("late")
    late = structs.replace(late, send_by=late.real_at - timedelta(seconds=1))
    with pytest.raises(VenueRejected, match="send_by"):
        submit(stage, late)
    assert stage.venue.order(late) is None


def test_two_symbols_share_one_purse(stage: Stage) -> None:
    submit(stage, limit("a", size="600", price="99"))
    with pytest.raises(VenueRejected, match=r"(?i)insufficient"):
        submit(stage, structs.replace(limit("b", size="5000", price="9"), symbol=ETH))
    submit(stage, structs.replace(limit("c", size="4000", price="9"), symbol=ETH))
    assert free(stage, "USDT") < Decimal(5000)
