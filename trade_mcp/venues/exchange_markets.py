"""What trades at an exchange: asked for once, and kept on the disk with its age.

The steps and minimums of an exchange change a few times a year, and its list is megabytes long. A list older than a day
is asked for again; while the exchange cannot be reached, an older one is used, and it is said how old it is. What is in
the list no more (some leave out what is halted) is kept as inactive: its orders and fills can still be asked for.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import structlog
from msgspec import Struct, structs

from trade_mcp.domain.errors import VenueUnreachable

MAX_AGE = timedelta(days=1)
DOUBTED_AGE = timedelta(minutes=10)  # after the exchange refused what its list allows

log = structlog.get_logger(__name__)


class Markets(Struct, frozen=True):
    """The spot markets of one exchange as ccxt gives them, and when they were asked for (real time)."""

    at: datetime
    spot: list[dict[str, Any]]
    weight_limit: int | None = None  # requests per minute, by the exchange's weights


def kept_markets(file: Path, ask: Callable[[], Markets], *, now: datetime, max_age: timedelta = MAX_AGE) -> Markets:
    """The markets in ``file`` if they are younger than ``max_age``, else fresh ones, which are kept there.

    Raises VenueUnreachable, VenueRejected where there are none at all.
    """
    kept = _read(file)
    if kept is not None and timedelta(0) <= now - kept.at < max_age:
        return kept
    try:
        fresh = ask()
    except VenueUnreachable as failure:
        if kept is None:
            raise
        log.warning("markets not asked for again", markets_of=kept.at.isoformat(), error=failure.message)
        return kept
    fresh = structs.replace(fresh, spot=[*fresh.spot, *_gone(kept, fresh)])
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(f".{id(fresh):x}.part")
    part.write_bytes(msgspec.json.encode(fresh))
    part.replace(file)
    return fresh


def _gone(kept: Markets | None, fresh: Markets) -> list[dict[str, Any]]:
    listed = {market["symbol"] for market in fresh.spot}
    return [{**market, "active": False} for market in (kept.spot if kept else ()) if market["symbol"] not in listed]


def _read(file: Path) -> Markets | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Markets)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        log.warning("kept markets cannot be read; they are asked for again", file=str(file), error=str(error))
        return None
