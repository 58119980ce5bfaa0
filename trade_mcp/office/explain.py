"""Explain: the whole story of one trade, from the opinions behind it to the money it made, out of the ledger."""

from decimal import Decimal

from msgspec import Struct

from trade_mcp.domain import events as e
from trade_mcp.domain.errors import BadInput
from trade_mcp.domain.exits import levels
from trade_mcp.domain.order import Order, OrderRequest, Role, Source
from trade_mcp.office.told import beside, told
from trade_mcp.quant.performance import Trade, trades_of
from trade_mcp.store import journal, memory, reads
from trade_mcp.store.journal import Entry
from trade_mcp.store.log import Log


class Line(Struct, frozen=True):
    """One thing that happened: ``what`` in our words, ``words`` from outside (a reason, a venue's note)."""

    entry: Entry
    who: str  # "entry", "stop 2", "target 2", "close"; "" for the position itself
    what: str
    words: str


class Story(Struct, frozen=True, kw_only=True):
    """Why an order came to be, what the rules said, what happened, and what came of it."""

    request: Order | OrderRequest  # what was asked: the order that opened the trade, or the request that was refused
    source: Source
    outcome: str  # "refused", "open", "closed", or the status of an order that traded nothing
    decision: memory.DecisionRecord | None
    opinions: list[memory.SignalRecord]
    passed: tuple[str, ...]
    refused: tuple[tuple[str, str], ...]
    policy: str
    code: str
    trade: Trade | None
    risked: Decimal | None  # lost if the first stop had been hit, quote currency, before fees; None: unknown
    lines: tuple[Line, ...]

    @property
    def r_multiple(self) -> Decimal | None:
        """Net profit in units of what was risked; None while open, or when the risk is unknown."""
        if self.trade is None or self.trade.closed is None or not self.risked:
            return None
        return (self.trade.net / self.risked).quantize(Decimal("0.01"))


def explain(ledger: Log, order_id: str) -> Story:
    """The story of the trade that ``order_id`` belongs to (its entry, an exit, a close), or of a refused request.

    Raises BadInput for an id that the ledger does not know.
    """
    book, reader = ledger.refresh(), ledger.engine
    own = journal.of_orders(reader, {order_id})
    if not own:
        raise BadInput(f"no order {order_id!r} in this ledger", hint="list_orders shows the ids, status all")
    if isinstance(refusal := own[0].event, e.OrderRefused):
        return _refused(ledger, own, refusal)
    order = reads.order(reader, order_id)
    assert order is not None, "an order with events has a row"
    root = order.parent or order.order_id
    fills = reads.fills_of_trade(reader, root)
    held = [position.entry_id for position in book.positions.values() if not position.dust]
    trade = next(iter(trades_of(fills, still_open=held).values()), None)
    root = root if trade is None else trade.entry_id
    traded = {one.fill.order_id for one in fills}
    exits = {leg.order_id for leg in reads.exits_of(reader, root)}
    entries = journal.of_orders(reader, traded | exits | {order_id, root})
    if trade is not None:
        last = book.seq if trade.closed is None else entries[-1].seq
        entries += journal.of_symbol(reader, order.symbol, first=entries[0].seq, last=last)
    opened = reads.order(reader, root) or order
    first = next((entry for entry in entries if isinstance(entry.event, e.OrderPending | e.TakenOver)), entries[0])
    passed = first.event.passed if isinstance(first.event, e.OrderPending) else ()
    decision, opinions = memory.behind(reader, opened.order_id)
    return Story(
        request=opened,
        source=opened.source,
        outcome=opened.status.value if trade is None else "open" if trade.closed is None else "closed",
        decision=decision,
        opinions=opinions,
        passed=passed,
        refused=(),
        policy=first.policy,
        code=first.code,
        trade=trade,
        risked=None if trade is None else _risked(trade, entries, opened),
        lines=_lines(entries),
    )


def _refused(ledger: Log, own: list[Entry], refusal: e.OrderRefused) -> Story:
    decision, opinions = memory.behind(ledger.engine, refusal.request.order_id)
    return Story(
        request=refusal.request,
        source=refusal.source,
        outcome="refused",
        decision=decision,
        opinions=opinions,
        passed=(),
        refused=refusal.rules,
        policy=own[0].policy,
        code=own[0].code,
        trade=None,
        risked=None,
        lines=_lines(own),
    )


def _risked(trade: Trade, entries: list[Entry], opened: Order) -> Decimal | None:
    """What the trade would have lost at its first stop; one that never rested is as its entry asked for it."""
    stops = (entry.event.order for entry in entries if isinstance(entry.event, e.OrderPending))
    first = next((order.trigger_price for order in stops if order.role is Role.STOP), None)
    if first is None and trade.entry is not None and opened.exits is not None:
        first = levels(opened.exits, trade.entry).stop_price
    if first is None or trade.entry is None or first >= trade.entry:
        return None
    return (trade.entry - first) * trade.size


def _lines(entries: list[Entry]) -> tuple[Line, ...]:
    """Oldest first; of peaks that rose one after the other only the last."""
    ordered = sorted(entries, key=lambda entry: entry.seq)
    kept = [
        entry
        for entry, after in zip(ordered, [*ordered[1:], None], strict=True)
        if not (isinstance(entry.event, e.PeakRaised) and after is not None and isinstance(after.event, e.PeakRaised))
    ]
    return tuple(Line(entry, _who(entry.event), told(entry.event), beside(entry.event)) for entry in kept)


def _who(event: e.Event) -> str:
    if not isinstance(event, e.OrderEvent):
        return ""
    order = event.order
    return f"{order.role} {order.revision}" if order.revision else order.role.value
