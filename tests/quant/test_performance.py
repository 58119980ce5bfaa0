"""Trades out of fills: the sums of the ledger's book to the last digit, and a record that never divides by nothing."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trade_mcp.domain.book import Book
from trade_mcp.domain.events import DustBooked, Event, Filled, LedgerOpened
from trade_mcp.domain.fold import fold
from trade_mcp.domain.order import Fill, Order, OrderType, Role, Side, Source, Status
from trade_mcp.quant.performance import Record, Trade, Traded, exit_kind, record, trade_measures, trades_of

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
    role: Role | None = None,
) -> Filled:
    order_id, at = order_id or f"o{minute}", START + timedelta(minutes=minute)
    order = Order(
        order_id=order_id,
        symbol=symbol,
        side=Side(side),
        type=OrderType.MARKET,
        size=D(size),
        role=role or (Role.ENTRY if side == "buy" else Role.CLOSE),
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
        entry_id="e",
        opened=START,
        closed=START,
        profit=D(profit),
        fees=D(fees),
    )


def traded(events: Iterable[Event]) -> tuple[list[Traded], list[str]]:
    """The fills as the ledger books them, and the entries of what is still held."""
    book, fills = Book(quote="USDT"), []
    for seq, event in enumerate(events):
        before = book.position(event.fill.symbol).entry_id if isinstance(event, Filled) else ""
        realised = book.realised
        fold(book, seq, event)
        if isinstance(event, Filled):
            order, fill = event.order, event.fill
            entry_id = book.position(fill.symbol).entry_id or before
            fills.append(
                Traded(seq, fill, order.source, order.role, order.strategy, entry_id, book.realised - realised)
            )
    return fills, [position.entry_id for position in book.positions.values() if not position.dust]


def trades(*events: Event) -> list[Trade]:
    fills, held = traded(events)
    return list(trades_of(fills, still_open=held).values())


def test_one_round_trip_is_one_trade_with_its_average_prices() -> None:
    [trade] = trades(
        filled(0, "buy", "1", price="100", fee="0.1"),
        filled(1, "buy", "1", price="110", fee="0.11"),
        filled(2, "sell", "0.5", price="120", fee="0.06", source=Source.EXIT),
        filled(3, "sell", "1.5", price="90", fee="0.135", source=Source.EXIT, role=Role.STOP),
    )
    assert (trade.symbol, trade.strategy, trade.source, trade.exit_kind) == (
        "BTC/USDT",
        "ema_cross",
        Source.LOOP,
        "stop",
    )
    assert (trade.opened, trade.closed, trade.rested) == (START, START + timedelta(minutes=3), True)
    assert (trade.size, trade.entry, trade.sold, trade.exit) == (D(2), D(105), D(2), D("97.5"))
    assert (trade.profit, trade.fees, trade.net) == (D(-15), D("0.405"), D("-15.405"))


def test_an_open_position_is_a_trade_that_has_not_closed() -> None:
    found = trades(filled(0, "buy", "2", price="100"), filled(1, "sell", "1", price="130"))
    assert [(trade.closed, trade.profit) for trade in found] == [(None, D(30))]
    assert record(found).closed == 0


def test_a_fee_in_the_base_coin_costs_size() -> None:
    [trade] = trades(filled(0, "buy", "1", price="100", fee="0.001", fee_currency="BTC", fee_quote="0.1"))
    assert (trade.size, trade.cost, trade.entry, trade.fees) == (D("0.999"), D("99.9"), D(100), D("0.1"))


def test_what_only_dust_is_left_of_is_closed_and_the_next_buy_is_another_trade() -> None:
    first, second = trades(
        filled(0, "buy", "1", price="100"),
        filled(1, "sell", "0.99", price="110"),
        DustBooked("BTC/USDT", D("0.01")),
        filled(2, "buy", "1", price="200", source=Source.MODEL, strategy=""),
        filled(3, "sell", "1.01", price="200"),
    )
    assert (first.closed, first.profit, first.sold) == (START + timedelta(minutes=1), D("9.9"), D("0.99"))
    assert (second.source, second.size, second.sold, second.profit) == (Source.MODEL, D(1), D("1.01"), D(1))


@pytest.mark.parametrize(
    ("source", "role", "order_id", "kind"),
    [
        (Source.EXIT, Role.STOP, "e-stop-1", "stop"),
        (Source.EXIT, Role.TARGET, "e-target-1", "target"),
        (Source.EXIT, Role.CLOSE, "e-rung-1-1", "ladder"),
        (Source.EXIT, Role.CLOSE, "e-time-1", "time"),
        (Source.EXIT, Role.CLOSE, "e-exit-1", "market exit"),
        (Source.LOOP, Role.CLOSE, "loop-1", "loop"),
        (Source.MODEL, Role.CLOSE, "m", "model"),
        (Source.OPERATOR, Role.CLOSE, "o", "operator"),
    ],
)
def test_kinds_of_exits(source: Source, role: Role, order_id: str, kind: str) -> None:
    [one], _ = traded([filled(0, "sell", "1", price="1", source=source, role=role, order_id=order_id)])
    assert exit_kind(one) == kind


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
    fills, held = traded(events)
    found = trades_of(fills, still_open=held)
    assert sum(trade.profit for trade in found.values()) == book.realised
    assert sum(trade.fees for trade in found.values()) == book.fees
    still = {trade.symbol for trade in found.values() if trade.closed is None}
    assert still == {symbol for symbol, position in book.positions.items() if not position.dust}
    for position in book.positions.values():
        trade = found[position.entry_id]
        assert (trade.profit, trade.fees) == (position.realised, position.fees)


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


def test_a_ratio_of_few_trades_says_that_they_are_few() -> None:
    one = trade_measures(record([closed("5")]))
    assert {name: (measure.value, measure.missing) for name, measure in one.items()} == dict.fromkeys(
        ("win_rate", "profit_factor", "expectancy"), (None, "not enough trades: 1 of 5")
    )
    enough = trade_measures(record([closed(profit) for profit in ("6", "-2", "3", "-1", "4")]))
    assert {name: (measure.value, measure.sample) for name, measure in enough.items()} == {
        "win_rate": (0.6, 5),
        "profit_factor": (13 / 3, 5),
        "expectancy": (2.0, 5),
    }
    won = trade_measures(record([closed("1")] * 5))
    assert (won["profit_factor"].value, won["profit_factor"].missing) == (None, "no trade lost")
