"""Matching: what a bar may do to an order, told as stories and held as laws."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from trade_mcp.domain.distances import Distance
from trade_mcp.domain.instrument import spot
from trade_mcp.domain.market import Bar, Quote
from trade_mcp.domain.matching import (
    LIMITED,
    MAX_SLIPPAGE,
    Execution,
    Friction,
    Match,
    Now,
    Resting,
    try_fill,
    try_fill_oco,
)
from trade_mcp.domain.order import Order, OrderType, Side, Status, TimeInForce
from venues.bars import BTC, START, STEP, bars, limit, order, stop

INSTRUMENT = spot(BTC, tick="0.01", lot="0.001")
SMOOTH = Friction(spread=Decimal(0), slippage=Decimal(0), participation=Decimal(1))
ROUGH = Friction(spread=Decimal("0.002"), slippage=Decimal("0.1"), participation=Decimal("0.1"))


def bar(text: str, **given: Any) -> Bar:
    return bars(BTC, text, **given)[0]


def rests(asked: Order, *, placed: timedelta = timedelta(0), **given: Any) -> Resting:
    return Resting(asked, START + placed, asked.size, **given)


def fill(asked: Order | Resting, seen: Bar | Now, friction: Friction = SMOOTH, **given: Any) -> Match | None:
    resting = asked if isinstance(asked, Resting) else rests(asked)
    return try_fill(resting, seen, friction, instrument=INSTRUMENT, **given)


def plain(number: Decimal) -> str:
    return f"{number.normalize():f}"


def price(asked: Order | Resting, text: str, friction: Friction = SMOOTH) -> str | None:
    match = fill(asked, bar(text), friction)
    return None if match is None or match.execution is None else plain(match.execution.price)


def at(mid: str, *, width: str = "0", volume: str = "1000") -> Now:
    half = Decimal(width) / 2
    quote = Quote(BTC, Decimal(mid) - half, Decimal(mid) + half, at=START, due_at=START + STEP)
    return Now(quote, Decimal(volume))


def trailing(trigger: str | None = None, trail: str = "5", side: Side = Side.SELL) -> Order:
    given = {} if trigger is None else {"trigger_price": trigger}
    return order("t", side, type=OrderType.TRAILING_STOP, trailing=Distance(amount=Decimal(trail)), **given)


# --- one bar, one order: the price it trades at, or None


@pytest.mark.parametrize(
    ("asked", "seen", "at_price"),
    [
        (order("m"), "100 110 90 105", "100"),
        (limit("l", price="95"), "100 110 90 105", "95"),
        (limit("l", price="95"), "100 110 96 105", None),
        (limit("l", price="95"), "93 110 90 105", "93"),  # a better open
        (limit("l", Side.SELL, price="105"), "100 110 90 105", "105"),
        (limit("l", Side.SELL, price="105"), "108 110 90 105", "108"),
        (stop("s", trigger="95"), "100 110 90 105", "95"),
        (stop("s", trigger="95"), "100 110 96 105", None),
        (stop("s", trigger="95"), "92 110 90 105", "92"),  # a gap through the stop: worse
        (stop("s", Side.BUY, trigger="105"), "100 110 90 105", "105"),
        (stop("s", Side.BUY, trigger="105"), "107 110 90 105", "107"),
    ],
)
def test_a_bar_fills_at(asked: Order, seen: str, at_price: str | None) -> None:
    assert price(asked, seen) == at_price


@pytest.mark.parametrize(
    ("side", "trigger", "seen", "at_price"),
    [
        (Side.SELL, "105", "100 110 90 100", "105"),
        (Side.SELL, "105", "107 110 90 100", "107"),
        (Side.SELL, "105", "100 104 90 100", None),
        (Side.BUY, "95", "100 110 90 100", "95"),
        (Side.BUY, "95", "93 110 90 100", "93"),
    ],
)
def test_a_take_profit_triggers_from_the_other_side(side: Side, trigger: str, seen: str, at_price: str | None) -> None:
    asked = order("p", side, type=OrderType.TAKE_PROFIT, trigger_price=trigger)
    assert price(asked, seen) == at_price


@pytest.mark.parametrize(
    ("trigger", "limit_price", "seen", "at_price"),
    [
        ("95", "94", "100 110 90 91", "95"),
        ("95", "94", "100 110 96 97", None),  # not triggered
        ("95", "94", "93 93.5 90 91", None),  # a gap beyond the limit: it triggers and waits
        ("95", "94", "93 94 90 91", "94"),  # the high comes after the open
        ("95", "97", "100 110 90 91", None),  # the high may have come before the trigger
        ("95", "97", "100 110 90 98", "97"),  # the close comes after it
    ],
)
def test_a_stop_limit_triggers_then_keeps_its_limit(
    trigger: str, limit_price: str, seen: str, at_price: str | None
) -> None:
    asked = order("s", Side.SELL, type=OrderType.STOP_LIMIT, trigger_price=trigger, limit_price=limit_price)
    assert price(asked, seen) == at_price


def test_a_stop_limit_that_triggered_waits_at_its_limit() -> None:
    asked = order("s", Side.SELL, type=OrderType.STOP_LIMIT, trigger_price="95", limit_price="94")
    match = fill(asked, bar("93 93.5 90 91"))
    assert match is not None and match.execution is None and match.resting.activated and match.started
    later = fill(match.resting, bar("91 96 91 95", start=START + STEP))
    assert later is not None and later.execution == Execution(Decimal(94), Decimal(1), maker=True)


# --- what was possible after the order was placed


def test_a_bar_that_closed_before_the_order_was_placed_does_nothing() -> None:
    assert fill(rests(order("m"), placed=STEP), bar("100 110 90 105")) is None


def test_the_bar_an_order_was_placed_in_counts_by_its_close_alone() -> None:
    inside = timedelta(minutes=1)
    assert fill(rests(limit("l", price="95"), placed=inside), bar("100 110 90 105")) is None
    assert fill(rests(stop("s", trigger="95"), placed=inside), bar("100 110 90 105")) is None
    match = fill(rests(stop("s", trigger="95"), placed=inside), bar("100 110 80 90"))
    assert match is not None and match.execution is not None and match.execution.price == 90


def test_a_trailing_peak_ignores_the_high_of_the_bar_it_was_placed_in() -> None:
    match = fill(rests(trailing("90"), placed=timedelta(minutes=1)), bar("100 110 95 101"))
    assert match is not None and match.resting.peak == 101


# --- trailing stops


def test_a_trailing_stop_looks_at_the_low_before_the_high() -> None:
    # Up to 120 the level would be 115; the low of 96 is held against the old one, 95.
    resting = rests(trailing("90"), peak=Decimal(100))
    match = fill(resting, bar("100 120 96 118"))
    assert match is not None and match.execution is None
    assert (match.resting.peak, match.resting.level) == (120, 115)
    assert price(resting, "100 120 94 118") == "95"
    assert price(resting, "93 120 90 118") == "93"


def test_a_trailing_stop_holds_the_close_against_the_raised_level() -> None:
    resting = rests(trailing("90"), peak=Decimal(100))
    match = fill(resting, bar("100 120 96 114"))
    assert match is not None and match.execution is not None
    assert (match.execution.price, match.resting.peak) == (115, 120)


def test_a_trailing_stop_starts_at_its_trigger() -> None:
    resting = rests(trailing("98", trail="5"))
    assert resting.level == 98
    assert structs.replace(resting, peak=Decimal(101)).level == 98
    assert structs.replace(resting, peak=Decimal(110)).level == 105
    assert rests(trailing()).level is None


def test_a_trailing_buy_mirrors_it() -> None:
    resting = rests(trailing(side=Side.BUY), peak=Decimal(100))
    match = fill(resting, bar("100 104 80 84"))
    assert match is not None and (match.resting.peak, match.resting.level, match.execution) == (80, 85, None)
    assert price(resting, "100 106 80 82") == "105"


# --- size, friction, time in force


def test_a_bar_fills_only_its_share_and_the_rest_waits() -> None:
    match = fill(order("m", size="150"), bar("100"), ROUGH)
    assert match is not None and match.execution is not None
    assert (match.execution.size, match.resting.remaining, match.ended) == (100, 50, None)
    after_others = fill(order("m", size="150"), bar("100"), ROUGH, taken=Decimal("70.0005"))
    assert after_others is not None and after_others.execution is not None
    assert after_others.execution.size == Decimal("29.999")
    assert fill(order("m"), bar("100"), ROUGH, taken=Decimal(100)) is None
    assert fill(order("m"), bar("100", volume="0"), ROUGH) is None


def test_a_stop_that_filled_in_part_goes_on_as_a_market_order() -> None:
    match = fill(stop("s", size="150", trigger="95"), bar("100 100 90 99"), ROUGH)
    assert match is not None and match.resting.remaining == 50
    later = fill(match.resting, bar("120", start=START + STEP), ROUGH)
    assert later is not None and later.ended is Status.FILLED


def test_a_market_order_pays_half_the_spread_and_slippage_by_size() -> None:
    small, large = price(order("m", size="1"), "100", ROUGH), price(order("m", size="20"), "100", ROUGH)
    assert (small, large) == ("100.12", "100.31")  # 0.1 % of spread; 0.01 % and 0.2 % of slippage; up to the tick
    assert price(order("m", Side.SELL, size="20"), "100", ROUGH) == "99.7"
    assert price(order("m", size="100"), "100", ROUGH) == "100.61"  # MAX_SLIPPAGE


def test_a_limit_that_comes_in_across_the_quote_takes_and_keeps_its_limit() -> None:
    match = fill(limit("l", size="100", price="100.2"), at("100", width="0.1"), ROUGH)
    assert match is not None and match.execution == Execution(Decimal("100.2"), Decimal(100), maker=False)
    assert fill(limit("l", price="100"), at("100", width="0.1"), ROUGH) is None
    assert fill(stop("s", trigger="95"), at("100"), ROUGH) is None


def test_a_stop_that_is_reached_already_trades_at_once() -> None:
    match = fill(stop("s", trigger="101"), at("100", width="0.1"), SMOOTH)
    assert match is not None and match.execution is not None and match.execution.price == Decimal("99.95")


@pytest.mark.parametrize(
    ("tif", "size", "filled", "ended"),
    [
        (TimeInForce.GTC, "150", "100", None),
        (TimeInForce.DAY, "150", "100", None),
        (TimeInForce.IOC, "150", "100", Status.EXPIRED),
        (TimeInForce.IOC, "50", "50", Status.FILLED),
        (TimeInForce.FOK, "150", None, Status.EXPIRED),
        (TimeInForce.FOK, "100", "100", Status.FILLED),
    ],
)
def test_what_cannot_fill_at_once_waits_or_dies(
    tif: TimeInForce, size: str, filled: str | None, ended: Status | None
) -> None:
    match = fill(order("m", size=size, time_in_force=tif), at("100"), ROUGH)
    assert match is not None and match.ended is ended
    assert (plain(match.execution.size) if match.execution else None) == filled


def test_an_ioc_limit_away_from_the_price_dies() -> None:
    match = fill(limit("l", price="99", time_in_force=TimeInForce.IOC), at("100"))
    assert match is not None and (match.execution, match.ended) == (None, Status.EXPIRED)


def test_a_day_order_ends_with_its_utc_day() -> None:
    asked = rests(limit("l", price="95", time_in_force=TimeInForce.DAY))
    midnight = START.replace(hour=0) + timedelta(days=1)
    assert asked.expires_at == midnight
    assert fill(asked, bar("100", start=midnight - STEP)) is None
    match = fill(asked, bar("90", start=midnight))
    assert match is not None and (match.execution, match.ended) == (None, Status.EXPIRED)


# --- one cancels the other


def legs(stop_at: str = "95", target_at: str = "105") -> tuple[Resting, Resting]:
    return rests(limit("t", Side.SELL, price=target_at)), rests(stop("s", trigger=stop_at))


def oco(seen: str, *pair: Resting) -> list[str | None]:
    matches = try_fill_oco(pair or legs(), bar(seen), SMOOTH, instrument=INSTRUMENT)
    return [None if m is None else "cancelled" if m.execution is None else plain(m.execution.price) for m in matches]


def test_a_bar_that_touches_stop_and_target_hits_the_stop() -> None:
    assert oco("100 110 90 108") == ["cancelled", "95"]


def test_an_open_beyond_the_target_is_not_ambiguous() -> None:
    assert oco("107 110 90 92") == ["107", "cancelled"]


def test_a_leg_alone_fills_and_the_other_is_cancelled() -> None:
    assert oco("100 106 99 100") == ["105", "cancelled"]
    assert oco("100 102 94 100") == ["cancelled", "95"]
    assert oco("100 102 99 100") == [None, None]


def test_a_stop_that_triggers_without_a_trade_has_won_already() -> None:
    stop_limit = rests(order("s", Side.SELL, type=OrderType.STOP_LIMIT, trigger_price="95", limit_price="94"))
    target, _ = legs()
    matches = try_fill_oco((target, stop_limit), bar("93 93.5 90 91"), SMOOTH, instrument=INSTRUMENT)
    assert [m.ended for m in matches if m is not None] == [Status.CANCELLED, None]


# --- laws

PRICES = st.integers(5_000, 20_000).map(lambda cents: Decimal(cents) / 100)
SIZES = st.integers(1, 400_000).map(lambda lots: Decimal(lots) / 1000)


@st.composite
def any_bars(draw: st.DrawFn) -> list[Bar]:
    made = []
    for index in range(draw(st.integers(1, 8))):
        open_, close, a, b = (draw(PRICES) for _ in range(4))
        high, low = max(open_, close, a, b), min(open_, close, a, b)
        at_ = START + index * STEP
        volume = draw(st.sampled_from([Decimal(0), Decimal(1), Decimal(1000)]))
        made.append(Bar(BTC, at_, at_ + STEP, open_, high, low, close, volume))
    return made


@st.composite
def any_order(draw: st.DrawFn) -> Order:
    kind = draw(st.sampled_from(list(OrderType)))
    given: dict[str, Any] = {"type": kind, "time_in_force": draw(st.sampled_from(list(TimeInForce)))}
    if kind in LIMITED:
        given["limit_price"] = draw(PRICES)
    if kind in (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT):
        given["trigger_price"] = draw(PRICES)
    if kind is OrderType.TRAILING_STOP:
        amount = st.integers(1, 3000).map(lambda cents: Distance(amount=Decimal(cents) / 100))
        fraction = st.integers(1, 99).map(lambda percent: Distance(fraction=Decimal(percent) / 100))
        given["trailing"] = draw(amount | fraction)
        if draw(st.booleans()):
            given["trigger_price"] = draw(PRICES)
    return order("x", draw(st.sampled_from(list(Side))), str(draw(SIZES)), **given)


FRICTIONS = st.sampled_from([SMOOTH, ROUGH, Friction()])
PLACED = st.integers(0, 60).map(lambda minutes: timedelta(minutes=minutes))


def run(resting: Resting, seen: list[Bar], friction: Friction) -> list[tuple[Bar, Match]]:
    """The order through all bars until it ends."""
    changes = []
    for each in seen:
        match = try_fill(resting, each, friction, instrument=INSTRUMENT)
        if match is not None:
            changes.append((each, match))
            resting = match.resting
            if match.ended is not None:
                break
    return changes


@given(any_order(), any_bars(), FRICTIONS, PLACED)
def test_never_more_than_open_never_beyond_the_limit_never_before_placement(
    asked: Order, seen: list[Bar], friction: Friction, placed: timedelta
) -> None:
    start = rests(asked, placed=placed)
    filled = Decimal(0)
    for each, match in run(start, seen, friction):
        assert each.close_at > start.placed_at
        trade = match.execution
        if trade is not None:
            filled += trade.size
            assert 0 < trade.size <= each.volume * friction.participation
            assert trade.price > 0 and trade.price % INSTRUMENT.tick == 0 and trade.size % INSTRUMENT.lot == 0
            if asked.type in LIMITED:
                assert asked.limit_price is not None
                assert asked.side.sign * (trade.price - asked.limit_price) <= 0
            else:
                worst = MAX_SLIPPAGE + friction.spread / 2 + Decimal("0.0002") + friction.spread * MAX_SLIPPAGE
                bound = each.high * (1 + worst) if asked.side is Side.BUY else each.low * (1 - worst)
                assert asked.side.sign * (trade.price - bound) <= 0
        assert match.resting.remaining == asked.size - filled >= 0
        assert (match.ended is Status.FILLED) == (match.resting.remaining == 0)
        if asked.time_in_force is TimeInForce.FOK and trade is not None:
            assert trade.size == asked.size


@given(any_order(), any_bars(), FRICTIONS)
def test_a_trailing_level_never_loosens_and_a_peak_never_falls(
    asked: Order, seen: list[Bar], friction: Friction
) -> None:
    resting = rests(asked)
    for _, match in run(resting, seen, friction):
        before, after, sign = resting.level, match.resting.level, asked.side.sign
        if asked.type is OrderType.TRAILING_STOP and before is not None:
            assert after is not None and sign * (after - before) <= 0
        if resting.peak is not None:
            assert match.resting.peak is not None and sign * (match.resting.peak - resting.peak) <= 0
        assert match.resting.activated >= resting.activated
        resting = match.resting


@given(any_bars(), FRICTIONS, PRICES, PRICES, SIZES, st.booleans())
def test_of_an_oco_at_most_one_leg_fills(
    seen: list[Bar], friction: Friction, low: Decimal, high: Decimal, size: Decimal, trails: bool
) -> None:
    stopped = stop("s", size=str(size), trigger=str(min(low, high)))
    if trails:
        stopped = structs.replace(stopped, type=OrderType.TRAILING_STOP, trailing=Distance(amount=Decimal(3)))
    pair = {"t": rests(limit("t", Side.SELL, str(size), price=str(max(low, high)))), "s": rests(stopped)}
    filled: dict[str, Decimal] = {}
    for each in seen:
        matches = try_fill_oco(tuple(pair.values()), each, friction, instrument=INSTRUMENT)
        for match in filter(None, matches):
            order_id = match.resting.order.order_id
            if match.execution is not None:
                filled[order_id] = filled.get(order_id, Decimal(0)) + match.execution.size
            pair[order_id] = match.resting
            if match.ended is not None:
                del pair[order_id]
        if not pair:
            break
    assert len(filled) <= 1
    assert all(each <= size for each in filled.values())
