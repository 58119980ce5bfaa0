"""Protection: keeps positions on their exits. Sells at the market what is to be closed and what exits do not hold."""

from msgspec import structs

from trade_mcp.desk.asking import Asking
from trade_mcp.desk.drafts import Drafts
from trade_mcp.desk.exits import Armed, Exits, free_size
from trade_mcp.desk.inkless import Inkless
from trade_mcp.desk.judge import Judge
from trade_mcp.desk.market import Market
from trade_mcp.desk.receipt import Receipt, placed, receipt_of, why_not
from trade_mcp.desk.refusal import refuse
from trade_mcp.desk.send import Sender
from trade_mcp.domain import events as e
from trade_mcp.domain.errors import LedgerUnwritable
from trade_mcp.domain.order import Order, OrderRequest, Role, Side, Source, Status
from trade_mcp.domain.position import Position
from trade_mcp.ports import Clock
from trade_mcp.risk.assess import refused
from trade_mcp.store import reads
from trade_mcp.store.leases import Lease
from trade_mcp.store.log import Ledger, Log

GRACE_S = 15.0  # real time that the price may be beyond a resting stop before the desk sells at the market itself
MARKET_ONLY = {
    Armed.REACHED: "the price reached its stop, which the desk watches",
    Armed.THROUGH: "the price is through an exit level",
    Armed.REFUSED: "its stop was refused",
    Armed.OVERDUE: "its stop was reached and did not sell in time",
}
UNWRITTEN = "a sale left without being written down; that comes first"
UNCANCELLED = "its exits could not be cancelled in time"
LONGEST_PAUSE_S = 30.0  # real time between two tries to protect a position whose exits fail


