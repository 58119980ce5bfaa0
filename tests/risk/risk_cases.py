"""A small desk to judge orders against: 10000 USDT, BTC/USDT at 99.99/100.00, every rule content with `buy()`."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from typing import Any

from msgspec import structs

from trade_mcp.domain.book import Book, Entered
from trade_mcp.domain.distances import Distance
from trade_mcp.domain.exits import ExitPlan, Levels
from trade_mcp.domain.instrument import spot
from trade_mcp.domain.market import Quote
from trade_mcp.domain.order import Order, OrderType, Role, Side, Source
from trade_mcp.domain.position import Position
from trade_mcp.risk.assess import assess
from trade_mcp.risk.policy import Policy, policy_hash, policy_text
from trade_mcp.risk.proposal import View, propose
from trade_mcp.risk.verdict import Verdict

NOW = datetime(2023, 3, 1, 12, tzinfo=UTC)
BTC, ETH = "BTC/USDT", "ETH/USDT"
PRICES = {BTC: D(100), ETH: D(10)}
STOP_2 = ExitPlan(stop=Distance(fraction=D("0.02")))
POLICY = Policy(allow=(BTC, ETH))


def policy(**limits: Any) -> Policy:
    return structs.replace(POLICY, **limits)


def book(**parts: Any) -> Book:
    text = policy_text(POLICY)
    known: dict[str, Any] = {"cash": D(10_000), "quote": "USDT", "policy": policy_hash(text), "policy_text": text}
    known |= parts
    if isinstance(known.get("orders"), list):
        known["orders"] = {order.order_id: order for order in known["orders"]}
    return Book(**known)


def held(size: Any, *, at: Any = 100, stop: Any = 98, **more: Any) -> Position:
    levels = more.pop("levels", Levels(stop=None if stop is None else D(str(stop))))
    size = D(str(size))
    return Position(size=size, cost=size * D(str(at)), owner=more.pop("owner", Source.MODEL), levels=levels, **more)


def buy(size: Any = 10, **more: Any) -> Order:
    return order(Side.BUY, size, **({"exits": STOP_2} | more))


def sell(size: Any = 10, **more: Any) -> Order:
    return order(Side.SELL, size, **({"role": Role.CLOSE} | more))


def order(side: Side, size: Any, **more: Any) -> Order:
    parts: dict[str, Any] = {
        "order_id": f"{side}-1",
        "symbol": BTC,
        "type": OrderType.LIMIT if "limit_price" in more else OrderType.MARKET,
        "role": Role.ENTRY,
        "source": Source.MODEL,
        "at": NOW,
        "real_at": NOW,
        "send_by": NOW + timedelta(seconds=10),
    }
    return Order(side=side, size=size if isinstance(size, D) else D(str(size)), **(parts | more))


def quote(bid: Any = "99.99", ask: Any = 100, *, symbol: str = BTC, due_s: float = 0) -> Quote:
    return Quote(symbol, D(str(bid)), D(str(ask)), NOW - timedelta(minutes=5), NOW - timedelta(seconds=due_s))


def view(**parts: Any) -> View:
    known: dict[str, Any] = {
        "now": NOW,
        "instrument": spot(BTC),
        "quote": quote(),
        "marks": PRICES,
        "recent": (D(100),) * 5,
        "policy_here": policy_hash(policy_text(POLICY)),
        "watcher_silence_s": 3.0,
    }
    return View(**(known | parts))


def judged(
    asked: Order, limits: Policy = POLICY, *, of: Book | None = None, seen: View | None = None, replacing: Any = ()
) -> dict[str, Verdict]:
    """The verdicts on ``asked`` by rule."""
    proposal = propose(of or book(), asked, seen or view(), replacing=replacing)
    return {verdict.rule: verdict for verdict in assess(proposal, limits)}


def failing(*args: Any, **parts: Any) -> list[str]:
    """The rules that refuse."""
    return [rule for rule, verdict in judged(*args, **parts).items() if not verdict.passed]


def entered(*ages_s: float, size: Any = 10, symbol: str = BTC, by: str = "") -> list[Entered]:
    return [Entered(NOW - timedelta(seconds=age), symbol, Side.BUY, D(str(size)), by) for age in ages_s]
