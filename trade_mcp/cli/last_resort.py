"""Halting when the desk itself cannot be opened: what is left of ledger and exchange is told, each by itself.

The flag is up already. A ledger that can be written gets the halt though the exchange is away; an exchange that can be
reached loses every resting buy of the desk's symbols though the ledger is damaged. Nobody can tell then which buys are
the desk's, so all of them go; sells stay, they may be stops.
"""

from datetime import datetime
from typing import TYPE_CHECKING

from trade_mcp.domain.errors import TradeError

if TYPE_CHECKING:
    from trade_mcp.settings import Settings


def last_resort(settings: "Settings", reason: str) -> tuple[list[str], bool]:
    """What was done and what could not be, in sentences; and whether the exchange holds no entry now."""
    said, calm = [_ledger(settings, reason)], True
    if settings.desk.venue == "ccxt":
        try:
            said += _cancelled(settings) or ["no buy rests at the exchange"]
        except TradeError as error:
            said.append(f"the exchange: {error}")
            calm = False
    return said, calm


def _ledger(settings: "Settings", reason: str) -> str:
    from trade_mcp import __version__
    from trade_mcp.clock import LiveClock
    from trade_mcp.domain.events import StateChanged, TradingState
    from trade_mcp.domain.order import Source
    from trade_mcp.store.engine import open_engine
    from trade_mcp.store.log import Log

    try:
        engine = open_engine(settings.desk.ledger_url)
        try:
            log = Log(engine, code=__version__, clock=LiveClock())
            if log.book.seq == 0:
                return "there is no ledger yet"
            newest = engine.row("SELECT max(at) FROM events")
            with log.writing() as ledger:
                at = datetime.fromisoformat(newest[0]) if newest else None  # market time stands where it stood
                ledger.append(StateChanged(TradingState.HALTED, reason, Source.OPERATOR), at=at)
        finally:
            engine.close()
    except TradeError as error:
        return f"the ledger does not know of the halt: {error.message}"
    return "the halt is written to the ledger"


def _cancelled(settings: "Settings") -> list[str]:
    """Cancel every resting buy. Raises VenueError, BadConfig; one that fails keeps no other."""
    from trade_mcp.app import open_exchange
    from trade_mcp.clock import LiveClock
    from trade_mcp.venues.ccxt import CcxtVenue
    from trade_mcp.venues.exchange_budget import Purpose

    exchange, wanted = open_exchange(settings, signed=True), settings.desk.symbols
    venue = CcxtVenue(exchange, LiveClock(), account="", symbols=wanted or ())
    said, failed = [], []
    try:
        for row in venue.open_rows(None):
            if row["side"] != "buy" or (wanted and row["symbol"] not in wanted):
                continue
            name = f"{row['id']} (buy {row['amount']} {row['symbol']})"
            apart = {"trigger": True} if venue.can.triggers_apart and row.get("triggerPrice") else {}
            try:
                exchange.call(Purpose.EXIT, "cancel_order", row["id"], row["symbol"], apart, doing=f"cancelling {name}")
                said.append(f"cancelled {name}")
            except TradeError as error:
                failed.append(f"{name}: {error.message}")
    finally:
        venue.close()
    if failed:
        raise TradeError("; ".join((*said, *(f"NOT cancelled {each}" for each in failed))), hint="cancel them there")
    return said
