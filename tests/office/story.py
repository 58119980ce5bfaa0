"""A real ledger with a small story on it: two sources, two symbols, a refusal, a mark."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from msgspec import structs

from trade_mcp.domain import events as e
from trade_mcp.domain.exits import ExitPlan
from trade_mcp.domain.order import Fill, Order, OrderRequest, OrderType, Role, Side, Source, Status
from trade_mcp.store.engine import open_engine
from trade_mcp.store.log import Log

START = datetime(2023, 3, 1, tzinfo=UTC)


@cache
def empty_ledger() -> bytes:
    """A ledger file at the newest schema; made once, because a migration takes a second."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        open_engine(path).close()
        return path.read_bytes()


class Standing:
    """A clock that stands where it was put."""

    def __init__(self) -> None:
        self.now = START

    def market(self) -> datetime:
        return self.now

    def real(self) -> datetime:
        return self.now

    def boot(self) -> float:
        return 0.0


class Telling:
    """Writes what would have happened to a log, minute by minute."""

    def __init__(self, log: Log, clock: Standing, start: datetime = START):
        self.log, self.clock, self.start = log, clock, start
        clock.now = start

    def at(self, **since_start: float) -> Self:
        self.clock.now = self.start + timedelta(**since_start)
        return self

    def tell(self, *events: e.Event) -> None:
        with self.log.writing() as ledger:
            for event in events:
                ledger.append(event)

    def order(
        self,
        order_id: str,
        side: str,
        size: str,
        *,
        price: str,
        fee: str = "0",
        symbol: str = "BTC/USDT",
        source: Source = Source.LOOP,
        strategy: str = "",
        role: Role | None = None,
        stop: str | None = None,
        fills: bool = True,
    ) -> Order:
        """Place a market order and, if it ``fills``, fill it whole."""
        now = self.clock.now
        order = Order(
            order_id=order_id,
            symbol=symbol,
            side=Side(side),
            type=OrderType.STOP if role is Role.STOP else OrderType.MARKET,
            trigger_price=D(price) if role is Role.STOP else None,
            size=D(size),
            role=role or (Role.ENTRY if side == "buy" else Role.CLOSE),
            source=source,
            at=now,
            real_at=now,
            send_by=now,
            worst_price=D(price),
            strategy=strategy,
            exits=None if stop is None else ExitPlan(stop=D(stop)),
        )
        working = structs.replace(order, status=Status.WORKING)
        self.tell(e.OrderPending(order), e.OrderWorking(working))
        if not fills:
            return working
        done = structs.replace(
            order, status=Status.FILLED, filled=D(size), cost=D(size) * D(price), trades=(f"{order_id}-t",)
        )
        fill = Fill(
            trade_id=f"{order_id}-t",
            order_id=order_id,
            symbol=symbol,
            side=Side(side),
            size=D(size),
            price=D(price),
            fee=D(fee),
            fee_currency="USDT",
            fee_quote=D(fee),
            at=now,
        )
        self.tell(e.Filled(done, fill))
        return done

    def refuse(self, order_id: str, *rules: str) -> None:
        request = OrderRequest(order_id=order_id, symbol="BTC/USDT", side=Side.BUY, size=D(1))
        self.tell(e.OrderRefused(request, Source.MODEL, self.clock.now, D(1), tuple((rule, "no") for rule in rules)))

    def mark(self, **marks: str) -> None:
        prices = {f"{base}/USDT": D(price) for base, price in marks.items()}
        book = self.log.book
        equity = book.cash + sum(p.size * prices[s] for s, p in book.positions.items())
        self.tell(e.EquityMarked(self.clock.now, equity, book.cash, D(0), D(0), prices))


class Story(Telling):
    """A ledger of its own, opened, and what is told on it."""

    def __init__(self, path: Path, *, synthetic: bool = True, feed: str = "synthetic-7"):
        clock = Standing()
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(empty_ledger())
        self.engine = open_engine(path)
        super().__init__(Log(self.engine, code="test", clock=clock), clock)
        self.tell(e.LedgerOpened("paper", "default", feed, synthetic, "USDT", D(10_000)))


def tell_all(story: Story) -> None:
    """The loop won once and holds BTC; the chat lost once and holds nothing; one refusal by two rules."""
    story.at(minutes=5).order("l1", "buy", "0.1", price="20000", fee="2", strategy="ema_cross", stop="19600")
    story.mark(BTC="20000")
    story.at(hours=1).order("l2", "sell", "0.1", price="21000", fee="2.1", source=Source.EXIT, role=Role.TARGET)
    story.mark()
    story.at(days=2).order("m1", "buy", "1", price="1500", fee="1.5", symbol="ETH/USDT", source=Source.MODEL)
    story.mark(ETH="1400")
    story.at(days=2, hours=1).order("m2", "sell", "1", price="1450", fee="1.45", symbol="ETH/USDT", source=Source.MODEL)
    story.refuse("m3", "heat", "cash")
    story.at(days=3).order("l3", "buy", "0.1", price="22000", fee="2.2", strategy="rsi_reversion", stop="21560")
    story.order("l3-stop-1", "sell", "0.1", price="21560", source=Source.EXIT, role=Role.STOP, fills=False)
    story.at(days=3, minutes=5).mark(BTC="22500")
