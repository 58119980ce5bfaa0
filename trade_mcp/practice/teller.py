"""Teller: what happened in a step, kept until it is in the books, then told to user streams."""

from collections import deque
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from trade_mcp.practice import events
from trade_mcp.practice.listing import Listing
from trade_mcp.practice.purse import Balances, Purse
from trade_mcp.practice.records import Fill, OrderList
from trade_mcp.practice.ticket import Ticket

REMEMBERED = 1000  # balances of an account that may be shown late
type Event = dict[str, Any]
type Listener = Callable[[str, Sequence[Event]], None]


class Teller:
    """Events of every account. ``now_ms`` is the exchange's time, ``real_ms`` the true one."""

    def __init__(
        self, purse: Purse, listing: Listing, tell: Listener, *, now_ms: Callable[[], int], real_ms: Callable[[], int]
    ):
        self._purse, self._listing, self._tell, self._now_ms, self._real_ms = purse, listing, tell, now_ms, real_ms
        self._events: dict[str, list[Event]] = {}
        self._past: dict[str, deque[tuple[int, Balances]]] = {}

    def report(self, ticket: Ticket, what: str, *, fill: Fill | None = None, cancel_id: str = "") -> None:
        """An order is NEW, TRADE, CANCELED or EXPIRED."""
        id_ = self._listing.by_symbol[ticket.spec.symbol].id
        said = events.execution(ticket, id_, what, self._now_ms(), fill=fill, cancel_id=cancel_id)
        self._add(ticket.account, said)

    def position(self, account: str, *assets: str) -> None:
        """Balances may have changed."""
        balances = self._purse.balances(account)
        some = {asset: balances[asset] for asset in sorted(assets) if asset in balances}
        self._add(account, events.position(some, self._now_ms()))

    def transfer(self, account: str, asset: str, amount: Decimal) -> None:
        self._add(account, events.balance_update(asset, amount, self._now_ms()))
        self.position(account, asset)

    def order_list(self, made: OrderList, tickets: Sequence[Ticket]) -> None:
        self._add(made.account, events.list_status(made, tickets, self._listing, self._now_ms()))

    def publish(self) -> None:
        """Tell what is in the books by now."""
        said, self._events = self._events, {}
        for account, list_ in said.items():
            past = self._past.setdefault(account, deque(maxlen=REMEMBERED))
            past.append((self._real_ms(), self._purse.balances(account)))
            self._tell(account, list_)

    def forget(self) -> None:
        """The step did not happen."""
        self._events.clear()

    def balances_before(self, account: str, seconds: float) -> Balances:
        """The balances so many real seconds ago, as far as is remembered."""
        then = self._real_ms() - int(seconds * 1000)
        past = [balances for at_ms, balances in self._past.get(account, ()) if at_ms <= then]
        return past[-1] if past else self._purse.balances(account)

    def _add(self, account: str, event: Event) -> None:
        self._events.setdefault(account, []).append(event)
