"""Due: exits that do not rest at the venue: the steps of a take-profit ladder, the end of a position's time, and the
target where the venue holds the stop alone, or none.

Each is a close with an id derived from the entry, so that two watchers, or a restart, sell once. The stop rests at the
venue for all that is held meanwhile, and is sized anew after each step (docs/decisions/0006).
"""

from decimal import Decimal

from trade_mcp.desk.exits import free_size
from trade_mcp.desk.gate import ALL, Gate
from trade_mcp.desk.market import Market
from trade_mcp.domain.errors import FeedError, LeaseLost
from trade_mcp.domain.events import Alarm
from trade_mcp.domain.order import Source
from trade_mcp.domain.position import Position
from trade_mcp.ports import Clock, Rests
from trade_mcp.store.leases import Lease
from trade_mcp.store.log import Log

TOLD_AFTER = 3  # tries that sold nothing before a person is told
LONGEST_PAUSE_S = 30.0  # real time between two tries


class Due:
    """Closes what is due, in whole or in part."""

    def __init__(self, ledger: Log, market: Market, gate: Gate, *, rests: Rests, clock: Clock):
        self._log, self._market, self._gate, self._clock = ledger, market, gate, clock
        self._rests = rests
        self._tried: dict[tuple[str, str], tuple[int, int, float]] = {}  # exit -> last id's number, tries, next try

    def step(self, lease: Lease | None = None) -> None:
        """Close every position whose time is over or whose watched target is reached, and take every step of a ladder
        that the price has reached.
        """
        failed: list[Exception] = []
        positions = self._log.refresh().positions
        held = {position.entry_id for position in positions.values()}
        self._tried = {key: tried for key, tried in self._tried.items() if key[0] in held}
        for symbol, position in list(positions.items()):
            if position.dust:
                continue
            try:
                self._about(symbol, position, lease)
            except LeaseLost:
                raise
            except Exception as failure:  # one symbol that fails never keeps the next one's exits
                failed.append(failure)
        if failed:
            raise failed[0]

    def _about(self, symbol: str, position: Position, lease: Lease | None) -> None:
        held = position.levels
        if held.until is not None and self._clock.market() >= held.until:
            reason = f"held until {held.until:%Y-%m-%d %H:%M} UTC, as planned"
            self._close(symbol, position, "time", fraction=ALL, reason=reason, lease=lease)
            return
        if held.target is not None and not self._rests.pairs and self._there(symbol, held.target):
            reason = f"the price reached the target {held.target:f}"
            self._close(symbol, position, "take", fraction=ALL, reason=reason, lease=lease)
            return
        left = Decimal(1)
        for number, (share, price) in enumerate(held.rungs, start=1):
            if not self._reached(symbol, position, price):
                return
            reason = f"step {number} of the ladder: the price reached {price:f}"
            name = f"rung-{number}"
            self._close(symbol, position, name, fraction=min(share / left, ALL), reason=reason, lease=lease)
            left -= share
            if left <= 0:
                return

    def _reached(self, symbol: str, position: Position, price: Decimal) -> bool:
        if position.levels.peak is not None and position.levels.peak >= price:
            return True
        return self._there(symbol, price)

    def _there(self, symbol: str, price: Decimal) -> bool:
        try:
            return self._market.quote(symbol).bid >= price
        except FeedError:
            return False

    def _close(
        self, symbol: str, position: Position, name: str, *, fraction: Decimal, reason: str, lease: Lease | None
    ) -> None:
        """Sell ``fraction`` of what is held, once: an order of that name that lives or sold is enough.

        One that came to nothing is asked for again under the next id, less and less often, for as long as it is due.
        """
        instrument = self._market.instrument(symbol)
        free = free_size(self._log.book, symbol, instrument)
        if not instrument.sellable(free, self._market.bid_or(symbol, position.entry)):
            return  # somebody sells it already, or it is too little for the venue
        number, tries, not_before = self._tried.get((position.entry_id, name), (1, 0, 0.0))
        if self._clock.boot() < not_before:
            return
        while (known := self._log.order(f"{position.entry_id}-{name}-{number}")) is not None:
            sold = known.filled > 0 if fraction < ALL else known.filled >= known.size
            if known.live or sold:
                return
            number += 1
        pause = min(2.0 ** min(tries, 10), LONGEST_PAUSE_S)
        self._tried[position.entry_id, name] = number, tries + 1, self._clock.boot() + pause
        if tries == TOLD_AFTER:
            with self._log.writing(lease) as ledger:
                text = f"{symbol} is due to be sold ({reason}), and {tries} tries failed; the desk goes on trying"
                ledger.append(Alarm(text, symbol=symbol))
        order_id = f"{position.entry_id}-{name}-{number}"
        self._gate.close(symbol, fraction, Source.EXIT, reason=reason, order_id=order_id, lease=lease)
