"""Trades out of fills: the sums of the ledger's book to the last digit, and a record that never divides by nothing."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trade_mcp.domain.book import Book
from trade_mcp.domain.events import DustBooked, Event, Filled, LedgerOpened, OwnerChanged
from trade_mcp.domain.fold import fold
from trade_mcp.domain.order import Fill, Order, OrderType, Role, Side, Source, Status
from trade_mcp.quant.performance import MONEY, Record, Trade, max_drawdown, record, replay

START = datetime(2024, 1, 1, tzinfo=UTC)
OPENED = LedgerOpened("paper", "default", "synthetic", True, "USDT", D(10_000))


def filled(
    minute: int,
    side: str,
    size: str,
    *,
    price: str,
    fee: str = "0",
    fee_currency: str = "USDT",
    fee_quote: str | None = None,
    symbol: str = "BTC/USDT",
    source: Source = Source.LOOP,
    strategy: str = "ema_cross",
    order_id: str = "",
) -> Filled:
    order_id, at = order_id or f"o{minute}", START + timedelta(minutes=minute)
    order = Order(
        order_id=order_id,
        symbol=symbol,
        side=Side(side),
        type=OrderType.MARKET,
        size=D(size),
        role=Role.ENTRY if side == "buy" else Role.CLOSE,
        source=source,
        at=at,
        real_at=at,
        send_by=at,
        status=Status.FILLED,
        strategy=strategy,
        filled=D(size),
        cost=D(size) * D(price),
    )
    fill = Fill(
        trade_id=f"t{minute}",
        order_id=order_id,
        symbol=symbol,
        side=Side(side),
        size=D(size),
        price=D(price),
        fee=D(fee),
        fee_currency=fee_currency,
        fee_quote=D(fee if fee_quote is None else fee_quote),
        at=at,
    )
    return Filled(order, fill)


def closed(profit: str, fees: str = "0") -> Trade:
    return Trade(
        symbol="BTC/USDT",
        strategy="s",
        source=Source.LOOP,
        owner=Source.LOOP,
        entry_id="e",
        opened=START,
        closed=START,
        profit=D(profit),
        fees=D(fees),
    )


def test_one_round_trip_is_one_trade_with_its_average_prices() -> None:
    trades, fills = replay(
        [
            filled(0, "buy", "1", price="100", fee="0.1"),
            filled(1, "buy", "1", price="110", fee="0.11"),
            filled(2, "sell", "0.5", price="120", fee="0.06", source=Source.EXIT),
            filled(3, "sell", "1.5", price="90", fee="0.135", source=Source.EXIT),
        ],
        "USDT",
    )
    [trade] = trades
    assert (trade.symbol, trade.strategy, trade.source, trade.owner) == (
        "BTC/USDT",
        "ema_cross",
        Source.LOOP,
        Source.LOOP,
    )
    assert (trade.opened, trade.closed) == (START, START + timedelta(minutes=3))
    assert (trade.size, trade.entry, trade.sold, trade.exit) == (D(2), D(105), D(2), D("97.5"))
    assert (trade.profit, trade.fees, trade.net) == (D(-15), D("0.405"), D("-15.405"))
    assert [booked.realised for booked in fills] == [D(0), D(0), D("7.5"), D("-22.5")]
    assert [booked.trade for booked in fills] == [0, 0, 0, 0]


def test_an_open_position_is_a_trade_that_has_not_closed() -> None:
    trades, _ = replay([filled(0, "buy", "2", price="100"), filled(1, "sell", "1", price="130")], "USDT")
    assert [(trade.closed, trade.profit) for trade in trades] == [(None, D(30))]
    assert record(trades).closed == 0


def test_a_fee_in_the_base_coin_costs_size() -> None:
    [trade], _ = replay([filled(0, "buy", "1", price="100", fee="0.001", fee_currency="BTC", fee_quote="0.1")], "USDT")
    assert (trade.size, trade.cost, trade.entry, trade.fees) == (D("0.999"), D("99.9"), D(100), D("0.1"))


def test_what_only_dust_is_left_of_is_closed_and_the_next_buy_is_another_trade() -> None:
    trades, _ = replay(
        [
            filled(0, "buy", "1", price="100"),
            filled(1, "sell", "0.99", price="110"),
            DustBooked("BTC/USDT", D("0.01")),
            filled(2, "buy", "1", price="200", source=Source.MODEL, strategy=""),
            filled(3, "sell", "1.01", price="200"),
        ],
        "USDT",
    )
    first, second = trades
    assert (first.closed, first.profit, first.sold) == (START + timedelta(minutes=1), D("9.9"), D("0.99"))
    assert (second.source, second.size, second.cost, second.profit) == (Source.MODEL, D("1.01"), D(201), D(1))


def test_a_takeover_changes_the_owner_but_not_who_opened_it() -> None:
    events = [filled(0, "buy", "1", price="100"), OwnerChanged("BTC/USDT", Source.MODEL)]
    [trade], _ = replay(events, "USDT")
    assert (trade.source, trade.owner) == (Source.LOOP, Source.MODEL)


amounts = st.decimals("0.00001", "50", places=5)
quotes = st.decimals("0.01", "100000", places=2)
moves = st.lists(
    st.tuples(
        st.sampled_from(["BTC/USDT", "ETH/USDT"]),
        st.sampled_from(["buy", "sell", "all", "dust"]),
        amounts,
        quotes,
        st.decimals("0", "0.01", places=4),
        st.sampled_from(["USDT", "base", "BNB"]),
    ),
    max_size=40,
)


@given(moves)
def test_the_sums_over_trades_are_those_of_the_book(steps: list[tuple[str, str, D, D, D, str]]) -> None:
    book, events = Book(), [OPENED]
    fold(book, 1, OPENED)
    for minute, (symbol, move, size, price, rate, coin) in enumerate(steps):
        held, event = book.position(symbol), None
        if move == "dust" and held.size > 0 and not held.dust:
            event = DustBooked(symbol, held.size)
        elif move == "buy" or held.size > 0:
            size = size if move == "buy" else held.size if move == "all" else min(size, held.size)
            base = symbol.partition("/")[0]
            currency = base if coin == "base" and move == "buy" else "BNB" if coin == "BNB" else "USDT"
            event = filled(
                minute,
                "buy" if move == "buy" else "sell",
                str(size),
                price=str(price),
                fee=str(size * rate if currency == base else size * price * rate),
                fee_currency=currency,
                fee_quote=str(size * price * rate),
                symbol=symbol,
            )
        if event is not None:
            events.append(event)
            fold(book, minute + 2, event)
    trades, fills = replay((event for event in events if isinstance(event, MONEY)), "USDT")
    assert sum(trade.profit for trade in trades) == book.realised
    assert sum(trade.fees for trade in trades) == book.fees
    assert sum(booked.realised for booked in fills) == book.realised
    still = {trade.symbol for trade in trades if trade.closed is None}
    assert still == {symbol for symbol, position in book.positions.items() if not position.dust}
    latest = {trade.symbol: trade for trade in trades}
    for symbol, position in book.positions.items():
        trade = latest[symbol]
        assert trade.size - trade.sold == position.size
        assert (trade.entry_id, trade.profit, trade.fees) == (position.entry_id, position.realised, position.fees)


def test_other_events_are_passed_over() -> None:
    events: list[Event] = [OPENED]
    assert replay(events, "USDT") == ([], [])


def test_a_record_counts_after_fees() -> None:
    trades = [closed("10", "1"), closed("1", "2"), closed("-3"), closed("0")]
    assert record(trades) == Record(
        closed=4,
        wins=1,
        losses=2,
        net=D(5),
        win_rate=0.25,
        profit_factor=2.25,
        expectancy=D("1.25"),
        average_win=D(9),
        average_loss=D(-2),
    )


def test_what_is_not_known_is_none() -> None:
    nothing = record([])
    assert (nothing.closed, nothing.win_rate, nothing.profit_factor, nothing.expectancy) == (0, None, None, None)
    only_wins = record([closed("5")])
    assert (only_wins.win_rate, only_wins.profit_factor) == (1.0, None)
    only_losses = record([closed("-5")])
    assert (only_losses.win_rate, only_losses.profit_factor) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("points", "deepest"),
    [
        ([], 0.0),
        ([("100", "0")], 0.0),
        ([("100", "0"), ("80", "0"), ("120", "0"), ("90", "0")], 0.25),
        ([("100", "0"), ("50", "-50")], 0.0),
        ([("100", "0"), ("150", "50"), ("135", "0")], 0.1),
        ([("0", "0")], 0.0),
    ],
)
def test_drawdown_is_from_the_peak_and_net_of_flows(points: list[tuple[str, str]], deepest: float) -> None:
    assert max_drawdown((D(equity), D(flow)) for equity, flow in points) == deepest
