"""Portfolio: what the desk holds and what it is worth, from the book and a price for each symbol."""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from msgspec import Struct

from trade_mcp.domain.book import Book
from trade_mcp.domain.distances import Distance
from trade_mcp.domain.events import TradingState
from trade_mcp.domain.instrument import ZERO
from trade_mcp.domain.order import Source
from trade_mcp.domain.position import Position
from trade_mcp.ports import Clock
from trade_mcp.risk.standing import sound, standing
from trade_mcp.store.log import Log


class Holding(Struct, frozen=True, gc=False, kw_only=True):
    """One position. Prices in quote per base unit; what needs a price is None without one."""

    symbol: str
    size: Decimal
    entry: Decimal  # average
    cost: Decimal
    mark: Decimal | None
    value: Decimal | None
    unrealised: Decimal | None
    stop: Decimal | None  # the one in force, a trailing one counted
    target: Decimal | None
    trail: Distance | None
    break_even: Decimal | None  # once the price was there, the stop is at the entry plus fees
    ladder: tuple[tuple[Decimal, Decimal], ...]  # (share, price) sold before the target
    until: datetime | None  # closed then
    protected: bool  # a stop order lives, or the desk watches the stop now
    owner: Source
    strategy: str
    entry_id: str
    opened_at: datetime | None
    dust: bool


class Snapshot(Struct, frozen=True, kw_only=True):
    """The desk's bucket at ``as_of`` (market time). Money in ``currency``; ratios are of equity.

    ``equity`` = ``deposits`` + ``realised`` + ``unrealised`` - ``fees`` = ``cash`` + the value of the positions.
    Exposure and heat count live buys at their worst, as the limits do.
    """

    as_of: datetime | None
    mode: str
    account: str
    feed: str
    synthetic: bool
    currency: str
    state: TradingState
    state_reason: str
    cash: Decimal
    reserved: Decimal  # what live buys may still spend
    deposits: Decimal  # capital and flows
    realised: Decimal  # before fees
    fees: Decimal
    unrealised: Decimal | None  # None while a position has no price
    equity: Decimal | None
    drawdown: float | None  # from the peak, net of flows
    exposure: float | None
    heat: float | None
    positions: tuple[Holding, ...]
    unpriced: tuple[str, ...]  # positions without a price
    unprotected: tuple[str, ...]  # positions whose stop should rest and does not
    external: Mapping[str, Decimal]  # in the account, not the desk's


class Prices(Protocol):
    """Where marks come from; `desk.market.Market` is one. A symbol without a price is absent."""

    def marks(self, symbols: Iterable[str]) -> Mapping[str, Decimal]: ...


class Portfolio:
    """What the desk holds, at the prices of now."""

    def __init__(
        self, ledger: Log, prices: Prices, clock: Clock, *, bare: Callable[[Book], Iterable[str]] = Book.unprotected
    ):
        self._log, self._prices, self._clock, self._bare = ledger, prices, clock, bare

    def __call__(self) -> Snapshot:
        """The desk's bucket now, with everything other processes committed."""
        book = self._log.refresh()
        marks = self._prices.marks(book.positions)
        return snapshot(book, marks, as_of=self._clock.market(), bare=self._bare(book))


def snapshot(
    book: Book, marks: Mapping[str, Decimal], *, as_of: datetime | None, bare: Iterable[str] | None = None
) -> Snapshot:
    """What ``book`` is worth at ``marks`` (the price each position could be sold at, by symbol). ``bare``: positions
    that no stop protects, if more is known of it than the book says.
    """
    now = standing(book, marks)
    bare = sorted(book.unprotected() if bare is None else bare)
    holdings = tuple(_holding(book, symbol, marks.get(symbol), bare=bare) for symbol in sorted(book.positions))
    equity = now.equity
    cost = sum((holding.cost for holding in holdings), ZERO)
    return Snapshot(
        as_of=as_of,
        mode=book.mode if book.venue else "",
        account=book.account,
        feed=book.feed,
        synthetic=book.synthetic,
        currency=book.quote,
        state=book.state,
        state_reason=book.state_reason,
        cash=book.cash,
        reserved=now.reserved,
        deposits=book.deposits,
        realised=book.realised,
        fees=book.fees,
        unrealised=None if equity is None else equity - book.cash - cost,
        equity=equity,
        drawdown=None if equity is None else _drawdown(max(book.peak_equity, equity), equity),
        exposure=_ratio(now.exposure, equity),
        heat=_ratio(now.heat, equity),
        positions=holdings,
        unpriced=now.unpriced,
        unprotected=tuple(bare),
        external=dict(book.external),
    )


def _holding(book: Book, symbol: str, mark: Decimal | None, *, bare: Collection[str]) -> Holding:
    position: Position = book.positions[symbol]
    priced = mark is not None and sound(mark)
    value = position.size * mark if priced and mark is not None else None
    return Holding(
        symbol=symbol,
        size=position.size,
        entry=position.entry,
        cost=position.cost,
        mark=mark if priced else None,
        value=value,
        unrealised=None if value is None else value - position.cost,
        stop=position.levels.stop_price,
        target=position.levels.target,
        trail=position.levels.trail,
        break_even=position.levels.even_at,
        ladder=position.levels.rungs,
        until=position.levels.until,
        protected=symbol in book.with_stops and symbol not in bare,
        owner=position.owner,
        strategy=position.strategy,
        entry_id=position.entry_id,
        opened_at=position.opened_at,
        dust=position.dust,
    )


def _drawdown(peak: Decimal, equity: Decimal) -> float:
    return float((peak - equity) / peak) if peak > 0 else 0.0


def _ratio(part: Decimal, equity: Decimal | None) -> float | None:
    if equity is None:
        return None
    return float(part / equity) if equity > 0 else 0.0
