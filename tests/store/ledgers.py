"""Real ledgers for tests: a file at head made once a session, and events that a desk could have written."""

from datetime import timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import structs

from clocks import REAL, START, ManualClock
from trade_mcp.domain import events as e
from trade_mcp.domain.distances import Distance
from trade_mcp.domain.exits import ExitPlan
from trade_mcp.domain.order import Fill, Order, OrderRequest, OrderType, Role, Side, Source, Status
from trade_mcp.store.engine import Engine, open_engine
from trade_mcp.store.log import Ledger, Log, open_ledger

D = Decimal
BTC = "BTC/USDT"
OPENING = e.LedgerOpened("paper", "account-1", "synthetic-7", True, "USDT", D(10_000))
POLICY = e.PolicyAdopted("hash-1", '{"limits":1}', "test")


@cache
def _at_head() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        open_engine(path).close()
        return path.read_bytes()


def empty(folder: Path) -> Path:
    """A ledger file at head without events: a copy, because a migration takes a second."""
    path = folder / "ledger.db"
    path.write_bytes(_at_head())
    return path


def opened(engine: Engine, *, clock: ManualClock | None = None) -> Log:
    return open_ledger(engine, OPENING, POLICY, code="test", clock=clock or ManualClock())


def buy(order_id: str, *, size: str = "1", symbol: str = BTC, stop: bool = True, source: Source = Source.LOOP) -> Order:
    return Order(
        order_id=order_id,
        symbol=symbol,
        side=Side.BUY,
        type=OrderType.MARKET,
        size=D(size),
        role=Role.ENTRY,
        source=source,
        at=START,
        real_at=REAL,
        send_by=REAL + timedelta(seconds=5),
        worst_price=D(101),
        strategy="ema_cross",
        exits=ExitPlan(stop=Distance(fraction=D("0.02")), trail=Distance(amount=D("3.5"))) if stop else None,
    )


def sell(order_id: str, *, size: str, symbol: str = BTC) -> Order:
    return structs.replace(buy(order_id, size=size, symbol=symbol, stop=False), side=Side.SELL, role=Role.CLOSE)


def exit_of(entry: Order, *, revision: int) -> Order:
    return structs.replace(
        sell(f"{entry.order_id}-stop-{revision}", size=str(entry.size), symbol=entry.symbol),
        role=Role.STOP,
        source=Source.EXIT,
        type=OrderType.STOP,
        trigger_price=D("98.123456789012"),
        parent=entry.order_id,
        revision=revision,
        group=f"{entry.order_id}-exit-{revision}",
    )


def filled(
    order: Order, size: Decimal, price: Decimal, *, fee: Decimal, fee_currency: str = "USDT", fee_quote: Decimal
) -> e.Filled:
    """``order`` after one more fill."""
    fill = Fill(
        trade_id=f"{order.order_id}-{len(order.trades)}",
        order_id=order.order_id,
        symbol=order.symbol,
        side=order.side,
        size=size,
        price=price,
        fee=fee,
        fee_currency=fee_currency,
        fee_quote=fee_quote,
        at=START + timedelta(minutes=len(order.trades)),
    )
    now = order.filled + size
    after = structs.replace(
        order,
        filled=now,
        cost=order.cost + size * price,
        trades=(*order.trades, fill.trade_id),
        status=Status.FILLED if now >= order.size else Status.WORKING,
    )
    return e.Filled(after, fill)


def refusal(order_id: str, *rules: str, symbol: str = BTC) -> e.OrderRefused:
    request = OrderRequest(order_id=order_id, symbol=symbol, side=Side.BUY, notional=D(100))
    return e.OrderRefused(request, Source.MODEL, START, None, tuple((rule, f"{rule} says no") for rule in rules))


def trade(ledger: Ledger, order_id: str, *, size: str = "1", price: str = "100", symbol: str = BTC) -> None:
    """A bought and filled entry."""
    order = buy(order_id, size=size, symbol=symbol)
    ledger.append(e.OrderPending(order))
    ledger.append(filled(order, order.size, D(price), fee=D("0.1"), fee_quote=D("0.1")))
