"""Inkless: a needed exit that leaves while the ledger cannot be written. Its intent goes to the spill first, and from
there into the ledger as soon as that can be written.
"""

from msgspec import structs

from trade_mcp.desk.drafts import Drafts
from trade_mcp.desk.exits import free_size
from trade_mcp.desk.judge import Judge
from trade_mcp.desk.send import Sender
from trade_mcp.domain import events as e
from trade_mcp.domain.order import OrderRequest, Side, Source, Status
from trade_mcp.risk.assess import refused
from trade_mcp.store import reads
from trade_mcp.store.leases import Lease
from trade_mcp.store.log import Log
from trade_mcp.store.spill import Spill


class Inkless:
    """Sells without the ledger. ``spill`` is where intents go; None: such a one cannot be kept, and nothing leaves."""

    def __init__(self, ledger: Log, sender: Sender, *, judge: Judge, drafts: Drafts, spill: Spill | None):
        self._log, self._sender, self._judge = ledger, sender, judge
        self._drafts, self._spill = drafts, spill

    def left(self, symbol: str) -> bool:
        """Whether a sale of ``symbol`` left and is not in the ledger yet."""
        kept = self._spill.pending() if self._spill is not None else []
        return any(isinstance(event, e.OrderPending) and event.order.symbol == symbol for event in kept)

    def sell(self, symbol: str, *, name: str, why: str, lease: Lease) -> None:
        """The ledger cannot be written and only a market order helps: its intent goes to the spill, then it leaves.

        Once for each position: what happened to it is found out when the ledger has taken the intent over. ``name``
        goes into its id.
        """
        book = self._log.book
        position = book.positions.get(symbol)
        if self._spill is None or position is None or position.dust or self.left(symbol):
            return
        view, legs = self._judge.view(book, symbol), book.exits(symbol)
        revision = 1 + max((leg.revision for leg in reads.exits_of(self._log.engine, position.entry_id)), default=0)
        request = OrderRequest(
            order_id=f"{position.entry_id}-{name}-{revision}",
            symbol=symbol,
            side=Side.SELL,
            size=free_size(book, symbol, view.instrument),
            reason=f"{why}; the ledger could not be written",
        )
        order = structs.replace(
            self._drafts.order(request, Source.EXIT, quote=view.quote),
            parent=position.entry_id,
            strategy=position.strategy,
            revision=revision,
        )
        _, verdicts = self._judge.order(book, order, view, replacing=[leg.order_id for leg in legs])
        if refused(verdicts):
            return
        intents: list[e.Event] = [
            e.OrderCancelling(structs.replace(leg, status=Status.CANCELLING, note="replaced by a close"))
            for leg in legs
        ]
        self._spill.write([*intents, e.OrderPending(order, tuple(verdict.rule for verdict in verdicts))])
        if free_size(self._log.refresh(), symbol, view.instrument) < order.size:
            return  # there was ink for somebody else's sale: whoever writes looks at the spill before it sends, too
        self._sender.without_ink(order, legs, lease=lease)

    def import_spill(self, lease: Lease | None = None) -> None:
        """Take over into the ledger what left while it could not be written."""
        if self._spill is None or not (kept := self._spill.pending()):
            return
        with self._log.writing(lease) as ledger:
            for event in kept:
                assert isinstance(event, e.OrderEvent), "only intents are spilled"
                known = ledger.order(event.order.order_id)
                if isinstance(event, e.OrderPending) and known is None:
                    ledger.append(event)
                    text = f"{event.order.order_id} left while the ledger could not be written; it is written down now"
                    ledger.append(e.Alarm(text, order_id=event.order.order_id, symbol=event.order.symbol))
                elif isinstance(event, e.OrderCancelling) and known is not None and known.status is Status.WORKING:
                    cancelling = structs.replace(known, status=Status.CANCELLING, note=event.order.note)
                    ledger.append(e.OrderCancelling(cancelling))
        self._spill.clear()
