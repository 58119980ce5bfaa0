"""The books: whatever is ordered, however the market moves, the money adds up; and a kill loses nothing."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import ccxt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from practice.running import ACCOUNT, Child, running_child
from trade_mcp.domain.errors import BadConfig, ForeignDatabase, ForeignLedger
from trade_mcp.domain.instrument import ZERO
from trade_mcp.domain.order import Side, TimeInForce
from trade_mcp.feeds.synthetic import synthetic_feed
from trade_mcp.practice.accounts import parse_accounts
from trade_mcp.practice.books import Books
from trade_mcp.practice.errors import ApiError
from trade_mcp.practice.faults import Fault
from trade_mcp.practice.service import Practice, open_practice
from trade_mcp.practice.status import audit
from trade_mcp.practice.ticket import ALGO, PRICED, TIMED, Kind, Leg, Spec, State

START = datetime(2025, 3, 1, 12, tzinfo=UTC)
FEED = synthetic_feed()
NAME = "practice-key"
SYMBOLS = ("BTC/USDT", "ETH/USDT")


def opened(state: Path, *faults: Fault, seed: int = 0) -> Practice:
    return open_practice(
        FEED, parse_accounts([ACCOUNT + ",ETH=3"]), state=state, speed=0, start=START, faults=faults, seed=seed
    )


@st.composite
def specs(draw: st.DrawFn, practice: Practice, number: int) -> Spec:
    """An order that the exchange may take or refuse."""
    symbol, kind = draw(st.sampled_from(SYMBOLS)), draw(st.sampled_from(Kind))
    instrument = practice.exchange.market.instruments[symbol]
    last = practice.exchange.market.last_price(symbol, practice.exchange.time.market())

    def price() -> Decimal:
        return instrument.price_down(last * draw(st.integers(900, 1100)) / 1000)

    worth = draw(st.integers(5, 4000))
    by_cost = kind is Kind.MARKET and draw(st.booleans())
    trails = kind in ALGO and draw(st.booleans())
    return Spec(
        symbol=symbol,
        side=draw(st.sampled_from(Side)),
        kind=kind,
        client_id=f"o{number}",
        quantity=ZERO if by_cost else instrument.round_size(worth / last),
        quote_quantity=Decimal(worth) if by_cost else None,
        price=price() if kind in PRICED else None,
        stop_price=price() if kind in ALGO and not (trails and draw(st.booleans())) else None,
        delta=draw(st.integers(10, 500)) if trails else None,
        tif=draw(st.sampled_from([TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK])) if kind in TIMED else None,
    )


def check(practice: Practice) -> None:
    """What must hold at every moment."""
    books = practice.exchange.books
    assert audit(practice) == {}
    for asset, (free, locked) in practice.exchange.balances(NAME).items():
        assert free >= 0 and locked >= 0, (asset, free, locked)
    orders, fills = books.all_of(NAME)
    for ticket in orders:
        own = [fill for fill in fills if fill.order_number == ticket.number]
        assert ticket.executed == sum((fill.size for fill in own), ZERO) <= ticket.spec.quantity
        assert ticket.spent == sum((fill.quote for fill in own), ZERO)
        assert (ticket.state is State.FILLED) == (ticket.executed == ticket.spec.quantity)
        limit = ticket.spec.price
        if limit is not None:
            worst = [fill for fill in own if (fill.price - limit) * ticket.spec.side.sign > 0]
            assert worst == []


FAULTS = (
    Fault("partial", probability=0.3, fraction=Decimal("0.4")),
    Fault("split", probability=0.3, pieces=3),
    Fault("late", probability=0.3, seconds=0),
)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.data())
def test_money_is_conserved_over_random_orders(tmp_path_factory: pytest.TempPathFactory, steps: st.DataObject) -> None:
    state = tmp_path_factory.mktemp("books") / "practice.db"
    practice = opened(state, *FAULTS, seed=steps.draw(st.integers(0, 5)))
    exchange = practice.exchange
    for number in range(steps.draw(st.integers(1, 15))):
        act = steps.draw(st.sampled_from(["place", "place", "place", "pair", "cancel", "move", "reopen"]))
        try:
            if act == "place":
                exchange.place(NAME, steps.draw(specs(practice, number)))
            elif act == "pair":
                _pair(exchange, number, contingency=steps.draw(st.sampled_from(["OCO", "OTO"])))
            elif act == "cancel" and (found := exchange.open_orders(NAME)):
                exchange.cancel(steps.draw(st.sampled_from(found)), "")
            elif act == "move":
                exchange.move_on(steps.draw(st.integers(1, 36_000)))
            elif act == "reopen":
                seen = (exchange.balances(NAME), exchange.open_orders(NAME), exchange.books.matched_until)
                practice.close()
                practice = opened(state, *FAULTS)
                exchange = practice.exchange
                assert (exchange.balances(NAME), exchange.open_orders(NAME)) == seen[:2]
        except ApiError:
            pass
        exchange.advance()
        check(practice)
    practice.close()


def _pair(exchange: Any, number: int, *, contingency: str) -> None:
    last = exchange.market.last_price("BTC/USDT", exchange.time.market())
    of = exchange.market.instruments["BTC/USDT"]
    size = Decimal("0.01")

    def spec(name: str, side: Side, kind: Kind, price: str) -> Spec:
        at = of.price_down(last * Decimal(price))
        priced = {"price": at} if kind in PRICED else {"stop_price": at}
        tif = TimeInForce.GTC if kind in TIMED else None
        return Spec(
            symbol="BTC/USDT", side=side, kind=kind, client_id=f"{name}{number}", quantity=size, tif=tif, **priced
        )

    legs = [
        (Leg.ABOVE, spec("a", Side.SELL, Kind.LIMIT_MAKER, "1.004")),
        (Leg.BELOW, spec("b", Side.SELL, Kind.STOP_LOSS, "0.996")),
    ]
    if contingency == "OTO":
        legs.insert(0, (Leg.WORKING, spec("w", Side.BUY, Kind.LIMIT, "1.001")))
    exchange.place_list(NAME, legs, contingency=contingency, client_id=f"list{number}")


def test_what_fails_half_way_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    practice = opened(tmp_path / "practice.db")
    exchange, told = practice.exchange, []
    practice.listeners.append(lambda account, events: told.extend(events))
    before = exchange.balances(NAME)
    order = Spec(
        symbol="BTC/USDT", side=Side.BUY, kind=Kind.MARKET, client_id="half", quantity=Decimal("0.01"), price=None
    )
    with monkeypatch.context() as broken:
        broken.setattr(Books, "keep_fill", lambda *_: (_ for _ in ()).throw(OSError("no space left on device")))
        with pytest.raises(OSError):
            exchange.place(NAME, order)
    assert (exchange.balances(NAME), exchange.open_orders(NAME), told) == (before, [], [])
    ticket, fills = exchange.place(NAME, order)
    assert (ticket.number, ticket.state, len(fills)) == (1, State.FILLED, 1)
    practice.close()


def test_prices_of_another_feed_and_files_of_others_are_refused(tmp_path: Path) -> None:
    state = tmp_path / "practice.db"
    practice = opened(state)
    with pytest.raises(BadConfig, match="locked"):
        opened(state)
    practice.close()
    with pytest.raises(ForeignLedger, match="trade"):
        open_practice(synthetic_feed(seed=8), {}, state=state)
    other = tmp_path / "other.db"
    other.write_text("not a database, but long enough to look at" * 30)
    with pytest.raises(ForeignDatabase):
        opened(other)


def test_market_time_goes_on_while_nobody_looks(tmp_path: Path) -> None:
    now = [datetime(2026, 1, 1, tzinfo=UTC)]

    def reopened(speed: float | None) -> Practice:
        return open_practice(FEED, {}, state=tmp_path / "p.db", speed=speed, start=START, real=lambda: now[0])

    practice = reopened(60)
    now[0] += timedelta(seconds=10)
    assert practice.exchange.time.market() == START + timedelta(minutes=10)
    practice.close()
    now[0] += timedelta(seconds=10)
    practice = reopened(None)
    assert practice.exchange.time.market() == START + timedelta(minutes=20)
    practice.close()


def test_a_kill_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    def seen(child: Child) -> Any:
        client = child.client()
        orders = [order["info"] for order in client.fetch_orders("BTC/USDT")]
        trades = [trade["info"] for trade in client.fetch_my_trades("BTC/USDT")]
        return orders, trades, client.fetch_balance()["info"]["balances"]

    with running_child(tmp_path, "--state", "books.db") as child:
        client = child.client()
        price = client.fetch_ticker("BTC/USDT")["last"]
        client.create_order("BTC/USDT", "market", "buy", 0.01)
        client.create_order("BTC/USDT", "limit", "buy", 0.01, round(price * 0.5, 2))
        before = seen(child)
        child.kill()
        child.start()
        assert seen(child) == before
        assert child.control.status()["balanced"]

        child.control.add({"fault": "kill", "where": "POST /api/v3/order", "when": "after"})
        with pytest.raises(ccxt.NetworkError):
            client.create_order("BTC/USDT", "market", "buy", 0.01, None, {"clientOrderId": "last-words"})
        assert child.process is not None
        assert child.process.wait(10) == -9
        child.start()
        order = child.client().fetch_order(None, "BTC/USDT", {"origClientOrderId": "last-words"})
        assert order["status"] == "closed"
