"""Laws of the ledger over made-up lives of a desk: rebuilt is live, and money adds up to the last digit (I8)."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from clocks import START, ManualClock
from store.ledgers import D, buy, empty, exit_of, filled, opened, refusal, sell, trade
from trade_mcp.domain import events as e
from trade_mcp.domain.book import Book
from trade_mcp.domain.exits import Levels
from trade_mcp.domain.order import Order, Side, Source, Status
from trade_mcp.store.engine import open_engine, open_memory
from trade_mcp.store.log import Ledger, Log
from trade_mcp.store.projections import PROJECTIONS
from trade_mcp.store.verify import rebuild, verify

SYMBOLS = st.sampled_from(["BTC/USDT", "ETH/USDT"])
WORDS = "enter fill close cancel exits hand peak owner dust flow break mark refuse"
ACTIONS = st.sampled_from(["enter", "fill", "fill", "fill", "close", *WORDS.split()])
COINS = st.sampled_from(["quote", "base", "third"])
STEP = st.tuples(ACTIONS, SYMBOLS, st.integers(1, 10**9), st.integers(1, 10**7), COINS)


class Life:
    """Turns steps of small integers into events a desk could write; what makes no sense at a moment is left out."""

    def __init__(self) -> None:
        self.count = 0

    def live(self, ledger: Ledger, step: tuple[str, str, int, int, str]) -> None:
        action, symbol, number, ticks, coin = step
        self.count += 1
        price, book = Decimal(ticks) / 100, ledger.book
        position = book.positions.get(symbol)
        order = next((order for order in book.live(symbol) if not order.parent), None)
        match action:
            case "enter":
                size = str(Decimal(number) / 10**8)
                source = (Source.LOOP, Source.MODEL)[number % 2]
                entry = buy(f"o{self.count}", size=size, symbol=symbol, stop=bool(number % 3), source=source)
                ledger.append(e.OrderPending(entry, ("cash", "heat")))
            case "fill" if order is not None:
                self._fill(ledger, order, Decimal(number) / 10**8, price, coin)
            case "close" if position is not None and position.size > 0:
                ledger.append(e.OrderPending(sell(f"o{self.count}", size=str(position.size), symbol=symbol)))
            case "cancel" if order is not None:
                ledger.append(e.OrderCancelling(structs.replace(order, status=Status.CANCELLING)))
                ledger.append(e.OrderEnded(structs.replace(order, status=Status.CANCELLED, note="gone")))
            case "exits" if order is not None and order.side is Side.BUY:
                revision = ledger.last_revision(order.order_id) + 1
                ledger.append(e.OrderPending(exit_of(order, revision=revision)))
            case "hand" if position is not None:
                ledger.append(e.ExitsChanged(symbol, Levels(stop=price, target=price * 2), Source.MODEL, "by hand"))
            case "peak" if position is not None:
                ledger.append(e.PeakRaised(symbol, price))
            case "owner" if position is not None:
                ledger.append(e.OwnerChanged(symbol, Source.MODEL))
            case "dust" if position is not None:
                ledger.append(e.DustBooked(symbol, position.size))
            case "flow":
                ledger.append(e.FlowRecorded(price if number % 2 else -price, "a hand"))
            case "break":
                ledger.append(e.BreakSeen(symbol, price, price * 2, "test"))
                ledger.append(e.BreakSettled(symbol, "test"))
            case "mark":
                at = START + timedelta(minutes=self.count)
                ledger.append(e.EquityMarked(at, book.cash + price, book.cash, D("0.5"), D("0.01"), {symbol: price}))
            case "refuse":
                ledger.append(refusal(f"r{self.count}", "cash", "heat", symbol=symbol))

    def _fill(self, ledger: Ledger, order: Order, size: Decimal, price: Decimal, coin: str) -> None:
        size = min(size, order.open_size)
        base = order.symbol.partition("/")[0]
        fee = size * D("0.001")
        if coin == "base" and order.side is Side.BUY:  # an exchange takes it from what was bought
            ledger.append(filled(order, size, price, fee=fee, fee_currency=base, fee_quote=fee * price))
        elif coin == "third":
            ledger.append(filled(order, size, price, fee=fee, fee_currency="BNB", fee_quote=fee * price))
        else:
            ledger.append(filled(order, size, price, fee=fee * price, fee_quote=fee * price))


def lived(log: Log, steps: list[tuple[str, str, int, int, str]]) -> Log:
    life = Life()
    for start in range(0, len(steps), 3):  # several events in one transaction
        with log.writing() as ledger:
            for step in steps[start : start + 3]:
                life.live(ledger, step)
    return log


def i8(book: Book) -> tuple[Decimal, Decimal]:
    """Both sides of: cash + cost of positions + fees = deposits + realised."""
    cost = sum((position.cost for position in book.positions.values()), D(0))
    return book.cash + cost + book.fees, book.deposits + book.realised


def tables(log: Log) -> dict[str, list[tuple[object, ...]]]:
    return {table: log.engine.rows(f"SELECT * FROM {table} ORDER BY {key}") for table, key in PROJECTIONS.items()}


@settings(deadline=None, max_examples=60)
@given(st.lists(STEP, max_size=60))
def test_rebuilt_is_live_and_money_adds_up(steps: list[tuple[str, str, int, int, str]]) -> None:
    log = lived(opened(open_memory()), steps)
    left, right = i8(log.book)
    assert left == right
    assert verify(log.engine, code="test").differences == ()
    live = tables(log)
    rebuild(log.engine, code="test")
    assert tables(log) == live
    assert Log(log.engine, code="test", clock=ManualClock()).book == log.book
    assert Log(log.engine, code="fold all of it", clock=ManualClock()).book == log.book


@settings(deadline=None, max_examples=5)
@given(st.lists(STEP, min_size=80, max_size=120))
def test_a_file_and_its_snapshots_say_the_same(steps: list[tuple[str, str, int, int, str]]) -> None:
    with TemporaryDirectory() as folder:
        engine = open_engine(empty(Path(folder)))
        log = lived(opened(engine), steps)
        assert verify(engine, code="test").sound
        assert Log(engine, code="test", clock=ManualClock()).book == log.book
        engine.close()


def test_verify_lists_what_another_hand_changed(path: Path, log: Log) -> None:
    with log.writing() as ledger:
        trade(ledger, "a")
        trade(ledger, "b", symbol="ETH/USDT")
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE orders SET status = 'working' WHERE order_id = 'a'")
        db.execute("DELETE FROM fills WHERE order_id = 'b'")
        db.execute("UPDATE positions SET size = '1.0' WHERE symbol = 'ETH/USDT'")
    said = [str(difference) for difference in verify(log.engine, code="test").differences]
    assert said == [
        "orders a: status 'working' should be 'filled'",
        "fills 6: missing",
        "positions ETH/USDT: size '1.0' should be '1'",
    ]
    rebuild(log.engine, code="test")
    assert verify(log.engine, code="test").sound


def test_verify_sees_a_snapshot_that_is_not_the_events(path: Path, log: Log) -> None:
    rebuild(log.engine, code="test")
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("""UPDATE book SET payload = replace(payload, '"cash":"10000"', '"cash":"10001"')""")
    (found,) = verify(log.engine, code="test").differences
    assert str(found) == "book 2: cash Decimal('10001') should be Decimal('10000')"


def test_verify_sees_a_snapshot_of_events_that_are_not_there(path: Path, log: Log) -> None:
    with log.writing() as ledger:
        trade(ledger, "a")
    rebuild(log.engine, code="test")
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DROP TRIGGER events_no_delete")
        db.execute("DELETE FROM events WHERE seq = 4")
    assert "book 4: not in the events" in map(str, verify(log.engine, code="test").differences)


def test_a_fill_knows_what_it_realised_and_whose_entry_it_ended(log: Log) -> None:
    with log.writing() as ledger:
        trade(ledger, "a", size="2", price="100")
        way_out = sell("out", size="2")
        ledger.append(e.OrderPending(way_out))
        ledger.append(filled(way_out, D(2), D(110), fee=D("0.2"), fee_quote=D("0.2")))
    assert log.engine.rows("SELECT order_id, entry_id, realised FROM fills ORDER BY seq") == [
        ("a", "a", "0"),
        ("out", "a", "20"),
    ]
    assert log.engine.rows("SELECT * FROM positions") == []
