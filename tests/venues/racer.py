"""A process that trades one paper account as fast as it can: `python -m venues.racer FILE NAME ORDERS`.

Prints the id of every order the venue acknowledged, one a line, as soon as it is. Ends with 0 only if nothing failed.
"""

import random
import sys
from decimal import Decimal
from pathlib import Path

from trade_mcp.domain.errors import VenueRejected
from trade_mcp.domain.order import Side
from trade_mcp.venues.paper import PaperVenue, open_paper
from venues.bars import BTC, BarFeed, HandClock, bars, limit, order, stop

CASH, COINS = Decimal(10_000), Decimal(5)


def market() -> BarFeed:
    """Two thousand bars of a walk, the same in every process."""
    walk, price, prices = random.Random(3), 10_000, []
    for _ in range(2000):
        close = max(5_000, price + walk.randint(-60, 60))
        low, high = min(price, close) - walk.randint(0, 30), max(price, close) + walk.randint(0, 30)
        prices.append(" ".join(str(Decimal(cents) / 100) for cents in (price, high, low, close)))
        price = close
    return BarFeed(bars(BTC, *prices))


def opened(path: Path, clock: HandClock, feed: BarFeed) -> PaperVenue:
    return open_paper(path, feed, clock, quote="USDT", cash=CASH, holdings={"BTC": COINS})


def trade(venue: PaperVenue, name: str, turn: int) -> None:
    side = random.Random(f"{name}{turn}").choice(list(Side))
    price = venue._feed.quote(BTC, now=venue._clock.market()).bid
    match turn % 4:
        case 0:
            venue.submit((order(name, side, "0.1"),))
        case 1:
            venue.submit((limit(name, side, "0.1", price=str(price - side.sign)),))
        case 2:
            legs = stop(f"{name}s", size="0.1", trigger=str(price - 1), group=name)
            venue.submit((legs, limit(name, Side.SELL, "0.1", price=str(price + 1), group=name)))
        case 3:
            for report in venue.open_orders()[:2]:
                venue.cancel(order(report.order_id))
            venue.submit((order(name, side, "0.1"),))


def main(path: Path, name: str, turns: int) -> None:
    clock, feed = HandClock(), market()
    cursor = ""
    for turn in range(turns):
        if turn % 20 == 0:
            venue = opened(path, clock, feed)  # the first connection, and a file whose last one may just close
        try:
            trade(venue, f"{name}{turn}", turn)
            print(f"{name}{turn}", flush=True)
        except VenueRejected as refused:
            assert "insufficient" in refused.message, refused
        _, cursor = venue.reports_since(cursor)
        venue.balances()
        if turn % 20 == 19:
            venue.close()
        if turn % 5 == 0:
            clock.bars_on()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