class Protection:
    """Arms exits through `Exits`, and replaces them by a market order where only that helps."""

    def __init__(
        self,
        ledger: Log,
        market: Market,
        sender: Sender,
        *,
        exits: Exits,
        judge: Judge,
        drafts: Drafts,
        asking: Asking,
        inkless: Inkless,
        clock: Clock,
    ):
        self._log, self._market, self._sender, self._exits = ledger, market, sender, exits
        self._judge, self._drafts, self._asking, self._inkless = judge, drafts, asking, inkless
        self._clock = clock
        self._beyond: dict[str, float] = {}  # symbol -> since when (boot time) the price is beyond its resting stop
        self._failed: dict[str, tuple[int, float]] = {}  # symbol -> how often its exits failed, and when to try again
        self._told: set[str] = set()  # entries whose watched stop failed to sell, told

    def forget(self, symbol: str) -> None:
        """Forget what failed for ``symbol``: its exits are others now."""
        self._failed.pop(symbol, None)

    def protect(self, symbol: str, *, lease: Lease | None = None) -> Armed:
        """Make the exits of ``symbol`` rest as they should; where they cannot, sell at the market.

        What fails is tried again, less and less often: a refusal that stays does not flood the ledger.
        """
        failures, not_before = self._failed.get(symbol, (0, 0.0))
        if self._clock.boot() < not_before:
            return Armed.OPEN
        armed = self._exits.arm(symbol, lease=lease)
        if armed not in MARKET_ONLY and self._overdue(symbol):
            armed = Armed.OVERDUE
        if armed not in MARKET_ONLY:
            self._failed.pop(symbol, None)
            return armed
        self._failed[symbol] = (failures + 1, self._clock.boot() + min(2.0 ** min(failures, 10), LONGEST_PAUSE_S))
        try:
            return self._sell_at_market(symbol, armed, lease)
        except LedgerUnwritable:
            if lease is not None:
                self._inkless.sell(symbol, name=_name(armed), why=MARKET_ONLY[armed], lease=lease)
            raise

    def sell(
        self, request: OrderRequest, source: Source, *, lease: Lease | None, parent: Position | None = None
    ) -> Receipt:
        """Sell at the market. The journaled close fences the exits before they are cancelled; then it is sent."""
        symbol = request.symbol
        view = self._judge.view(self._log.refresh(), symbol)
        with self._log.writing(lease) as ledger:
            if known := ledger.order(request.order_id):
                return receipt_of(known, request)
            if self._inkless.left(symbol):
                return Receipt("nothing", f"{symbol}: {UNWRITTEN}")
            self._asking.asked_before(ledger, request)  # an id that stands for a waiting entry is not free for a sale
            order = self._drafts.order(request, source, quote=view.quote)
            position = ledger.book.position(symbol)
            order = structs.replace(order, parent=position.entry_id, strategy=order.strategy or position.strategy)
            if parent is not None:
                order = structs.replace(order, revision=ledger.last_revision(parent.entry_id) + 1)
            legs = ledger.book.exits(symbol)
            ids = [leg.order_id for leg in legs]
            _, verdicts = self._judge.order(ledger.book, order, view, replacing=ids, asked=request.sized_by)
            if refused(verdicts):
                if parent is not None and self._failed.get(symbol, (0, 0.0))[0] > 1:
                    return Receipt("refused", why_not(verdicts), order, verdicts)  # as before: written down already
                return refuse(ledger, request, order, verdicts)
            take_over(ledger, symbol, source)
            ledger.append(e.OrderPending(order, tuple(verdict.rule for verdict in verdicts)))
            for leg in legs:
                if leg.status is not Status.CANCELLING:
                    ledger.append(
                        e.OrderCancelling(structs.replace(leg, status=Status.CANCELLING, note="replaced by a close"))
                    )
            legs = ledger.book.exits(symbol)
        self._sender.cancel(legs)
        if self._fit(order, legs, lease):
            self._sender.send((self._log.order(order.order_id) or order,), lease=lease)
        self.protect(symbol, lease=lease)
        return placed(self._log, order, verdicts)

    def _fit(self, close: Order, replaced: list[Order], lease: Lease | None) -> bool:
        """Whether ``close`` may be sent now: the exits it replaces are gone, nothing left without ink meanwhile, and
        its size is what is still held.

        Exits that somebody armed since are no hindrance: they are sized beside the close.
        """
        instrument = self._market.instrument(close.symbol)
        with self._log.writing(lease) as ledger:
            now = ledger.order(close.order_id)
            if now is None or now.status is not Status.PENDING:
                return False
            in_time = all(leg.order_id not in ledger.book.orders for leg in replaced)
            why = UNWRITTEN if self._inkless.left(close.symbol) else "" if in_time else UNCANCELLED
            if why:
                ledger.append(e.OrderEnded(structs.replace(now, status=Status.NEVER_PLACED, note=why)))
                return False
            size = min(now.size, free_size(ledger.book, close.symbol, instrument, besides=now.order_id))
            if size <= 0:
                ledger.append(
                    e.OrderEnded(structs.replace(now, status=Status.NEVER_PLACED, note="its exit filled first"))
                )
                return False
            if size < now.size:
                ledger.append(e.OrderResized(structs.replace(now, size=size)))
            return True

    def _sell_at_market(self, symbol: str, armed: Armed, lease: Lease | None) -> Armed:
        instrument = self._market.instrument(symbol)
        price = self._market.bid_or(symbol, self._log.book.position(symbol).entry)
        with self._log.writing(lease) as ledger:
            position = ledger.book.positions.get(symbol)
            size = free_size(ledger.book, symbol, instrument)
            if armed is Armed.REACHED:  # what was bought in several orders may be too much for one
                size = min(size, instrument.round_size(min(instrument.max_size, instrument.max_notional / price)))
            if position is None or not instrument.sellable(size, price):
                return armed  # what the venue would not take is not asked for again and again
            order_id = f"{position.entry_id}-{_name(armed)}-{ledger.last_revision(position.entry_id) + 1}"
            why = MARKET_ONLY[armed]
            self._tell_of_failure(ledger, symbol, position)
        request = OrderRequest(order_id=order_id, symbol=symbol, side=Side.SELL, size=size, reason=why)
        if self.sell(request, Source.EXIT, lease=lease, parent=position).outcome == "closed":
            self._failed.pop(symbol, None)
        return armed

    def _tell_of_failure(self, ledger: Ledger, symbol: str, position: Position) -> None:
        """An alarm, once, when a sale at a watched stop came to nothing: it is tried again for as long as it takes."""
        entry_id, name = position.entry_id, _name(Armed.REACHED)
        before = reads.exits_of(self._log.engine, entry_id)
        sales = (o for o in before if o.role is Role.CLOSE and o.order_id.startswith(f"{entry_id}-{name}-"))
        failed = next(sales, None)
        if failed is None or failed.live or failed.filled > 0 or entry_id in self._told:
            return
        self._told.add(entry_id)
        why = failed.note or failed.status
        text = f"the sale of {symbol} at its stop came to nothing ({why}); the desk goes on trying"
        ledger.append(e.Alarm(text, order_id=failed.order_id, symbol=symbol))

    def _overdue(self, symbol: str) -> bool:
        """Whether the price has been beyond a resting stop for longer than the grace, and it has not sold."""
        position = self._log.book.positions.get(symbol)
        stop = None if position is None or position.dust else position.levels.stop_price
        resting = any(order.role is Role.STOP for order in self._log.book.live(symbol))
        price = (
            self._market.bid_or(symbol, position.entry)
            if position is not None and stop is not None and resting
            else None
        )
        if price is None or stop is None or price > stop:
            self._beyond.pop(symbol, None)
            return False
        now = self._clock.boot()
        return now - self._beyond.setdefault(symbol, now) >= GRACE_S


def _name(armed: Armed) -> str:
    """What a sale is called in its id: one at a watched stop is the stop."""
    return "stop" if armed is Armed.REACHED else "exit"


def take_over(ledger: Ledger, symbol: str, source: Source) -> None:
    """The chat may add to, close or re-protect a position of the loop, which is then the chat's."""
    position = ledger.book.positions.get(symbol)
    if position is not None and position.owner is Source.LOOP and source in (Source.MODEL, Source.OPERATOR):
        ledger.append(e.OwnerChanged(symbol, source))
