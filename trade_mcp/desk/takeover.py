"""Takeover: what the account held before us, or got by another hand, becomes the desk's. Only a person decides that.

Nothing is traded. Coins come in as a position at the entry the person names, owned by the operator, with the default
exits of the settings priced from the market of now; the gate protects it like any other. Money comes in as cash.
"""

from decimal import Decimal

from trade_mcp.desk.gate import Gate
from trade_mcp.desk.market import Market
from trade_mcp.desk.resolve import ranged
from trade_mcp.domain.book import Book
from trade_mcp.domain.errors import BadInput, RefusedError
from trade_mcp.domain.events import Alarm, ExternalMoved, FlowRecorded, TakenOver
from trade_mcp.domain.exit_rules import ExitRules
from trade_mcp.domain.exits import levels
from trade_mcp.domain.instrument import ZERO, Instrument
from trade_mcp.domain.order import Fill, Order, OrderType, Role, Side, Source, Status
from trade_mcp.domain.position import Position
from trade_mcp.ports import Clock
from trade_mcp.risk.policy import parse_policy
from trade_mcp.risk.standing import sound
from trade_mcp.store.log import Log


class Takeover:
    """Takes external holdings over."""

    def __init__(self, ledger: Log, market: Market, gate: Gate, *, rules: ExitRules, clock: Clock):
        self._log, self._market, self._gate = ledger, market, gate
        self._rules, self._clock = rules, clock

    def coins(
        self, symbol: str, *, size: Decimal | None, entry: Decimal | None, reason: str, takeover_id: str
    ) -> Position:
        """Take ``size`` (all whole lots, if not given) of the external base coin of ``symbol`` over, as if it had cost
        ``entry`` (the bid of now, if not given) a unit; the position afterwards.

        Raises BadInput, NoPrice, UnknownSymbol, and RefusedError for what the limits protect.
        """
        instrument, price = self._market.instrument(symbol), self._market.quote(symbol).bid
        entry = price if entry is None else entry
        if not sound(entry):
            raise BadInput(f"an entry of {entry} makes no sense", hint="give a price above zero")
        plan = self._rules.plan_for("")
        plan = ranged(plan, self._market.average_range(symbol) if plan.needs_range else None, symbol)
        now = self._clock.market()
        with self._log.writing() as ledger:
            size = _allowed(ledger.book, instrument, size, price=price)
            order = self._order(instrument, size, entry, reason=reason, takeover_id=takeover_id)
            fill = Fill(
                trade_id=order.order_id,
                order_id=order.order_id,
                symbol=symbol,
                side=Side.BUY,
                size=size,
                price=entry,
                fee=ZERO,
                fee_currency=instrument.quote,
                fee_quote=ZERO,
                at=now,
            )
            text = f"a person took {size:f} {instrument.base} over at {entry:f}: {reason}"
            ledger.append(FlowRecorded(size * entry, text, worth=size * price))
            ledger.append(TakenOver(order, fill, levels(plan, price, at=now), reason))
            ledger.append(Alarm(text, order_id=order.order_id, symbol=symbol))
        self._gate.protect(symbol)
        return self._log.refresh().position(symbol)

    def cash(self, *, amount: Decimal | None, reason: str, takeover_id: str) -> Decimal:
        """Take ``amount`` (all, if not given) of the external quote currency over; how much it was. Raises BadInput."""
        with self._log.writing() as ledger:
            currency = ledger.book.quote
            there = ledger.book.external.get(currency, ZERO)
            amount = there if amount is None else amount
            _check_size(amount, there, currency, ledger.book)
            text = f"a person took {amount:f} {currency} over: {reason}"
            ledger.append(ExternalMoved(f"takeover:{takeover_id}", {currency: -amount}, text))
            ledger.append(FlowRecorded(amount, text))
            ledger.append(Alarm(text, symbol=currency))
        return amount

    def _order(self, instrument: Instrument, size: Decimal, entry: Decimal, *, reason: str, takeover_id: str) -> Order:
        order_id, real = f"takeover-{takeover_id}", self._clock.real()
        return Order(
            order_id=order_id,
            symbol=instrument.symbol,
            side=Side.BUY,
            type=OrderType.MARKET,
            size=size,
            role=Role.ENTRY,
            source=Source.OPERATOR,
            at=self._clock.market(),
            real_at=real,
            send_by=real,
            status=Status.FILLED,
            reason=reason,
            filled=size,
            cost=size * entry,
            trades=(order_id,),
            note="taken over, not bought",
        )


def _allowed(book: Book, instrument: Instrument, size: Decimal | None, *, price: Decimal) -> Decimal:
    """How much may be taken over. Raises BadInput, RefusedError."""
    base = instrument.base
    there = book.external.get(base, ZERO)
    size = instrument.round_size(max(there, ZERO)) if size is None else size
    _check_size(size, there, base, book)
    if instrument.round_size(size) != size:
        raise BadInput(f"{size:f} is no whole number of lots", hint=f"one lot is {instrument.lot:f} {base}")
    held = book.position(instrument.symbol).size
    if not instrument.sellable(held + size, price):
        raise BadInput(f"{held + size:f} {base} could not be sold: too little for {instrument.symbol}")
    protected = parse_policy(book.policy_text).protected
    for name in {instrument.symbol, base} & protected.keys():
        least = protected[name]
        if least is None or there - size < least:
            kept = "all of it" if least is None else f"{least:f}"
            raise RefusedError(
                f"[limits] protected keeps {kept} of {name} from the desk", hint="take over less, or change the limits"
            )
    return size


def _check_size(size: Decimal, there: Decimal, currency: str, book: Book) -> None:
    if currency in book.breaks:
        raise BadInput(f"{book.breaks[currency]}", hint="settle that first: trade-mcp reconcile")
    if there <= 0:
        others = ", ".join(f"{amount:f} {name}" for name, amount in sorted(book.external.items()) if amount > 0)
        raise BadInput(f"no {currency} in the account is external", hint=f"external: {others or 'nothing'}")
    if not size.is_finite() or not 0 < size <= there:
        raise BadInput(f"{size} {currency} cannot be taken over", hint=f"external: {there:f} {currency}")
