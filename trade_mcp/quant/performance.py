"""Performance: closed trades out of fills, and their record; money exact, ratios with the number they are made of."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from trade_mcp.domain.instrument import ZERO
from trade_mcp.domain.order import Fill, Role, Side, Source
from trade_mcp.domain.position import COST_STEP
from trade_mcp.quant.measure import Measure, few, nothing

MIN_TRADES = 5  # closed ones, until a ratio of them says anything

# In the ids of closes that the desk makes by itself.
DERIVED = {"-rung-": "ladder", "-time-": "time", "-take-": "target", "-stop-": "stop"}
CLOSED_BY = {Source.LOOP: "loop", Source.MODEL: "model", Source.OPERATOR: "operator", Source.EXIT: "market exit"}


class Traded(Struct, frozen=True):
    """A fill with what its order was for. ``realised``: profit of what it sold, before fees, quote currency."""

    seq: int
    fill: Fill
    source: Source
    role: Role
    strategy: str
    entry_id: str  # the entry of the position it belongs to
    realised: Decimal


class Trade(Struct, kw_only=True, gc=False):
    """One position from its first fill to its last. Money in the quote currency, sizes in base units."""

    symbol: str
    strategy: str
    source: Source  # who opened it
    entry_id: str
    opened: datetime
    closed: datetime | None = None  # None: still open
    exit_kind: str = ""  # how it ended: "stop", "target", "ladder", "time", "market exit", or who closed it
    size: Decimal = ZERO  # bought and kept
    cost: Decimal = ZERO  # what that was bought for
    sold: Decimal = ZERO
    proceeds: Decimal = ZERO
    profit: Decimal = ZERO  # realised so far, before fees
    fees: Decimal = ZERO

    @property
    def entry(self) -> Decimal | None:
        """Average price it was bought at; None if nothing was kept."""
        return (self.cost / self.size).quantize(COST_STEP) if self.size else None

    @property
    def exit(self) -> Decimal | None:
        """Average price it was sold at; None before the first sale."""
        return (self.proceeds / self.sold).quantize(COST_STEP) if self.sold else None

    @property
    def net(self) -> Decimal:
        return self.profit - self.fees

    @property
    def rested(self) -> bool:
        """Whether an order that rested at the venue ended it: then the exit lies somewhere inside its bar."""
        return self.exit_kind in (Role.STOP, Role.TARGET)


def trades_of(fills: Iterable[Traded], *, still_open: Iterable[str]) -> dict[str, Trade]:
    """The trades that ``fills`` (whole trades, in the order they were booked) add up to, by entry, oldest first.

    ``still_open`` are the entries of the positions held now; one that only dust is left of is over.
    """
    trades: dict[str, Trade] = {}
    for one in fills:
        fill = one.fill
        trade = trades.get(one.entry_id)
        if trade is None:
            trade = trades[one.entry_id] = Trade(
                symbol=fill.symbol,
                strategy=one.strategy,
                source=one.source,
                entry_id=one.entry_id,
                opened=fill.at,
            )
        trade.profit += one.realised
        trade.fees += fill.fee_quote
        if fill.side is Side.BUY:
            # A fee in the base coin costs size, not cash.
            in_base = fill.fee_currency == fill.symbol.partition("/")[0]
            kept = fill.size - fill.fee if in_base else fill.size
            trade.size += kept
            trade.cost += kept * fill.price
        else:
            trade.sold += fill.size
            trade.proceeds += fill.size * fill.price
            trade.exit_kind = exit_kind(one)
        trade.closed = fill.at
    for entry_id in still_open:
        if entry_id in trades:
            trades[entry_id].closed = None
    return trades


def exit_kind(sale: Traded) -> str:
    """What kind of exit a sale was."""
    if sale.role in (Role.STOP, Role.TARGET):
        return sale.role.value
    if sale.source is Source.EXIT:
        return next((kind for mark, kind in DERIVED.items() if mark in sale.fill.order_id), CLOSED_BY[Source.EXIT])
    return CLOSED_BY[sale.source]


class Record(Struct, frozen=True, gc=False):
    """What closed trades say, after fees. A ratio that nothing is known of is None, never 0 or infinite."""

    closed: int
    wins: int
    losses: int
    net: Decimal
    win_rate: float | None  # wins / closed; None before the first
    profit_factor: float | None  # money won / money lost; None without a loss
    expectancy: Decimal | None  # net of the average trade
    average_win: Decimal | None
    average_loss: Decimal | None  # below 0


def record(trades: Iterable[Trade]) -> Record:
    """The record of the closed ones among ``trades``; a win is a trade that made money after fees."""
    nets = [trade.net for trade in trades if trade.closed is not None]
    won, lost = [net for net in nets if net > 0], [net for net in nets if net < 0]
    return Record(
        closed=len(nets),
        wins=len(won),
        losses=len(lost),
        net=sum(nets, ZERO),
        win_rate=len(won) / len(nets) if nets else None,
        profit_factor=float(sum(won, ZERO) / -sum(lost, ZERO)) if lost else None,
        expectancy=_mean(nets),
        average_win=_mean(won),
        average_loss=_mean(lost),
    )


def trade_measures(of: Record) -> dict[str, Measure]:
    """Win rate, profit factor and expectancy (quote currency a trade) of a record, if it has enough trades."""
    values = {
        "win_rate": of.win_rate,
        "profit_factor": of.profit_factor,
        "expectancy": None if of.expectancy is None else float(of.expectancy),
    }
    if of.closed < MIN_TRADES:
        return {name: few("trades", of.closed, needed=MIN_TRADES) for name in values}
    return {
        name: nothing("trades", of.closed, "no trade lost")
        if value is None
        else Measure(value=value, sample=of.closed, of="trades")
        for name, value in values.items()
    }


def _mean(values: list[Decimal]) -> Decimal | None:
    return (sum(values, ZERO) / len(values)).quantize(COST_STEP) if values else None
