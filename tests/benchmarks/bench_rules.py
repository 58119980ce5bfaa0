"""All risk rules once (goal 9: p50 at most 25 us, wanted 10): propose and assess an entry on a full desk.

Run with `uv run pytest tests/benchmarks/bench_rules.py -m bench -n 0 -s`; the last table is in docs/benchmarks.md.
"""

import gc
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D

import pytest
from msgspec import structs

from trade_mcp.domain.book import Book, Entered
from trade_mcp.domain.calendar import Span
from trade_mcp.domain.distances import Distance
from trade_mcp.domain.exits import ExitPlan, Levels
from trade_mcp.domain.instrument import spot
from trade_mcp.domain.market import Quote
from trade_mcp.domain.order import Order, OrderType, Role, Side, Source
from trade_mcp.domain.position import Position
from trade_mcp.risk.assess import assess, refused
from trade_mcp.risk.clusters import Correlations
from trade_mcp.risk.policy import Policy, policy_hash, policy_text
from trade_mcp.risk.proposal import View, propose

NOW = datetime(2023, 3, 1, 12, tzinfo=UTC)
HELD = tuple(f"C{number}/USDT" for number in range(7))
SYMBOL = "BTC/USDT"
POLICY = Policy(allow=(*HELD, SYMBOL))
ROUNDS = 5_000


def order(side: Side, size: str, *, order_id: str, symbol: str, role: Role = Role.ENTRY, group: str = "") -> Order:
    return Order(
        order_id=order_id,
        symbol=symbol,
        side=side,
        type=OrderType.MARKET,
        size=D(size),
        role=role,
        source=Source.MODEL,
        at=NOW,
        real_at=NOW,
        send_by=NOW + timedelta(seconds=10),
        worst_price=D("27123.45") if role is Role.ENTRY else D(0),
        exits=ExitPlan(stop=Distance(fraction=D("0.02")), target=Distance(fraction=D("0.04"))),
        group=group,
    )


def desk(positions: int) -> Book:
    """A book with ``positions`` protected by an OCO each, and forty entries during the day."""
    text = policy_text(POLICY)
    book = Book(cash=D("6543.21"), quote="USDT", policy=policy_hash(text), policy_text=text)
    for symbol in HELD[:positions]:
        levels = Levels(stop=D("98.5"), target=D("104"))
        book.positions[symbol] = Position(size=D("4.56789"), cost=D("456.789"), owner=Source.LOOP, levels=levels)
        for role in (Role.STOP, Role.TARGET):
            leg = order(Side.SELL, "4.56789", order_id=f"{symbol}-{role}", symbol=symbol, role=role, group=symbol)
            book.orders[leg.order_id] = leg
    book.entered = [
        Entered(NOW - timedelta(minutes=30 * age), SYMBOL, Side.BUY, D("0.01"), "ema_cross") for age in range(40, 0, -1)
    ]
    return book


def p50_us(work: Callable[[], object]) -> float:
    """Median time of one call in microseconds."""
    took = []
    gc.disable()
    for _ in range(ROUNDS):
        start = time.perf_counter_ns()
        work()
        took.append(time.perf_counter_ns() - start)
    gc.enable()
    return sorted(took)[ROUNDS // 2] / 1_000


def timed(book: Book, asked: Order, view: View, *, replacing: frozenset[str] = frozenset()) -> tuple[int, float]:
    """How many rules judge ``asked``, which passes all of them, and the median time of that."""
    said = assess(propose(book, asked, view, replacing=replacing), POLICY)
    assert not refused(said), [verdict.reason for verdict in said if not verdict.passed]
    return len(said), p50_us(lambda: assess(propose(book, asked, view, replacing=replacing), POLICY))


@pytest.mark.bench
def test_all_rules_once() -> None:
    view = View(
        now=NOW,
        instrument=spot(SYMBOL),
        quote=Quote(SYMBOL, D("27123.44"), D("27123.45"), NOW, NOW + timedelta(minutes=5)),
        marks={SYMBOL: D("27123.44")} | dict.fromkeys(HELD, D("101.23")),
        recent=tuple(D("27100.5") + step for step in range(20)),
        policy_here=policy_hash(policy_text(POLICY)),
        watcher_silence_s=2.0,
    )
    entry = order(Side.BUY, "0.03", order_id="new", symbol=SYMBOL)
    rows = [(f"entry, {positions} positions", *timed(desk(positions), entry, view)) for positions in (0, 2, 7)]
    # Nothing is spared: so much is held that clusters and each strategy's heat are added up.
    full, low = desk(7), {one: dict.fromkeys(view.marks, 0.1) for one in view.marks}
    full.cash = D("1500")
    open_now = (Span(NOW - timedelta(hours=1), NOW + timedelta(hours=1)),)
    known = structs.replace(view, correlations=Correlations(NOW.date(), low), sessions=open_now)
    rows.append(("entry, 7, looked up", *timed(full, structs.replace(entry, size=D("0.005")), known)))
    close = order(Side.SELL, "4.56789", order_id="new", symbol=HELD[0], role=Role.CLOSE)
    legs = frozenset(leg.order_id for leg in desk(7).exits(HELD[0]))
    rows.append(("close, 7 positions", *timed(desk(7), close, view, replacing=legs)))
    print(f"\n{'propose + assess':<22} {'rules':>5} {'p50 us':>8}")
    for name, rules, took in rows:
        print(f"{name:<22} {rules:>5} {took:>8.1f}")
