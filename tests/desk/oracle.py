"""Oracle: what every limit comes to, computed anew from the events in the plainest way, beside the code that judges."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal as D

from trade_mcp.domain.book import Book
from trade_mcp.domain.events import Event, Filled, OrderPending
from trade_mcp.domain.fold import fold
from trade_mcp.domain.order import Order, Role, Side, Source
from trade_mcp.risk.policy import Policy
from trade_mcp.store.log import Log, copied

Check = Callable[[Book, Order], None]


class Oracle:
    """Follows the ledger event by event; every accepted entry is checked against the book it was accepted on."""

    def __init__(self, ledger: Log, policy: Policy):
        self._log, self._policy = ledger, policy
        self._book, self._seen = copied(ledger.refresh()), ledger.book.seq
        self.accepted = 0

    def follow(self, bids: Mapping[str, D], asks: Mapping[str, D], fee: D) -> None:
        """Look at what was written since; prices have not moved meanwhile."""
        from trade_mcp.store.chain import event_of

        rows = self._log.engine.rows("SELECT seq, payload FROM events WHERE seq > ? ORDER BY seq", (self._seen,))
        for seq, payload in rows:
            event = event_of(seq, payload)
            if isinstance(event, OrderPending) and event.order.role is Role.ENTRY:
                self._check(event.order, bids, asks, fee)
            fold(self._book, seq, event)
            self._conserved(event)
            self._seen = seq

    def _check(self, order: Order, bids: Mapping[str, D], asks: Mapping[str, D], fee: D) -> None:
        book, limits = self._book, self._policy
        self.accepted += 1
        assert book.state == "active", "an entry while trading was not active"
        equity = book.cash + sum((held.size * bids[symbol] for symbol, held in book.positions.items()), D(0))
        price = max(filter(None, (asks[order.symbol], order.limit_price, order.trigger_price)))
        worth: dict[str, D] = {symbol: held.size * bids[symbol] for symbol, held in book.positions.items()}
        lost: dict[tuple[str, str], D] = {}
        spent = D(0)
        for symbol, held in book.positions.items():
            if not held.dust:
                stop = held.levels.stop_price
                one = held.size * (bids[symbol] - (stop or D(0)))
                by = held.strategy if held.owner is Source.LOOP and held.strategy else "chat"
                lost[symbol, by] = lost.get((symbol, by), D(0)) + max(one, D(0))
        for other in (*[one for one in book.orders.values() if one.side is Side.BUY], order):
            mine = other is order
            at = price if mine else other.limit_price or other.trigger_price or other.worst_price
            left = other.size - other.filled
            worth[other.symbol] = worth.get(other.symbol, D(0)) + left * at
            by = other.strategy if other.source is Source.LOOP and other.strategy else "chat"
            lost[other.symbol, by] = lost.get((other.symbol, by), D(0)) + max(left * (at - _stop(other, at)), D(0))
            spent += left * max(other.worst_price, at if mine else D(0)) * (1 + fee)
        by = order.strategy if order.source is Source.LOOP and order.strategy else "chat"
        risk = max(order.size * (price - _stop(order, price)), D(0))
        assert order.size * price <= limits.max_order_notional * equity
        assert worth[order.symbol] <= limits.max_position * equity
        assert sum(worth.values()) <= limits.max_exposure * equity
        assert sum(worth.values()) <= limits.max_cluster * equity  # no correlation is known
        assert risk <= limits.max_trade_risk * equity
        assert sum(lost.values()) <= limits.max_heat * equity
        assert sum(one for (_, who), one in lost.items() if who == by) <= limits.max_heat_per_strategy * equity
        assert spent <= book.cash
        groups = {one.group or one.order_id for one in book.orders.values()}
        assert len(groups) + 1 <= limits.max_open_orders
        slots = {symbol for symbol, held in book.positions.items() if not held.dust}
        slots |= {one.symbol for one in book.orders.values() if one.role is Role.ENTRY} | {order.symbol}
        assert len(slots) <= limits.max_open_positions
        self._pace(order)

    def _pace(self, order: Order) -> None:
        entered, limits = self._book.entered, self._policy
        lately = [one for one in entered if one.at > order.at - timedelta(minutes=1)]
        assert len(lately) + 1 <= limits.max_orders_per_minute
        by = order.strategy if order.source is Source.LOOP and order.strategy else "chat"
        same = [one for one in entered if (one.symbol, one.strategy) == (order.symbol, by)]
        hour = [one for one in same if one.at > order.at - timedelta(hours=1)]
        assert len(hour) + 1 <= limits.max_repeats_per_hour

    def _conserved(self, event: Event) -> None:
        """Invariant I8, after every single event."""
        book = self._book
        cost = sum((held.cost for held in book.positions.values()), D(0))
        assert book.cash + cost + book.fees == book.deposits + book.realised
        if isinstance(event, Filled):
            assert book.cash >= 0
        for symbol in book.positions:
            stops = {order.group for order in book.orders.values() if (order.symbol, order.role) == (symbol, "stop")}
            assert len(stops) <= 1


def _stop(order: Order, price: D) -> D:
    """Where the stop of an entry would be; 0 without one."""
    plan = order.exits
    if plan is None or plan.stop is None:
        return D(0)
    return plan.stop if isinstance(plan.stop, D) else price - plan.stop.of(price)
